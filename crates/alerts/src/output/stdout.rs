//! Alerts on standard output, one a line.
//!
//! An alert counts as delivered once it is written and flushed. A reader that goes away (a closed pipe) is a temporary
//! failure: the alerts stay in the outbox for the day when somebody reads them.

use std::io::Write;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;

use super::{DeliveryError, Output};
use crate::alert::Alert;
use crate::format::Renderer;

/// Writes alerts to a stream, one a line.
pub struct StreamOutput<W> {
    renderer: Renderer,
    // Shared with the blocking thread, so that an attempt that was given up cannot interleave with the next.
    stream: Arc<Mutex<W>>,
}

impl StreamOutput<std::io::Stdout> {
    /// The process's standard output.
    pub fn stdout(renderer: Renderer) -> Self {
        Self::new(renderer, std::io::stdout())
    }
}

impl<W: Write + Send + 'static> StreamOutput<W> {
    /// Any stream.
    pub fn new(renderer: Renderer, stream: W) -> Self {
        Self {
            renderer,
            stream: Arc::new(Mutex::new(stream)),
        }
    }
}

#[async_trait]
impl<W: Write + Send + 'static> Output for StreamOutput<W> {
    async fn deliver(&mut self, alerts: &[Alert]) -> Result<(), DeliveryError> {
        let lines: String = alerts
            .iter()
            .map(|alert| self.renderer.line(alert) + "\n")
            .collect();
        let stream = Arc::clone(&self.stream);
        let write = move || {
            let mut stream = stream.lock().unwrap_or_else(PoisonError::into_inner);
            stream.write_all(lines.as_bytes())?;
            stream.flush()
        };
        // A pipe whose reader is slow blocks: never on a thread of the runtime.
        match tokio::task::spawn_blocking(write).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(DeliveryError::temporary(
                alerts.len(),
                format!("cannot write to the stream: {error}"),
            )),
            Err(stopped) => Err(DeliveryError::temporary(
                alerts.len(),
                format!("writing was interrupted: {stopped}"),
            )),
        }
    }
}
