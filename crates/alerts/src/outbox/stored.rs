//! The stored form of an alert.
//!
//! A record is JSON: `{"version": 1, "alert": {…}}`. What an old or new reader makes of an old or new writer's record:
//!
//! | | written by this version | by a newer one, same `version` | by a newer one, higher `version` |
//! |---|---|---|---|
//! | read by this version | whole | what it does not know is passed over: it would not print it | kept as a dead letter |
//!
//! Records are never written back, so passing over a key loses nothing. A key that changes what an alert *means* raises the
//! version; so a downgrade with alerts waiting keeps them in the dead-letter file instead of delivering them wrong. A key
//! that is added must have a default, because records of older writers lack it.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::alert::Alert;

/// The version that this program writes, and the highest that it reads.
const VERSION: u32 = 1;

/// A record of the outbox is not an alert that this program can deliver.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    /// Written by a newer program.
    #[error(
        "the alert was stored by a newer kubevigil (stored form {0}, this program reads up to {VERSION})"
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
    // The version alone first: a newer form may have any shape.
    let StoredVersion { version } = serde_json::from_slice(payload)?;
    if version > VERSION {
        return Err(DecodeError::Newer(version));
    }
    let StoredAlert { alert } = serde_json::from_slice(payload)?;
    Ok(alert)
}
