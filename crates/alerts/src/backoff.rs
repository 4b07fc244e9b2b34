//! How long to wait after a failure.
//!
//! The wait doubles from one second up to a minute; half of it is chance, so that many outputs of many machines do not
//! come back at the same moment. What the other side asks for (`Retry-After`) is the least.

use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

const FIRST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(60);

/// Counts failures in a row and says how long to wait after each.
#[derive(Debug, Default)]
pub struct Backoff {
    failures: u32,
    chance: RandomState,
}

impl Backoff {
    /// The wait after one more failure.
    pub fn after_failure(&mut self, retry_after: Option<Duration>) -> Duration {
        let doubled = FIRST
            .saturating_mul(2_u32.saturating_pow(self.failures.min(16)))
            .min(LONGEST);
        self.failures = self.failures.saturating_add(1);
        let share = f64::from(self.random() % 1_000) / 1_000.0;
        let wait = doubled / 2 + (doubled / 2).mul_f64(share);
        wait.max(retry_after.unwrap_or_default())
    }

    /// Starts over: something worked.
    pub fn reset(&mut self) {
        self.failures = 0;
    }

    /// How many failures there were in a row.
    pub fn failures(&self) -> u32 {
        self.failures
    }

    /// Spread, not secrecy: the seed of a hash map is chance enough.
    fn random(&self) -> u32 {
        let hash = self.chance.hash_one(self.failures);
        u32::try_from(hash >> 32).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_from_a_second_to_a_minute() {
        let mut backoff = Backoff::default();
        for seconds in [1, 2, 4, 8, 16, 32, 60, 60, 60] {
            let wait = backoff.after_failure(None);
            let longest = Duration::from_secs(seconds);
            assert!(
                wait >= longest / 2 && wait <= longest,
                "{wait:?} for {seconds}"
            );
        }
        backoff.reset();
        assert!(backoff.after_failure(None) <= Duration::from_secs(1));
    }

    #[test]
    fn the_other_side_can_ask_for_more_but_not_for_less() {
        let mut backoff = Backoff::default();
        assert_eq!(
            backoff.after_failure(Some(Duration::from_secs(300))),
            Duration::from_secs(300)
        );
        assert!(backoff.after_failure(Some(Duration::ZERO)) >= Duration::from_secs(1));
    }

    #[test]
    fn very_many_failures_do_not_overflow() {
        let mut backoff = Backoff {
            failures: u32::MAX - 1,
            ..Backoff::default()
        };
        for _ in 0..4 {
            assert!(backoff.after_failure(None) <= LONGEST);
        }
    }
}
