//! Keeps the log readable when somebody makes the same mistake thousands of times a second.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::Instant;

/// Lets one message through in each period, and counts those held back.
#[derive(Debug)]
pub struct Throttle {
    start: Instant,
    period: Duration,
    /// Milliseconds after the start when the next message may pass.
    next: AtomicU64,
    held_back: AtomicU64,
}

impl Throttle {
    /// One message a `period`.
    pub fn new(period: Duration) -> Self {
        let (next, held_back) = (AtomicU64::new(0), AtomicU64::new(0));
        Self {
            start: Instant::now(),
            period,
            next,
            held_back,
        }
    }

    /// `Some` when a message may pass, with the number of those held back before it.
    pub fn pass(&self) -> Option<u64> {
        let now = millis(self.start.elapsed());
        let then = now.saturating_add(millis(self.period));
        let due = |next| (now >= next).then_some(then);
        match self
            .next
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, due)
        {
            Ok(_) => Some(self.held_back.swap(0, Ordering::Relaxed)),
            Err(_) => {
                self.held_back.fetch_add(1, Ordering::Relaxed);
                None
            }
        }
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn one_message_a_period_passes_and_says_how_many_did_not() {
        let throttle = Throttle::new(Duration::from_secs(1));
        let passed: Vec<_> = (0..5).map(|_| throttle.pass()).collect();
        assert_eq!(passed, [Some(0), None, None, None, None]);
        tokio::time::advance(Duration::from_secs(1)).await;
        assert_eq!(throttle.pass(), Some(4));
        assert_eq!(throttle.pass(), None);
    }
}
