//! What a backend has to offer so that events can wait for it on disk.

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;

use crate::event::AuditEvent;
use crate::sink::SinkError;

/// A backend that is given events from the journal, in order and one call after another.
///
/// It is not told how many times: after an error, and after a crash, it gets again what it has not settled.
#[async_trait]
pub trait Delivers: Send + Sync {
    /// The backend, as the metric names it: `log`, `webhook`.
    fn plugin(&self) -> &'static str;

    /// The event as it will be delivered. It is kept in this form.
    ///
    /// # Errors
    ///
    /// When the backend could never take the event.
    fn encode(&self, event: &AuditEvent) -> Result<Bytes, SinkError>;

    /// How much it wants at a time.
    fn pace(&self) -> Pace;

    /// The wait after so many failures in a row, at least one.
    fn pause(&self, failures: u32) -> Duration;

    /// Takes up where the mark of the last life says, and gives the mark to begin with. Called before anything else; an empty mark
    /// is none.
    ///
    /// # Errors
    ///
    /// When the backend is not there; called again then.
    async fn begin(&self, mark: &[u8]) -> Result<Vec<u8>, DeliveryError>;

    /// Takes events, as many of the first as it can; how many those are. When it took fewer than it was given, it wants to be
    /// settled before it is given the others.
    ///
    /// # Errors
    ///
    /// When none of them counts as delivered; the same events come again.
    async fn deliver(&self, events: &[Bytes]) -> Result<usize, DeliveryError>;

    /// Makes sure of everything delivered, and gives a mark that is kept together with the place in the journal.
    ///
    /// # Errors
    ///
    /// When nothing since the last mark counts as delivered; it all comes again.
    async fn settle(&self) -> Result<Vec<u8>, DeliveryError>;

    /// Comes to rest: when this returns, nothing is under way any more.
    async fn close(&self);
}

/// How events are put together for a backend.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Pace {
    /// The most events of a batch.
    pub events: usize,
    /// About the most bytes of a batch; one event may be larger.
    pub bytes: usize,
    /// How long the first event of a batch waits for more.
    pub gather: Duration,
    /// The longest time between two marks while events are delivered; zero for one after every batch.
    pub settle: Duration,
}

/// Why events were not taken.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{message}")]
pub struct DeliveryError {
    /// What went wrong.
    pub message: String,
    /// Fewer events at a time may be taken.
    pub is_too_large: bool,
    /// The wait that the backend asks for, if it is longer than its own.
    pub pause: Option<Duration>,
}

impl DeliveryError {
    /// An error that a smaller batch would not avoid.
    pub fn new(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            is_too_large: false,
            pause: None,
        }
    }
}

impl From<std::io::Error> for DeliveryError {
    fn from(error: std::io::Error) -> Self {
        Self::new(error.to_string())
    }
}
