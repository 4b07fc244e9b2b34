//! The memory that copies of bodies may take together.
//!
//! Nobody waits for memory: a request is answered whether there is room for its copy or not, so a counter does where a
//! semaphore would queue.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

#[derive(Debug)]
pub(crate) struct Budget {
    held: AtomicUsize,
    limit: usize,
}

impl Budget {
    pub(crate) fn new(limit: usize) -> Self {
        Self {
            held: AtomicUsize::new(0),
            limit,
        }
    }

    pub(crate) fn held(&self) -> usize {
        self.held.load(Ordering::Relaxed)
    }

    fn take(&self, bytes: usize) -> bool {
        let fits = |held: usize| {
            let sum = held.checked_add(bytes)?;
            (sum <= self.limit).then_some(sum)
        };
        self.held
            .try_update(Ordering::Relaxed, Ordering::Relaxed, fits)
            .is_ok()
    }

    fn give_back(&self, bytes: usize) {
        self.held.fetch_sub(bytes, Ordering::Relaxed);
    }
}

/// A part of the budget, given back when dropped.
#[derive(Debug)]
pub(crate) struct Share {
    budget: Arc<Budget>,
    bytes: usize,
}

impl Share {
    pub(crate) fn of(budget: &Arc<Budget>) -> Self {
        Self {
            budget: Arc::clone(budget),
            bytes: 0,
        }
    }

    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Makes it so many bytes more. False, and nothing changes, if there is no room.
    pub(crate) fn grow(&mut self, more: usize) -> bool {
        let bytes = self.bytes.checked_add(more);
        bytes.is_some_and(|bytes| self.resize(bytes))
    }

    /// Makes it so many bytes, more or less than before. False, and nothing changes, if there is no room.
    pub(crate) fn resize(&mut self, bytes: usize) -> bool {
        let fits = match bytes.checked_sub(self.bytes) {
            Some(0) => true,
            Some(more) => self.budget.take(more),
            None => {
                self.budget.give_back(self.bytes - bytes);
                true
            }
        };
        if fits {
            self.bytes = bytes;
        }
        fits
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.budget.give_back(self.bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_never_hold_more_than_the_budget_and_give_everything_back() {
        let budget = Arc::new(Budget::new(10));
        let (mut one, mut other) = (Share::of(&budget), Share::of(&budget));
        assert!(one.resize(6) && !other.resize(5) && other.resize(4));
        assert_eq!(budget.held(), 10);
        assert!(!one.resize(usize::MAX) && one.resize(1) && other.grow(5));
        assert!(!other.grow(usize::MAX) && other.bytes() == 9);
        drop((one, other));
        assert_eq!(budget.held(), 0);
    }
}
