//! What the outputs did, in numbers.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::outbox::Waiting;

/// Counters of one output. They start at zero with the process.
#[derive(Debug, Default)]
pub struct OutputMetrics {
    delivered: AtomicU64,
    filtered: AtomicU64,
    failures: AtomicU64,
    dead_letters: AtomicU64,
    lag: AtomicU64,
    lost: AtomicU64,
}

/// The counters of one output at one moment.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct OutputCounts {
    /// Alerts that arrived.
    pub delivered: u64,
    /// Alerts below the output's minimum priority.
    pub filtered: u64,
    /// Attempts that failed; each but those that end in a dead letter is followed by another one.
    pub failures: u64,
    /// Alerts that went to the dead-letter file.
    pub dead_letters: u64,
    /// Alerts that wait.
    pub lag: u64,
    /// Alerts that the outbox had to delete before they were delivered, because its room was used up.
    pub lost: u64,
}

impl OutputMetrics {
    /// The counters now.
    pub fn counts(&self) -> OutputCounts {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        OutputCounts {
            delivered: read(&self.delivered),
            filtered: read(&self.filtered),
            failures: read(&self.failures),
            dead_letters: read(&self.dead_letters),
            lag: read(&self.lag),
            lost: read(&self.lost),
        }
    }

    pub(crate) fn delivered(&self, alerts: usize) {
        add(&self.delivered, alerts);
    }

    pub(crate) fn filtered(&self, alerts: usize) {
        add(&self.filtered, alerts);
    }

    pub(crate) fn failed(&self) {
        add(&self.failures, 1);
    }

    pub(crate) fn dead_letter(&self) {
        add(&self.dead_letters, 1);
    }

    pub(crate) fn waiting(&self, waiting: Waiting) {
        self.lag.store(waiting.lag, Ordering::Relaxed);
        self.lost.store(waiting.lost, Ordering::Relaxed);
    }
}

fn add(counter: &AtomicU64, number: usize) {
    counter.fetch_add(number as u64, Ordering::Relaxed);
}
