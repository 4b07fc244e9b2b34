//! Events on their way to the sink.
//!
//! A connection may break while a request waits for its events to be kept; then its future is dropped, and with it everything
//! that it was waiting for. Events must not be lost by that, so what is left of the work goes on in a task of its own.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::runtime::Handle;

use crate::auditing::Auditing;
use crate::sink::SinkError;

type Work = Pin<Box<dyn Future<Output = Result<(), SinkError>> + Send>>;

/// Work on events that is done in any case, whether somebody waits for it or not.
pub(super) struct Emission {
    work: Option<Work>,
    auditing: Arc<Auditing>,
}

impl Emission {
    pub(super) fn new(
        auditing: &Arc<Auditing>,
        work: impl Future<Output = Result<(), SinkError>> + Send + 'static,
    ) -> Self {
        Self {
            work: Some(Box::pin(work)),
            auditing: Arc::clone(auditing),
        }
    }
}

impl Future for Emission {
    /// An error only if an event is lost and the sink lets it be known.
    type Output = Result<(), SinkError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let Some(work) = &mut self.work else {
            return Poll::Ready(Ok(()));
        };
        let done = work.as_mut().poll(context);
        if done.is_ready() {
            self.work = None;
        }
        done
    }
}

impl Drop for Emission {
    fn drop(&mut self) {
        let Some(work) = self.work.take() else {
            return;
        };
        // The work holds a token of the tracker, so that it is waited for.
        match Handle::try_current() {
            Ok(runtime) => drop(runtime.spawn(work)),
            Err(_) => {
                self.auditing.counters().count_abandoned();
                tracing::error!("the runtime is gone, and audit events are lost with it");
            }
        }
    }
}
