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

use std::collections::{BTreeMap, VecDeque};

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
    /// How many entries have each value, once there are many entries and values are counted. While there are fewer values in all
    /// than are asked for, no window needs to be looked at.
    tally: Option<Box<BTreeMap<u64, u32>>>,
}

/// Before all times.
pub(crate) const NEVER: i64 = i64::MIN;

/// A base with fewer entries is not worth tidying.
const SMALL_BASE: usize = 16;
/// So many entries are quicker looked through than tallied.
const FEW: usize = 32;
/// The most bytes of a value in a tally: a tree's nodes are almost half full at least.
const TALLY_BYTES: usize = 40;

impl Default for Window {
    fn default() -> Self {
        Self {
            entries: VecDeque::new(),
            base: 0,
            tidy_at: SMALL_BASE,
            fired: NEVER,
            tally: None,
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
            if let Some(tally) = self.tally.as_mut().filter(|_| entry.which != NO_VALUE) {
                *tally.entry(entry.value).or_default() += 1;
            }
            self.entries.insert(position, entry);
            position += 1;
        }
        position.saturating_sub(1)
    }

    /// The newest time; [`NEVER`] without entries.
    pub(crate) fn newest(&self) -> i64 {
        self.entries.back().map_or(NEVER, |entry| entry.time)
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
            forget(entry, &mut self.tally, ledger);
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
                forget(entry, &mut self.tally, ledger);
            }
        }
        self.tidy_at = self.base * 2 + SMALL_BASE;
        self.give_back();
    }

    /// Begins or ends to tally values, as the number of entries makes it worth it.
    pub(crate) fn tally(&mut self) {
        if self.entries.len() <= FEW {
            self.tally = None;
        } else if self.tally.is_none() {
            let mut tally = BTreeMap::new();
            let valued = self.entries.iter().filter(|entry| entry.which != NO_VALUE);
            valued.for_each(|entry| *tally.entry(entry.value).or_default() += 1);
            self.tally = Some(Box::new(tally));
        }
    }

    /// How many different values there are in all windows together, when that is known.
    pub(crate) fn values(&self) -> Option<usize> {
        self.tally.as_ref().map(|tally| tally.len())
    }

    /// The most bytes that the entries take, without their receipts. Depends on nothing but what they are.
    pub(crate) fn bytes(&self) -> usize {
        let count = self.entries.len();
        if count == 0 {
            return 0;
        }
        let entries = (room(count) + step(count)) * size_of::<Entry>() + ALLOCATION;
        let tally = self
            .tally
            .as_ref()
            .map_or(0, |tally| tally.len() * TALLY_BYTES + TALLY_ROOT);
        entries + tally
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

/// Gives up an entry that was taken out.
fn forget(entry: Entry, tally: &mut Option<Box<BTreeMap<u64, u32>>>, ledger: &mut Ledger) {
    if let Some(tally) = tally.as_mut().filter(|_| entry.which != NO_VALUE)
        && let Some(count) = tally.get_mut(&entry.value)
    {
        *count -= 1;
        if *count == 0 {
            tally.remove(&entry.value);
        }
    }
    ledger.release(entry.receipt);
}

/// What an allocator adds.
const ALLOCATION: usize = 16;
/// A tally's own memory and its first node.
const TALLY_ROOT: usize = 256;

/// Room for so many entries: a little more than they need.
fn room(count: usize) -> usize {
    count.next_multiple_of(step(count))
}

fn step(count: usize) -> usize {
    (count / 4).next_power_of_two()
}
