//! Where audit events come from: files, standard input, the webhook, and the auditing gateway, which is not a part of this crate.
//!
//! Every source does the same: it finds the events in what it reads and hands them to an [`Intake`] as a [`Batch`]. Only when the
//! intake says that the batch is durable does the source say so to whoever sent it (a 200 at the webhook) or to itself (a
//! file's checkpoint).

pub mod counters;
mod delivery;
pub mod envelope;
pub mod file;
pub mod stdin;
pub mod webhook;

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;

/// Events that arrived together, in order.
#[derive(Clone, Debug)]
pub struct Batch {
    /// Where they came from.
    pub origin: Origin,
    /// When they arrived: nanoseconds since the Unix epoch.
    pub received: i128,
    /// The events; each is one JSON object as received.
    pub events: Vec<Arrival>,
}

/// One event as it arrived.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Arrival {
    /// The event's bytes: one JSON object.
    pub raw: Bytes,
    /// The line of its file, counted from 1; 0 for sources without lines.
    pub line: u64,
}

/// Where events came from.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Origin {
    /// A log file, by its path.
    File(Arc<str>),
    /// Standard input.
    Stdin,
    /// The webhook.
    Webhook,
    /// The auditing gateway in this process.
    Record,
}

/// What takes batches and makes them durable.
#[async_trait]
pub trait Intake: Send + Sync {
    /// Makes the batch durable. When this returns `Ok`, no crash of the process or the machine loses an event of it.
    async fn accept(&self, batch: Batch) -> Result<(), Refused>;
}

/// Why a batch was not made durable. Nothing of it counts as taken; the sender may send it again.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Refused {
    /// Too much is waiting already.
    #[error("too many events are waiting to be written")]
    Busy,
    /// The storage cannot be written (a full disk, usually). Holds the reason.
    #[error("cannot write events to disk: {0}")]
    Storage(String),
    /// The process is stopping.
    #[error("shutting down")]
    Stopping,
}
