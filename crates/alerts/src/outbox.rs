//! Alerts between being found and being delivered.
//!
//! The outbox is a log of alerts with one reader per output, each with its own committed place. What goes in is keyed by the
//! alert's id, so an alert that is found again after a crash goes in once.
//!
//! # Stored form
//!
//! A record is JSON: `{"version": 1, "alert": {…}}`. What an old or new reader makes of an old or new writer's record:
//!
//! | | written by this version | by a newer one, same `version` | by a newer one, higher `version` |
//! |---|---|---|---|
//! | read by this version | whole | what it does not know is passed over: it would not print it | kept as a dead letter |
//!
//! Records are never written back, so passing over a key loses nothing. A key that changes what an alert *means* raises the
//! version; so a downgrade with alerts waiting keeps them in the dead-letter file instead of delivering them wrong.

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::alert::Alert;

/// The version that this program writes, and the highest that it reads.
const VERSION: u32 = 1;

/// A log of alerts with named readers. Readers commit places; what is committed is not read again.
#[async_trait]
pub trait AlertLog: Send + Sync + 'static {
    /// The records after the reader's committed place, in order, `limit` at most; none if there are none yet.
    async fn read(&self, reader: &str, limit: usize) -> Result<Vec<Record>, LogError>;

    /// Makes durable that the reader is done with everything before this place.
    async fn commit(&self, reader: &str, place: u64) -> Result<(), LogError>;

    /// Waits until there may be more to read than the reader has committed.
    async fn wait(&self, reader: &str);

    /// How many records the reader has not committed.
    fn lag(&self, reader: &str) -> u64;
}

/// A record of the outbox.
#[derive(Clone, Debug)]
pub struct Record {
    /// The place after it: what is committed once it is done with.
    pub next: u64,
    /// The stored alert.
    pub payload: Bytes,
}

/// The outbox cannot be read or written now.
#[derive(Clone, Debug, thiserror::Error)]
#[error("the alert outbox is not usable: {0}")]
pub struct LogError(pub String);

/// A record of the outbox is not an alert that this program can deliver.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    /// Written by a newer program.
    #[error(
        "the alert was stored by a newer kubevigil (version {0} of the stored form, this program reads up to {VERSION})"
    )]
    Newer(u32),
    /// No alert at all.
    #[error("the stored alert cannot be read: {0}")]
    Broken(#[from] serde_json::Error),
}

#[derive(Serialize)]
struct Stored<'a> {
    version: u32,
    alert: &'a Alert,
}

#[derive(Deserialize)]
struct StoredVersion {
    version: u32,
}

#[derive(Deserialize)]
struct StoredAlert {
    alert: Alert,
}

/// The stored form of an alert.
pub fn encode(alert: &Alert) -> Bytes {
    // An alert holds no map with keys other than texts and no type that JSON lacks, so this cannot fail.
    serde_json::to_vec(&Stored {
        version: VERSION,
        alert,
    })
    .unwrap_or_default()
    .into()
}

/// The alert of a stored form.
pub fn decode(payload: &[u8]) -> Result<Alert, DecodeError> {
    let StoredVersion { version } = serde_json::from_slice(payload)?;
    if version > VERSION {
        return Err(DecodeError::Newer(version));
    }
    let StoredAlert { alert } = serde_json::from_slice(payload)?;
    Ok(alert)
}

/// How long a courier waits for news from the log before it looks again by itself.
pub(crate) const LOOK_AGAIN: Duration = Duration::from_secs(5);
