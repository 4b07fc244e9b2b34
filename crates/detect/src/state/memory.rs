//! The memory of one correlation: windows of events, runs, or what was seen.

use kubevigil_rules::CorrelationKind;

use crate::hit::Hit;
use crate::plan::Definition;
use crate::state::first_seen::FirstSeen;
use crate::state::groups::Groups;
use crate::state::limits::StateLimits;
use crate::state::receipt::Ledger;
use crate::state::runs::{Runs, asks_for_runs};
use crate::state::stats::Counters;
use crate::state::window::Window;
use crate::state::{CorrelationMatch, Current};

/// What one correlation remembers, and what it counts.
#[derive(Debug)]
pub(crate) struct Memory {
    pub(crate) remembered: Remembered,
    pub(crate) counters: Counters,
}

/// What is remembered.
#[derive(Debug)]
pub(crate) enum Remembered {
    /// Each event, where it matters how many there are or in which order they came.
    Windows(Groups<Window>),
    /// Which values or members there were, and when.
    Runs(Groups<Runs>),
    /// What was seen at all.
    FirstSeen(FirstSeen),
}

/// What an event leads to.
#[derive(Default)]
pub(crate) struct Found {
    pub(crate) fired: bool,
    pub(crate) matches: Vec<CorrelationMatch>,
}

/// What the memory of a correlation works with beside its content.
pub(crate) struct Circumstances<'c> {
    pub(crate) definition: &'c Definition,
    pub(crate) limits: &'c StateLimits,
    pub(crate) ledger: &'c mut Ledger,
    pub(crate) counters: &'c mut Counters,
}

impl Remembered {
    /// An empty memory for a kind of correlation.
    pub(crate) fn new(kind: &CorrelationKind, members: usize) -> Self {
        match kind {
            CorrelationKind::FirstSeen { .. } => Self::FirstSeen(FirstSeen::default()),
            kind if asks_for_runs(kind, members) => Self::Runs(Groups::default()),
            _ => Self::Windows(Groups::default()),
        }
    }

    /// Whether two have the same form.
    pub(crate) fn is_like(&self, other: &Self) -> bool {
        std::mem::discriminant(self) == std::mem::discriminant(other)
    }
}

impl Memory {
    pub(crate) fn new(definition: &Definition) -> Self {
        Self {
            remembered: Remembered::new(&definition.kind, definition.members.len()),
            counters: Counters::default(),
        }
    }

    /// Takes note of an event's hits of this correlation.
    pub(crate) fn observe(
        &mut self,
        definition: &Definition,
        hits: &[&Hit],
        current: &mut Current<'_>,
        limits: &StateLimits,
        ledger: &mut Ledger,
    ) -> Found {
        let left_out: usize = hits.iter().map(|hit| hit.left_out).sum();
        self.counters.evicted_events += left_out as u64;
        let mut around = Circumstances {
            definition,
            limits,
            ledger,
            counters: &mut self.counters,
        };
        match &mut self.remembered {
            Remembered::Windows(windows) => {
                let found = windows.observe(hits, current, &mut around);
                keep_within(windows, current, &mut around);
                found
            }
            Remembered::Runs(runs) => {
                let found = runs.observe(hits, current, &mut around);
                keep_within(runs, current, &mut around);
                found
            }
            Remembered::FirstSeen(seen) => seen.observe(hits, current, &mut around),
        }
    }

    /// Drops a few groups or values that cannot matter any more: those not used since `time`.
    pub(crate) fn forget(&mut self, time: i64, ledger: &mut Ledger) {
        match &mut self.remembered {
            Remembered::Windows(windows) => windows.forget(time, ledger),
            Remembered::Runs(runs) => runs.forget(time, ledger),
            Remembered::FirstSeen(seen) => seen.forget(time),
        }
    }

    /// Gives up what was not used for the longest time. False when there is nothing.
    pub(crate) fn evict(&mut self, ledger: &mut Ledger) -> bool {
        let evicted = match &mut self.remembered {
            Remembered::Windows(windows) => windows.evict(ledger),
            Remembered::Runs(runs) => runs.evict(ledger),
            Remembered::FirstSeen(seen) => return seen.evict(&mut self.counters),
        };
        self.counters.evicted_groups += u64::from(evicted);
        evicted
    }

    /// Forgets all windows; what was learned stays.
    pub(crate) fn clear_windows(&mut self, ledger: &mut Ledger) {
        match &mut self.remembered {
            Remembered::Windows(windows) => while windows.evict(ledger) {},
            Remembered::Runs(runs) => while runs.evict(ledger) {},
            Remembered::FirstSeen(_) => {}
        }
    }

    /// How many groups are remembered.
    pub(crate) fn groups(&self) -> usize {
        match &self.remembered {
            Remembered::Windows(windows) => windows.len(),
            Remembered::Runs(runs) => runs.len(),
            Remembered::FirstSeen(seen) => seen.groups.len(),
        }
    }

    /// How many events, runs of them, or values are remembered.
    pub(crate) fn entries(&self) -> usize {
        match &self.remembered {
            Remembered::Windows(windows) => windows.entries(),
            Remembered::Runs(runs) => runs.entries(),
            Remembered::FirstSeen(seen) => seen.values.len(),
        }
    }

    /// How many of its entries keep a receipt.
    pub(crate) fn receipts(&self) -> usize {
        match &self.remembered {
            Remembered::Windows(_) | Remembered::Runs(_) => self.entries(),
            Remembered::FirstSeen(_) => 0,
        }
    }

    /// What it takes, without receipts.
    pub(crate) fn bytes(&self) -> usize {
        match &self.remembered {
            Remembered::Windows(windows) => windows.bytes(),
            Remembered::Runs(runs) => runs.bytes(),
            Remembered::FirstSeen(seen) => seen.bytes(),
        }
    }
}

/// Keeps the number of groups within its limit, and drops some whose windows have passed.
fn keep_within<G: crate::state::groups::OfGroup>(
    groups: &mut Groups<G>,
    current: &Current<'_>,
    around: &mut Circumstances<'_>,
) {
    while groups.len() > around.limits.groups && groups.evict(around.ledger) {
        around.counters.evicted_groups += 1;
    }
    let passed = current.horizon.saturating_sub(around.definition.span);
    groups.forget(passed, around.ledger);
}
