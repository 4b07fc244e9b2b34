//! What the detector counts, and how large its state is.
//!
//! Counters are shared and counted as things happen. The state belongs to the detector's thread alone, so what the metrics say of it is a
//! look that the thread leaves behind now and then; sharing the state itself would make every event wait for a lock.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use kubevigil_detect::{CorrelationStats, Restored};

/// What the detector counts.
#[derive(Debug, Default)]
pub(crate) struct DetectCounters {
    /// Events that were put to the rules.
    pub(crate) events: AtomicU64,
    /// Events whose bytes could not be read.
    pub(crate) unreadable: AtomicU64,
    /// Alerts that were appended to the outbox.
    pub(crate) alerts: AtomicU64,
    /// Alerts that the outbox had already.
    pub(crate) repeated: AtomicU64,
    /// About the state of correlations.
    pub(crate) state: StateFigures,
}

/// About the state of correlations.
#[derive(Debug, Default)]
pub(crate) struct StateFigures {
    /// The last look at it.
    pub(crate) view: ArcSwap<StateView>,
    /// The most bytes that it may have.
    pub(crate) limit: AtomicU64,
    /// Correlations that went on where they were, after a start or a reload.
    pub(crate) kept: AtomicU64,
    /// Correlations whose memory was given up then, because they are gone or ask something else.
    pub(crate) dropped: AtomicU64,
    /// States that could not be read after a start.
    pub(crate) unreadable: AtomicU64,
    /// Snapshots that were written.
    pub(crate) snapshots: AtomicU64,
    /// Snapshots that could not be written.
    pub(crate) failed_snapshots: AtomicU64,
    last: Mutex<Option<Snapshot>>,
}

/// A snapshot that was written.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Snapshot {
    /// Its size.
    pub(crate) bytes: u64,
    /// How long it took to make and to write.
    pub(crate) took: Duration,
    /// When that was done.
    pub(crate) at: Instant,
}

/// How large the state is.
#[derive(Clone, Debug, Default)]
pub(crate) struct StateView {
    /// By the names of the correlations.
    pub(crate) correlations: BTreeMap<Arc<str>, CorrelationFigures>,
    /// All together, receipts included.
    pub(crate) bytes: u64,
    /// What is kept of events.
    pub(crate) receipt_bytes: u64,
}

/// How large one correlation is, and what it left out since the process started.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct CorrelationFigures {
    pub(crate) groups: u64,
    pub(crate) entries: u64,
    pub(crate) bytes: u64,
    pub(crate) evicted_groups: u64,
    pub(crate) evicted_events: u64,
    pub(crate) late_events: u64,
}

impl StateFigures {
    /// Notes what became of the memories of correlations.
    pub(super) fn restored(&self, restored: &Restored) {
        let (kept, dropped) = (restored.kept.len(), restored.dropped.len());
        self.kept.fetch_add(kept as u64, Ordering::Relaxed);
        self.dropped.fetch_add(dropped as u64, Ordering::Relaxed);
    }

    /// Notes a snapshot that was written.
    pub(super) fn written(&self, snapshot: Snapshot) {
        self.snapshots.fetch_add(1, Ordering::Relaxed);
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Some(snapshot);
    }

    /// The last snapshot that was written since the start.
    pub(crate) fn last(&self) -> Option<Snapshot> {
        *self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl CorrelationFigures {
    /// Adds those of a correlation.
    pub(super) fn add(&mut self, stats: &CorrelationStats) {
        self.groups += stats.groups as u64;
        self.entries += stats.entries as u64;
        self.bytes += stats.bytes as u64;
        self.evicted_groups += stats.evicted_groups;
        self.evicted_events += stats.evicted_events;
        self.late_events += stats.late_events;
    }

    /// Leaves out what was counted before. Snapshots hold the counts of earlier processes, as they were a moment before the end of each; a
    /// counter that goes back a little looks like one that began anew and has counted all of it since.
    pub(super) fn count_from(&mut self, earlier: &Self) {
        let since = |now: &mut u64, before: u64| *now = now.saturating_sub(before);
        since(&mut self.evicted_groups, earlier.evicted_groups);
        since(&mut self.evicted_events, earlier.evicted_events);
        since(&mut self.late_events, earlier.late_events);
    }
}
