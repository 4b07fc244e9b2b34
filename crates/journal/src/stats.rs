//! What happens in a journal, for metrics and readiness.

use crate::{Damaged, Place, WriteTrouble};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Figures of one moment. Counters begin when the journal is opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stats {
    /// Records that are kept: from the oldest to the newest place.
    pub records: u64,
    /// Bytes of all segments.
    pub bytes: u64,
    /// Segments.
    pub segments: usize,
    /// The oldest record; `None` when nothing is kept.
    pub oldest: Option<Place>,
    /// The newest record on disk; `None` when nothing is kept.
    pub newest: Option<Place>,
    /// Counter: records written.
    pub appended: u64,
    /// Counter: records not written because their key was known.
    pub duplicates: u64,
    /// Counter: records skipped because they are damaged.
    pub corrupt: u64,
    /// Counter: groups that could not be written.
    pub write_errors: u64,
    /// Counter: groups brought to disk.
    pub syncs: u64,
    /// Appends that wait for the writer.
    pub waiting_appends: usize,
    /// Bytes that wait or are being written.
    pub waiting_bytes: usize,
    /// Every registered reader, by name.
    pub readers: Vec<ReaderStats>,
    /// Where damage was found, at most 1024 spots.
    pub damaged: Vec<Damaged>,
}

/// How far one reader is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReaderStats {
    /// Its name.
    pub name: String,
    /// The last place it has committed; `None` when it has committed none.
    pub committed: Option<Place>,
    /// Records on disk after that place.
    pub lag: u64,
    /// Records that retention deleted before it read them, as far as this process knows.
    pub lost: u64,
    /// Whether a `Reader` of this name exists now.
    pub reading: bool,
}

/// Whether the journal can take records.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Health {
    /// The last write worked.
    Good,
    /// The last write failed. Appends are still taken and tried, and while none come the journal
    /// tries by itself every second, so this heals without help.
    Failing(WriteTrouble),
    /// The journal is closed.
    Closed,
}

/// What the writer counts.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    appended: AtomicU64,
    duplicates: AtomicU64,
    write_errors: AtomicU64,
    syncs: AtomicU64,
}

impl Counters {
    pub(crate) fn wrote(&self, appended: u64, duplicates: u64) {
        self.appended.fetch_add(appended, Relaxed);
        self.duplicates.fetch_add(duplicates, Relaxed);
    }

    pub(crate) fn synced(&self) {
        self.syncs.fetch_add(1, Relaxed);
    }

    pub(crate) fn failed(&self) {
        self.write_errors.fetch_add(1, Relaxed);
    }

    /// Appended, duplicates, write errors, syncs.
    pub(crate) fn read(&self) -> [u64; 4] {
        [
            &self.appended,
            &self.duplicates,
            &self.write_errors,
            &self.syncs,
        ]
        .map(|counter| counter.load(Relaxed))
    }
}
