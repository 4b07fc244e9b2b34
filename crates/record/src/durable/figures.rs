//! What is counted of a durable backend.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use kubevigil_journal::Stats;

const MINUTE: Duration = Duration::from_secs(60);

/// Figures of one moment. Counters begin when the sink is opened.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct DurableFigures {
    /// The backend: `log`, `webhook`.
    pub plugin: &'static str,
    /// Counter: events brought to disk.
    pub kept: u64,
    /// Counter: events that could not be, so that their requests failed.
    pub refused: u64,
    /// Counter: events that the backend took; those that it was given twice count twice.
    pub delivered: u64,
    /// Counter: tries that failed.
    pub failed_deliveries: u64,
    /// Events that the backend is not known to have.
    pub waiting_events: u64,
    /// About how many bytes they take on disk.
    pub waiting_bytes: u64,
    /// Counter: events that were kept and cannot be read any more, because the disk has damaged them.
    pub damaged: u64,
    /// For how long every try has failed; `None` when the last one did not.
    pub failing_for: Option<Duration>,
}

#[derive(Default)]
pub(super) struct Counters {
    kept: AtomicU64,
    refused: AtomicU64,
    delivered: AtomicU64,
    failed: AtomicU64,
    failing_since: Mutex<Option<Instant>>,
    pub(super) refusals: EveryMinute,
    pub(super) failures: EveryMinute,
}

impl Counters {
    pub(super) fn kept(&self, events: u64) {
        self.kept.fetch_add(events, Ordering::Relaxed);
    }

    /// Counts events that were refused; how many there were so far.
    pub(super) fn refused(&self, events: usize) -> u64 {
        let events = events as u64;
        self.refused.fetch_add(events, Ordering::Relaxed) + events
    }

    pub(super) fn delivered(&self, events: usize) {
        self.delivered.fetch_add(events as u64, Ordering::Relaxed);
    }

    /// What failed does not any more.
    pub(super) fn succeeded(&self) {
        *self.since() = None;
        self.failures.forget();
    }

    pub(super) fn failed(&self) {
        self.failed.fetch_add(1, Ordering::Relaxed);
        self.since().get_or_insert_with(Instant::now);
    }

    /// For how long every try has failed.
    pub(super) fn failing_for(&self) -> Option<Duration> {
        self.since().map(|since| since.elapsed())
    }

    pub(super) fn figures(&self, plugin: &'static str, stats: &Stats) -> DurableFigures {
        let waiting: u64 = stats.readers.iter().map(|reader| reader.lag).sum();
        let share =
            u128::from(stats.bytes) * u128::from(waiting) / u128::from(stats.records.max(1));
        DurableFigures {
            plugin,
            kept: self.kept.load(Ordering::Relaxed),
            refused: self.refused.load(Ordering::Relaxed),
            delivered: self.delivered.load(Ordering::Relaxed),
            failed_deliveries: self.failed.load(Ordering::Relaxed),
            waiting_events: waiting,
            waiting_bytes: u64::try_from(share).unwrap_or(u64::MAX),
            damaged: stats.corrupt,
            failing_for: self.failing_for(),
        }
    }

    fn since(&self) -> std::sync::MutexGuard<'_, Option<Instant>> {
        self.failing_since
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// Says something that goes on and on once a minute.
#[derive(Default)]
pub(super) struct EveryMinute(Mutex<Option<Instant>>);

impl EveryMinute {
    /// Whether it is to be said now; if so, not again for a minute.
    pub(super) fn is_due(&self) -> bool {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_due = last.is_none_or(|last| last.elapsed() >= MINUTE);
        if is_due {
            *last = Some(Instant::now());
        }
        is_due
    }

    /// The next time is at once: what went on has ended.
    pub(super) fn forget(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_goes_on_is_said_once_a_minute() {
        let every = EveryMinute::default();
        assert!(every.is_due());
        assert!(!every.is_due());
        *every.0.lock().unwrap() = Instant::now().checked_sub(MINUTE);
        assert!(every.is_due());
        every.forget();
        assert!(every.is_due());
    }
}
