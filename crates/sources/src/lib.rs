//! Where audit events come from: files, standard input and the webhook.
//!
//! Every source does the same. It finds the events in what it reads and hands them to an [`Intake`] as a [`Batch`]. Only when
//! the intake says that the batch is durable does the source say so to whoever sent it (a 200 at the webhook) or to itself
//! (a file's checkpoint). So nothing is acknowledged that a crash could lose, and what is not acknowledged is sent or read
//! again.
//!
//! | module | source |
//! |---|---|
//! | [`webhook`] | a server for the audit backend of a kube-apiserver |
//! | [`mod@file`] | log files, followed across rotation, compression and restarts |
//! | [`stdin`] | a stream, read to its end |
//!
//! The auditing gateway, the fourth, is a crate of its own; its events come as [`Origin::Record`]. [`envelope`] is how an
//! event and its origin are written to the journal, [`counters`] what sources count.
//!
//! # Example
//!
//! ```
//! use std::sync::{Arc, Mutex};
//!
//! use kubevigil_sources::stdin::Stdin;
//! use kubevigil_sources::{Batch, Intake, Refused};
//!
//! #[derive(Default)]
//! struct Kept(Mutex<Vec<bytes::Bytes>>);
//!
//! #[async_trait::async_trait]
//! impl Intake for Kept {
//!     async fn accept(&self, batch: Batch) -> Result<(), Refused> {
//!         // A real one returns when the events are on disk.
//!         let mut kept = self.0.lock().map_err(|_| Refused::Stopping)?;
//!         kept.extend(batch.events.into_iter().map(|event| event.raw));
//!         Ok(())
//!     }
//! }
//!
//! # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
//! let log = &br#"{"kind":"Event","auditID":"1"}
//! {"kind":"Event","auditID":"2"}
//! "#[..];
//! let kept = Arc::new(Kept::default());
//! Stdin::default().read(Box::new(log), kept.clone(), Default::default()).await?;
//! assert_eq!(kept.0.lock().map(|kept| kept.len()).unwrap_or_default(), 2);
//! # Ok::<(), kubevigil_sources::stdin::StdinError>(())
//! # })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

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
