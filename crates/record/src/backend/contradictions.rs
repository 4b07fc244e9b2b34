//! Options of a backend that contradict each other: the checks that the API server makes when it starts (spec 8).
//!
//! Batches are looked at in the modes that have them; the sizes of truncation always, even while nothing is truncated.

use super::{BackendOptions, Mode};

/// A setting with which an API server does not start.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("`{setting}` {problem}")]
pub struct Contradiction {
    /// The setting, by what follows `--audit-log-` or `--audit-webhook-`.
    pub setting: &'static str,
    /// What is wrong with it; settings are named in the same way.
    pub problem: &'static str,
}

impl BackendOptions {
    /// All contradictions there are.
    pub fn contradictions(&self) -> Vec<Contradiction> {
        let (buffer, truncate) = (&self.buffer, &self.truncate);
        let (waits, batches) = match self.mode {
            Mode::Batch => (true, true),
            Mode::Durable => (false, true),
            Mode::Blocking | Mode::BlockingStrict => (false, false),
        };
        let throttle = buffer.throttle.filter(|_| waits);
        let checks = [
            (
                !waits || buffer.buffer_size > 0,
                "batch-buffer-size",
                "must be greater than 0: the queue must hold an event",
            ),
            (
                !batches || buffer.max_batch_size > 0,
                "batch-max-size",
                "must be greater than 0: a batch must hold an event",
            ),
            (
                throttle.is_none_or(|throttle| throttle.qps > 0.0),
                "batch-throttle-qps",
                "must be greater than 0 while throttling is enabled",
            ),
            (
                throttle.is_none_or(|throttle| throttle.burst > 0),
                "batch-throttle-burst",
                "must be greater than 0 while throttling is enabled",
            ),
            (
                truncate.max_event_size > 0,
                "truncate-max-event-size",
                "must be greater than 0, even while nothing is truncated",
            ),
            (
                truncate.max_batch_size >= truncate.max_event_size,
                "truncate-max-batch-size",
                "must not be less than truncate-max-event-size, even while nothing is truncated",
            ),
        ];
        checks
            .into_iter()
            .filter(|(holds, ..)| !holds)
            .map(|(_, setting, problem)| Contradiction { setting, problem })
            .collect()
    }
}
