//! Keeps the log readable when somebody makes the same mistake thousands of times a second.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// Lets one message through each second, and counts those held back.
#[derive(Debug, Default)]
pub(crate) struct Throttle {
    /// When the next message may pass, and how many did not since the last.
    state: Mutex<(Option<Instant>, u64)>,
}

impl Throttle {
    /// `Some` when a message may pass, with the number of those held back before it.
    pub(crate) fn pass(&self) -> Option<u64> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let (next, held_back) = &mut *state;
        let now = Instant::now();
        if next.is_some_and(|next| now < next) {
            *held_back += 1;
            return None;
        }
        *next = Some(now + Duration::from_secs(1));
        Some(std::mem::take(held_back))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn one_message_a_second_passes_and_says_how_many_did_not() {
        let throttle = Throttle::default();
        let passed: Vec<_> = (0..5).map(|_| throttle.pass()).collect();
        assert_eq!(passed, [Some(0), None, None, None, None]);
        tokio::time::advance(Duration::from_secs(1)).await;
        assert_eq!(throttle.pass(), Some(4));
    }
}
