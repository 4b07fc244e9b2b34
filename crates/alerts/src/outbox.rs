//! Alerts between being found and being delivered.
//!
//! The outbox is a log of alerts with one reader per output, each with its own committed place. What goes in is keyed by the
//! alert's id, so an alert that is found again after a crash goes in once.
//!
//! The log is a [`kubevigil_journal::Journal`]. Couriers see it as an [`AlertReader`], so that they can be tested against one
//! in memory.

mod log;
mod stored;

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
pub use kubevigil_journal::Place;

pub use self::log::Outbox;
pub use self::stored::{DecodeError, decode, encode};

/// One reader of a log of alerts, with a place of its own that outlives the process.
#[async_trait]
pub trait AlertReader: Send {
    /// The records after the committed place, in order, `limit` at most. Waits for the first one up to `patience`; none if
    /// there is none by then. The future may be dropped at any moment: what is not committed is read again.
    async fn read(&mut self, limit: usize, patience: Duration) -> Result<Vec<Record>, LogError>;

    /// Makes durable that everything up to and including this place is done with.
    async fn commit(&mut self, place: Place) -> Result<(), LogError>;

    /// How many records there are beyond the committed place.
    async fn waiting(&mut self) -> Waiting;
}

/// A log of alerts that hands out readers.
pub trait AlertLog: Send + Sync {
    /// The reader of this name; a new name begins with the alerts that come from now on.
    fn reader(&self, name: &str) -> Result<Box<dyn AlertReader>, LogError>;
}

/// A record of the outbox.
#[derive(Clone, Debug)]
pub struct Record {
    /// Its place: what is committed once it is done with.
    pub place: Place,
    /// The stored alert.
    pub payload: Bytes,
}

/// What a reader has not done yet.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Waiting {
    /// Records that are not committed.
    pub lag: u64,
    /// Records that were deleted before this reader got to them: the disk's limit was reached.
    pub lost: u64,
}

/// The outbox cannot be used now.
#[derive(Clone, Debug, thiserror::Error)]
pub enum LogError {
    /// It was closed: nothing comes any more.
    #[error("the alert outbox is closed")]
    Closed,
    /// Something is wrong that may pass.
    #[error("cannot use the alert outbox: {0}")]
    Trouble(String),
}
