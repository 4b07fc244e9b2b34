//! What goes in and what comes out.

use crate::Place;
use bytes::Bytes;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The key of a record that is never taken for a duplicate.
pub const NO_KEY: [u8; 16] = [0; 16];

/// A record to be appended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewRecord {
    /// A digest of the content. A record whose key is still in the window of known keys is not
    /// written again; [`NO_KEY`] switches that off.
    pub key: [u8; 16],
    /// The bytes that are kept.
    pub payload: Bytes,
}

impl NewRecord {
    /// A record that is recognised by `key`.
    pub fn keyed(key: [u8; 16], payload: impl Into<Bytes>) -> Self {
        NewRecord {
            key,
            payload: payload.into(),
        }
    }

    /// A record that is always written.
    pub fn unkeyed(payload: impl Into<Bytes>) -> Self {
        NewRecord::keyed(NO_KEY, payload)
    }
}

/// A record as a reader gets it.
///
/// The payload shares its memory with its neighbours (about 256 KiB read together); copy it to
/// keep one for long.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Its address.
    pub place: Place,
    /// When it was written, to the nanosecond, by this machine's clock.
    pub appended_at: SystemTime,
    /// As it was given.
    pub key: [u8; 16],
    /// As it was given.
    pub payload: Bytes,
}

/// Nanoseconds since 1970; 0 for earlier times.
pub(crate) fn nanoseconds(time: SystemTime) -> u64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}

pub(crate) fn time_of(nanoseconds: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_nanos(nanoseconds)
}
