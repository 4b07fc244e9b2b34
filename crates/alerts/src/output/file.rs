//! Alerts in a file, one a line, each exactly once.
//!
//! The writing itself, which survives `kill -9` at any byte, is [`appender`]'s. Here it becomes an output: rendering, and
//! keeping file work off the runtime's threads.
//!
//! Rotation needs nothing but a rename: the next alert after a new file stands under the name, or after a SIGHUP, goes to
//! the new file.

pub mod appender;
mod checkpoint;
mod target;

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;

use self::appender::Appender;
use super::{DeliveryError, Output};
use crate::alert::Alert;
use crate::format::Renderer;
use crate::identity::AlertId;

/// Appends alerts to a file.
pub struct FileOutput {
    renderer: Renderer,
    // Shared with the blocking thread, so that an attempt that was given up cannot interleave with the next.
    appender: Arc<Mutex<Appender>>,
}

impl FileOutput {
    /// Appends to the file at `path`. `checkpoint` is where the output remembers how far it got; its folder must exist.
    pub fn new(renderer: Renderer, path: PathBuf, checkpoint: PathBuf) -> Self {
        Self {
            renderer,
            appender: Arc::new(Mutex::new(Appender::new(path, checkpoint))),
        }
    }
}

#[async_trait]
impl Output for FileOutput {
    async fn deliver(&mut self, alerts: &[Alert]) -> Result<(), DeliveryError> {
        let lines: Vec<(AlertId, String)> = alerts
            .iter()
            .map(|alert| (alert.id, self.renderer.line(alert)))
            .collect();
        let appender = Arc::clone(&self.appender);
        let append = move || {
            appender
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .append(&lines)
        };
        match tokio::task::spawn_blocking(append).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(DeliveryError::temporary(alerts.len(), error.to_string())),
            Err(stopped) => Err(DeliveryError::temporary(
                alerts.len(),
                format!("writing was interrupted: {stopped}"),
            )),
        }
    }

    fn reopen(&mut self) {
        self.appender
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .reopen();
    }
}
