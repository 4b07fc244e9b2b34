//! How many questions the upstream is asked.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::timeout;

/// How long a question waits for its turn.
const PATIENCE: Duration = Duration::from_secs(5);
/// How many seconds' worth of questions may come at once after a quiet time.
const BURST_SECONDS: f64 = 2.0;

/// A limit of questions at once and of questions a second.
#[derive(Debug)]
pub(crate) struct Budget {
    at_once: Semaphore,
    a_second: f64,
    level: Mutex<Level>,
}

#[derive(Debug)]
struct Level {
    left: f64,
    at: Option<SystemTime>,
}

impl Budget {
    pub(crate) fn new(at_once: usize, a_second: u32) -> Self {
        let a_second = f64::from(a_second.max(1));
        Self {
            at_once: Semaphore::new(at_once.max(1)),
            a_second,
            level: Mutex::new(Level {
                left: a_second * BURST_SECONDS,
                at: None,
            }),
        }
    }

    /// Leave to ask one question, to be kept while it is asked; `None` when there were too many.
    pub(crate) async fn leave(&self, now: SystemTime) -> Option<SemaphorePermit<'_>> {
        if !self.take(now) {
            return None;
        }
        let turn = timeout(PATIENCE, self.at_once.acquire()).await;
        turn.ok()?.ok()
    }

    fn take(&self, now: SystemTime) -> bool {
        let mut level = self.level.lock().unwrap_or_else(PoisonError::into_inner);
        let passed = level.at.and_then(|at| now.duration_since(at).ok());
        let gained = passed.unwrap_or_default().as_secs_f64() * self.a_second;
        level.left = (level.left + gained).min(self.a_second * BURST_SECONDS);
        level.at = Some(now);
        if level.left < 1.0 {
            return false;
        }
        level.left -= 1.0;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn after_a_burst_only_so_many_a_second_may_ask() {
        let budget = Budget::new(100, 5);
        let start = SystemTime::UNIX_EPOCH;
        let asked = |now: SystemTime| (0..100).filter(|_| budget.take(now)).count();
        assert_eq!(asked(start), 10);
        assert_eq!(asked(start), 0);
        assert_eq!(asked(start + Duration::from_secs(1)), 5);
        assert_eq!(asked(start + Duration::from_secs(100)), 10);
        // A clock that is set back gives nothing and takes nothing.
        assert_eq!(asked(start), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn who_waits_too_long_for_its_turn_is_turned_away() {
        let budget = Budget::new(1, 100);
        let now = SystemTime::UNIX_EPOCH;
        let first = budget.leave(now).await;
        assert!(first.is_some());
        assert!(budget.leave(now).await.is_none());
        drop(first);
        assert!(budget.leave(now).await.is_some());
    }
}
