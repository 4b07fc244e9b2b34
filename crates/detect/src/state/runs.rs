//! Which values, or members, a group had and when, as runs.
//!
//! For questions that only more can satisfy (so many different values, all these members, one here and another there) it does not matter how
//! often something happened. So equal events are one *run*, from the first to the last of them, as long as no two of them are
//! further apart than the time span. That loses nothing: a window that overlaps a run contains one of its events,
//! because a window is as long as the longest gap.
//!
//! A busy group costs as much as a quiet one, and it cannot be flooded with equal events to push others out. An event that is
//! absorbed by a run is not kept, so that the caller need not describe it: of a run one event is kept as evidence, and a
//! newer one in its place now and then ([`REFRESHED`]).

mod judge;
mod observe;

use crate::state::groups::OfGroup;
use crate::state::receipt::{Kept, Ledger};
use crate::state::window::{ALLOCATION, NEVER, room, step};

pub(crate) use crate::state::runs::judge::asks_for_runs;

/// What equal events have in common: member, which of several values, value.
pub(crate) type Class = (u16, u16, u64);

/// Equal events, no two neighbours further apart than the time span.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) class: Class,
    /// The time of the first.
    pub(crate) first: i64,
    /// The time of the last.
    pub(crate) last: i64,
    /// The one that is kept as evidence.
    pub(crate) shown: Shown,
}

/// An event that stands for its run.
#[derive(Debug)]
pub(crate) struct Shown {
    pub(crate) time: i64,
    pub(crate) member: u16,
    pub(crate) receipt: Kept,
}

/// The runs of a group.
#[derive(Debug)]
pub(crate) struct Runs {
    /// By class, then time. Runs of one class are further apart than the time span.
    pub(crate) runs: Vec<Run>,
    /// When there are so many, those that have passed are removed.
    pub(crate) tidy_at: usize,
    /// When the group last fired without repeating itself, or [`NEVER`].
    pub(crate) fired: i64,
    newest: i64,
}

/// So few runs are not worth tidying.
const FEW: usize = 16;
/// The event that is kept of a run is at most this part of the time span older than the last one.
const REFRESHED: i64 = 8;

impl Default for Runs {
    fn default() -> Self {
        Self {
            runs: Vec::new(),
            tidy_at: FEW,
            fired: NEVER,
            newest: NEVER,
        }
    }
}

impl Runs {
    /// Adds an event to the runs of its class: it begins one, continues one, or joins two. `shown` describes it, if need be.
    pub(crate) fn add(
        &mut self,
        class: Class,
        time: i64,
        span: i64,
        ledger: &mut Ledger,
        shown: impl FnOnce(&mut Ledger) -> Shown,
    ) {
        self.newest = self.newest.max(time);
        let (from, to) = (time.saturating_sub(span), time.saturating_add(span));
        let start = self
            .runs
            .partition_point(|run| (run.class, run.last) < (class, from));
        let behind = self.runs.get(start..).unwrap_or_default().iter();
        let touched = behind.take_while(|run| run.class == class && run.first <= to);
        let touched = touched.count();
        if touched == 0 {
            self.make_room();
            let run = Run {
                class,
                first: time,
                last: time,
                shown: shown(ledger),
            };
            return self.runs.insert(start, run);
        }
        let others: Vec<Run> = self.runs.drain(start + 1..start + touched).collect();
        let Some(run) = self.runs.get_mut(start) else {
            return;
        };
        for other in others {
            run.absorb(other, ledger);
        }
        (run.first, run.last) = (run.first.min(time), run.last.max(time));
        if time.saturating_sub(run.shown.time) > span / REFRESHED {
            run.show(shown(ledger), ledger);
        }
    }

    /// Lets an event stand for the run that it belongs to, unless a later one does.
    pub(crate) fn show(&mut self, class: &Class, shown: Shown, ledger: &mut Ledger) {
        let run = self.position(class, shown.time);
        let run = run.and_then(|position| self.runs.get_mut(position));
        match run.filter(|run| run.shown.time < shown.time) {
            Some(run) => run.show(shown, ledger),
            None => ledger.release(shown.receipt),
        }
    }

    /// The run of a class that an event at `time` belongs to.
    pub(crate) fn position(&self, class: &Class, time: i64) -> Option<usize> {
        let end = self
            .runs
            .partition_point(|run| (run.class, run.first) <= (*class, time));
        end.checked_sub(1)
    }

    /// Removes what ended before `time`, when there is enough of it to be worth it or more than `most`. Then, if there is still more, what
    /// ended first. Returns how many of the latter.
    pub(crate) fn restrict(&mut self, time: i64, most: usize, ledger: &mut Ledger) -> usize {
        if self.runs.len() < self.tidy_at && self.runs.len() <= most {
            return 0;
        }
        self.retain(|run| run.last >= time, ledger);
        let excess = self.runs.len().saturating_sub(most);
        if excess > 0 {
            // Some more than must be, so that the next event need not do it again.
            let count = (excess + most / 8).min(self.runs.len());
            self.drop_first_ended(count, ledger);
            self.tidy_at = self.runs.len() * 2 + FEW;
            return count;
        }
        self.tidy_at = self.runs.len() * 2 + FEW;
        0
    }

    fn drop_first_ended(&mut self, count: usize, ledger: &mut Ledger) {
        let mut ends: Vec<(i64, Class)> =
            self.runs.iter().map(|run| (run.last, run.class)).collect();
        ends.sort_unstable();
        let last = count
            .checked_sub(1)
            .and_then(|last| ends.get(last))
            .copied();
        self.retain(
            |run| last.is_none_or(|last| (run.last, run.class) > last),
            ledger,
        );
    }

    fn retain(&mut self, keep: impl Fn(&Run) -> bool, ledger: &mut Ledger) {
        for run in self.runs.extract_if(.., |run| !keep(run)) {
            ledger.release(run.shown.receipt);
        }
        let count = self.runs.len();
        if self.runs.capacity() > room(count) + step(count) {
            self.runs.shrink_to(room(count));
        }
    }

    /// Adds a run that stands behind all others.
    pub(crate) fn push(&mut self, run: Run) {
        self.newest = self.newest.max(run.last);
        self.make_room();
        self.runs.push(run);
    }

    fn make_room(&mut self) {
        let count = self.runs.len();
        if count == self.runs.capacity() {
            self.runs.reserve_exact(room(count + 1) - count);
        }
    }
}

impl Run {
    /// Whether a window from one time to another, as long as the time span, contains an event of the run.
    pub(crate) fn overlaps(&self, from: i64, to: i64) -> bool {
        self.first <= to && self.last >= from
    }

    fn absorb(&mut self, other: Self, ledger: &mut Ledger) {
        (self.first, self.last) = (self.first.min(other.first), self.last.max(other.last));
        if other.shown.time > self.shown.time {
            self.show(other.shown, ledger);
        } else {
            ledger.release(other.shown.receipt);
        }
    }

    fn show(&mut self, shown: Shown, ledger: &mut Ledger) {
        let before = std::mem::replace(&mut self.shown, shown);
        ledger.release(before.receipt);
    }
}

impl OfGroup for Runs {
    fn count(&self) -> usize {
        self.runs.len()
    }

    /// The most that it can be: depends on nothing but the number of runs.
    fn bytes(&self) -> usize {
        let count = self.runs.len();
        if count == 0 {
            return 0;
        }
        (room(count) + step(count)) * size_of::<Run>() + ALLOCATION
    }

    fn newest(&self) -> i64 {
        self.newest
    }

    fn clear(&mut self, ledger: &mut Ledger) {
        self.retain(|_| false, ledger);
    }
}
