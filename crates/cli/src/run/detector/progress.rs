//! How far the detector is, and when to write that down.

use std::time::{Duration, Instant};

use kubevigil_journal::{CommitError, Place};

/// The place is committed this often while events come in. What was read since is read again after a crash.
const COMMIT_EVERY: Duration = Duration::from_secs(1);
/// A large state takes time to write, in which nothing is detected: so many times that passes before the next time.
const PAUSE: u32 = 50;
/// But never more than this, or a crash would repeat too much work.
const COMMIT_AT_LEAST_EVERY: Duration = Duration::from_secs(60);
/// And after so many alerts: far fewer than the outbox remembers (200,000), or a crash would repeat alerts.
const COMMIT_ALERTS: usize = 50_000;

/// What is done and not committed.
#[derive(Debug)]
pub(super) struct Progress {
    /// The last event whose alerts are on disk.
    done: Option<Place>,
    /// Alerts since the last commit.
    alerts: usize,
    committed: Instant,
    /// From one commit to the next.
    every: Duration,
    /// The last commit failed. It is said once, and tried again.
    failing: bool,
}

impl Default for Progress {
    fn default() -> Self {
        Self {
            done: None,
            alerts: 0,
            committed: Instant::now(),
            every: COMMIT_EVERY,
            failing: false,
        }
    }
}

impl Progress {
    /// Everything up to this place is done.
    pub(super) fn settled(&mut self, last: Place, alerts: usize) {
        self.done = Some(last);
        self.alerts += alerts;
    }

    /// The place to commit, if there is one that is not committed.
    pub(super) fn done(&self) -> Option<Place> {
        self.done
    }

    /// How long there is nothing to do but wait for events.
    pub(super) fn patience(&self) -> Duration {
        match self.done {
            Some(_) => self.every.saturating_sub(self.committed.elapsed()),
            None => Duration::MAX,
        }
    }

    /// Whether it is time to commit.
    pub(super) fn due(&self) -> bool {
        self.committed.elapsed() >= self.every || (self.alerts >= COMMIT_ALERTS && !self.failing)
    }

    /// The place was committed, or could not be; either took so long.
    pub(super) fn committed(&mut self, outcome: Result<(), CommitError>, took: Duration) {
        self.committed = Instant::now();
        self.every = (took * PAUSE).clamp(COMMIT_EVERY, COMMIT_AT_LEAST_EVERY);
        match outcome {
            Ok(()) => {
                (self.done, self.alerts) = (None, 0);
                if std::mem::take(&mut self.failing) {
                    tracing::info!("the detector's place can be written again");
                }
            }
            Err(error) => {
                if !std::mem::replace(&mut self.failing, true) {
                    tracing::error!(%error, "cannot write the detector's place; after a crash now, it would read some events again");
                }
            }
        }
    }
}
