//! How far the detector is, and when to write that down.

use std::time::{Duration, Instant};

use kubevigil_journal::{Place, Reader};

/// The place is committed this often while events come in. What was read since is read again after a crash.
const COMMIT_EVERY: Duration = Duration::from_secs(1);
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
    /// The last commit failed. It is said once, and tried again.
    failing: bool,
}

impl Default for Progress {
    fn default() -> Self {
        Self {
            done: None,
            alerts: 0,
            committed: Instant::now(),
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

    /// How long there is nothing to do but wait for events.
    pub(super) fn patience(&self) -> Duration {
        match self.done {
            Some(_) => COMMIT_EVERY.saturating_sub(self.committed.elapsed()),
            None => Duration::MAX,
        }
    }

    /// Commits when it is time to.
    pub(super) fn commit_if_due(&mut self, events: &Reader) {
        if self.committed.elapsed() >= COMMIT_EVERY
            || (self.alerts >= COMMIT_ALERTS && !self.failing)
        {
            self.commit(events);
        }
    }

    /// Writes down how far the detector is.
    pub(super) fn commit(&mut self, events: &Reader) {
        self.committed = Instant::now();
        let Some(place) = self.done else { return };
        match events.commit(place) {
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
