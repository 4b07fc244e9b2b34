//! The events of one group that a window may still contain.
//!
//! # Recent events and the base
//!
//! Events come out of order, but not by more than [`LATENESS`](super::LATENESS). What is newer than that, the *recent* part, is kept as it
//! is: another event may still come between. What is older, the *base*, can only be the beginning of a window, and for
//! that it needs little: of a thousand events the last few, of each value the last event that had it, of each member the last
//! one. Everything else in it is redundant and removed from time to time ([`Window::tidy`]).
//!
//! So a group cannot be flooded to make it forget: where a limit is reached, recent events become base before their time,
//! and redundant ones go first. Nothing is lost by that but exactness about events that come late.

use std::collections::VecDeque;

use crate::state::groups::OfGroup;
use crate::state::receipt::{Kept, Ledger};

/// An event that counts in a group, or one of its values.
///
/// Several values of an event are several entries. Small, since there are many: nothing is allocated for an entry but what
/// the caller wants to know again, and that is shared.
#[derive(Debug)]
pub(crate) struct Entry {
    /// Nanoseconds since the Unix epoch.
    pub(crate) time: i64,
    /// Half a digest, or the bits of a number.
    pub(crate) value: u64,
    pub(crate) receipt: Kept,
    pub(crate) member: u16,
    /// Which of several values that are told apart it is, or [`NO_VALUE`].
    pub(crate) which: u16,
}

/// The [`Entry::which`] of an event without a value.
pub(crate) const NO_VALUE: u16 = u16::MAX;

/// See the module.
#[derive(Debug)]
pub(crate) struct Window {
    /// By time, of equal times by arrival.
    pub(crate) entries: VecDeque<Entry>,
    /// How many entries are the base.
    pub(crate) base: usize,
    /// The base is tidied when it has so many entries.
    pub(crate) tidy_at: usize,
    /// When the group last fired without repeating itself; [`NEVER`].
    pub(crate) fired: i64,
}

/// Before all times.
pub(crate) const NEVER: i64 = i64::MIN;

/// A base with fewer entries is not worth tidying.
const SMALL_BASE: usize = 16;

impl Default for Window {
    fn default() -> Self {
        Self {
            entries: VecDeque::new(),
            base: 0,
            tidy_at: SMALL_BASE,
            fired: NEVER,
        }
    }
}

impl Window {
    /// Puts entries of one time at their place and says where the last of them is.
    pub(crate) fn insert(&mut self, time: i64, new: impl Iterator<Item = Entry>) -> usize {
        let is_late = self.entries.back().is_some_and(|last| last.time > time);
        let mut position = if is_late {
            self.entries.partition_point(|entry| entry.time <= time)
        } else {
            self.entries.len()
        };
        for entry in new {
            self.make_room();
            if position < self.base {
                self.base += 1;
            }
            self.entries.insert(position, entry);
            position += 1;
        }
        position.saturating_sub(1)
    }

    /// Makes what is older than `horizon` the base.
    pub(crate) fn advance(&mut self, horizon: i64) {
        while self
            .entries
            .get(self.base)
            .is_some_and(|entry| entry.time < horizon)
        {
            self.base += 1;
        }
    }

    /// Drops what is older than `time`.
    pub(crate) fn forget_before(&mut self, time: i64, ledger: &mut Ledger) {
        while self.entries.front().is_some_and(|entry| entry.time < time) {
            self.drop_oldest(1, ledger);
        }
        self.give_back();
    }

    /// Drops the oldest entries.
    pub(crate) fn drop_oldest(&mut self, count: usize, ledger: &mut Ledger) {
        for entry in self.entries.drain(..count.min(self.entries.len())) {
            ledger.release(entry.receipt);
        }
        self.base = self.base.saturating_sub(count);
        self.give_back();
    }

    /// Keeps of the base what `needed` says, when it has grown enough to be worth it or `must` says so.
    pub(crate) fn tidy(
        &mut self,
        must: bool,
        ledger: &mut Ledger,
        needed: impl FnOnce(&VecDeque<Entry>, usize) -> Vec<bool>,
    ) {
        if self.base < self.tidy_at && !must {
            return;
        }
        let needed = needed(&self.entries, self.base);
        let base: Vec<Entry> = self.entries.drain(..self.base).collect();
        self.base = 0;
        for (entry, needed) in base.into_iter().zip(needed).rev() {
            if needed {
                self.entries.push_front(entry);
                self.base += 1;
            } else {
                ledger.release(entry.receipt);
            }
        }
        self.tidy_at = self.base * 2 + SMALL_BASE;
        self.give_back();
    }

    fn make_room(&mut self) {
        let count = self.entries.len();
        if count == self.entries.capacity() {
            self.entries.reserve_exact(room(count + 1) - count);
        }
    }

    fn give_back(&mut self) {
        let count = self.entries.len();
        if self.entries.capacity() > room(count) + step(count) {
            self.entries.shrink_to(room(count));
        }
    }
}

impl OfGroup for Window {
    fn count(&self) -> usize {
        self.entries.len()
    }

    /// The most that it can be: depends on nothing but the number of entries.
    fn bytes(&self) -> usize {
        let count = self.entries.len();
        if count == 0 {
            return 0;
        }
        (room(count) + step(count)) * size_of::<Entry>() + ALLOCATION
    }

    fn newest(&self) -> i64 {
        self.entries.back().map_or(NEVER, |entry| entry.time)
    }

    fn clear(&mut self, ledger: &mut Ledger) {
        self.drop_oldest(usize::MAX, ledger);
    }
}

/// What an allocator adds.
pub(crate) const ALLOCATION: usize = 16;

/// Room for so many entries: a little more than they need.
pub(crate) fn room(count: usize) -> usize {
    count.next_multiple_of(step(count))
}

/// How much more.
pub(crate) fn step(count: usize) -> usize {
    (count / 4).next_power_of_two()
}
