//! The memory of one correlation.

use kubevigil_rules::CorrelationKind;
use smallvec::SmallVec;

use crate::digest::Digest;
use crate::hit::Hit;
use crate::plan::Definition;
use crate::state::first_seen::FirstSeen;
use crate::state::judge::{self, Added, Judgement, judge};
use crate::state::limits::StateLimits;
use crate::state::receipt::Ledger;
use crate::state::report::report;
use crate::state::stats::Counters;
use crate::state::table::Table;
use crate::state::window::{Entry, NEVER, NO_VALUE, Window};
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
    Windows(Windows),
    FirstSeen(FirstSeen),
}

/// The windows of groups.
#[derive(Debug, Default)]
pub(crate) struct Windows {
    pub(crate) groups: Table<Window>,
    /// Different values are counted, and so tallied.
    pub(crate) of_values: bool,
    entries: usize,
    /// Of the entries.
    bytes: usize,
}

/// What an event leads to.
#[derive(Default)]
pub(crate) struct Found {
    pub(crate) fired: bool,
    pub(crate) matches: Vec<CorrelationMatch>,
}

impl Memory {
    pub(crate) fn new(kind: &CorrelationKind) -> Self {
        let remembered = match kind {
            CorrelationKind::FirstSeen { .. } => Remembered::FirstSeen(FirstSeen::default()),
            CorrelationKind::ValueCount(_) => Remembered::Windows(Windows::new(true)),
            _ => Remembered::Windows(Windows::new(false)),
        };
        Self {
            remembered,
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
        match &mut self.remembered {
            Remembered::FirstSeen(seen) => seen.observe(
                definition,
                hits,
                current,
                limits,
                ledger,
                &mut self.counters,
            ),
            Remembered::Windows(windows) => {
                let keys = windows.add(definition, hits, current, ledger);
                let mut found = Found::default();
                for (key, last) in keys {
                    windows.judge(
                        definition,
                        hits,
                        (&key, last),
                        current,
                        &mut self.counters,
                        &mut found,
                    );
                    windows.restrict(
                        definition,
                        &key,
                        current.horizon,
                        limits,
                        ledger,
                        &mut self.counters,
                    );
                }
                while windows.groups.len() > limits.groups && windows.evict(ledger) {
                    self.counters.evicted_groups += 1;
                }
                windows.forget(current.horizon.saturating_sub(definition.span), ledger);
                found
            }
        }
    }

    /// Drops a few groups or values that cannot matter any more: those not used since `time`.
    pub(crate) fn forget(&mut self, time: i64, ledger: &mut Ledger) {
        match &mut self.remembered {
            Remembered::Windows(windows) => windows.forget(time, ledger),
            Remembered::FirstSeen(seen) => seen.forget(time),
        }
    }

    /// Gives up what was not used for the longest time. False when there is nothing.
    pub(crate) fn evict(&mut self, ledger: &mut Ledger) -> bool {
        let counters = &mut self.counters;
        match &mut self.remembered {
            Remembered::Windows(windows) => {
                let evicted = windows.evict(ledger);
                counters.evicted_groups += u64::from(evicted);
                evicted
            }
            Remembered::FirstSeen(seen) => seen.evict(counters),
        }
    }

    /// Forgets all windows; what was learned stays.
    pub(crate) fn clear_windows(&mut self, ledger: &mut Ledger) {
        if let Remembered::Windows(windows) = &mut self.remembered {
            while windows.evict(ledger) {}
        }
    }

    /// Forgets everything.
    pub(crate) fn clear(&mut self, ledger: &mut Ledger) {
        self.clear_windows(ledger);
        if let Remembered::FirstSeen(seen) = &mut self.remembered {
            *seen = FirstSeen::default();
        }
    }

    pub(crate) fn groups(&self) -> usize {
        match &self.remembered {
            Remembered::Windows(windows) => windows.groups.len(),
            Remembered::FirstSeen(seen) => seen.groups.len(),
        }
    }

    pub(crate) fn entries(&self) -> usize {
        match &self.remembered {
            Remembered::Windows(windows) => windows.entries,
            Remembered::FirstSeen(seen) => seen.values.len(),
        }
    }

    /// Without receipts.
    pub(crate) fn bytes(&self) -> usize {
        match &self.remembered {
            Remembered::Windows(windows) => windows.groups.bytes() + windows.bytes,
            Remembered::FirstSeen(seen) => seen.bytes(),
        }
    }
}

impl Windows {
    pub(crate) fn new(of_values: bool) -> Self {
        Self {
            of_values,
            ..Self::default()
        }
    }

    /// Adds a group as the newest.
    pub(crate) fn insert(&mut self, key: Digest, mut window: Window) {
        if self.of_values {
            window.tally();
        }
        self.entries += window.entries.len();
        self.bytes += window.bytes();
        self.groups.insert(key, window);
    }

    /// Adds an event to its groups. Returns these and where the event's last entry is.
    fn add(
        &mut self,
        definition: &Definition,
        hits: &[&Hit],
        current: &mut Current<'_>,
        ledger: &mut Ledger,
    ) -> SmallVec<[(Digest, usize); 1]> {
        let mut keys: SmallVec<[(Digest, usize); 1]> = SmallVec::new();
        for hit in hits {
            for group in &hit.groups {
                let last = self.add_to_group(definition, &group.key, hit, current, ledger);
                match keys.iter_mut().find(|(key, _)| *key == group.key) {
                    Some((_, known)) => *known = last,
                    None => keys.push((group.key, last)),
                }
            }
        }
        keys
    }

    fn add_to_group(
        &mut self,
        definition: &Definition,
        key: &Digest,
        hit: &Hit,
        current: &mut Current<'_>,
        ledger: &mut Ledger,
    ) -> usize {
        let horizon = current.horizon;
        self.change(key, |window| {
            window.advance(horizon);
            window.forget_before(horizon.saturating_sub(definition.span), ledger);
            let (time, member, receipt) = (current.time, hit.member, current.keep(ledger));
            let entry = |value, which| Entry {
                time,
                value,
                receipt: receipt.clone(),
                member,
                which,
            };
            let valueless = hit.values.is_empty().then(|| entry(0, NO_VALUE));
            let valued = hit
                .values
                .iter()
                .map(|looked| entry(looked.half(), looked.which));
            window.insert(time, valued.chain(valueless))
        })
    }

    /// Changes a group's window, a new one if need be, and keeps the books.
    fn change<R>(&mut self, key: &Digest, change: impl FnOnce(&mut Window) -> R) -> R {
        if self.groups.touch(key).is_none() {
            self.groups.insert(*key, Window::default());
        }
        let mut unused = Window::default();
        let window = self.groups.touch(key).unwrap_or(&mut unused);
        let (entries, bytes) = (window.entries.len(), window.bytes());
        let result = change(window);
        if self.of_values {
            window.tally();
        }
        self.entries = self.entries + window.entries.len() - entries;
        self.bytes = self.bytes + window.bytes() - bytes;
        result
    }

    fn judge(
        &mut self,
        definition: &Definition,
        hits: &[&Hit],
        (key, last): (&Digest, usize),
        current: &Current<'_>,
        counters: &mut Counters,
        found: &mut Found,
    ) {
        let Some(window) = self.groups.touch(key) else {
            return;
        };
        let added = Added {
            entries: &window.entries,
            span: definition.span,
            time: current.time,
            last,
            values: window.values(),
        };
        let Some(judgement) = judge(definition, added) else {
            return;
        };
        found.fired = true;
        let repeated =
            window.fired != NEVER && current.time <= window.fired.saturating_add(definition.span);
        if repeated {
            counters.repeated += 1;
        } else {
            window.fired = current.time;
        }
        if definition.raises {
            let judgement: &Judgement = &judgement;
            let hit = hits
                .iter()
                .find(|hit| hit.groups.iter().any(|group| group.key == *key));
            found.matches.extend(hit.map(|hit| {
                report(
                    definition,
                    hit,
                    key,
                    &window.entries,
                    judgement,
                    current.time,
                    repeated,
                )
            }));
        }
    }

    /// Keeps a group within its limits.
    fn restrict(
        &mut self,
        definition: &Definition,
        key: &Digest,
        horizon: i64,
        limits: &StateLimits,
        ledger: &mut Ledger,
        counters: &mut Counters,
    ) {
        let most = most_entries(definition, limits);
        self.change(key, |window| {
            window.advance(horizon);
            let recent = window.entries.len() - window.base;
            let full = window.entries.len() > most;
            let must = full || recent > limits.events_per_group.max(1);
            if must {
                window.base += recent / 2;
            }
            let needed = |entries: &_, base| judge::needed(definition, entries, base);
            window.tidy(must, ledger, needed);
            let excess = window.entries.len().saturating_sub(most);
            if excess > 0 {
                // Some more than must be, so that the next event need not do it again.
                let count = (excess + most / 8).min(window.entries.len());
                window.drop_oldest(count, ledger);
                counters.evicted_events += count as u64;
            }
        });
    }

    fn forget(&mut self, time: i64, ledger: &mut Ledger) {
        for _ in 0..2 {
            if self
                .groups
                .oldest()
                .is_some_and(|window| window.newest() < time)
            {
                self.evict(ledger);
            }
        }
    }

    fn evict(&mut self, ledger: &mut Ledger) -> bool {
        let Some(mut window) = self.groups.pop_oldest() else {
            return false;
        };
        self.entries -= window.entries.len();
        self.bytes -= window.bytes();
        window.drop_oldest(usize::MAX, ledger);
        true
    }
}

/// How many entries a group of the correlation may have.
fn most_entries(definition: &Definition, limits: &StateLimits) -> usize {
    let most = match &definition.kind {
        CorrelationKind::EventCount(bounds) => limits.events_per_group.max(judge::enough(bounds)),
        CorrelationKind::ValueCount(_)
        | CorrelationKind::ValueSum(_)
        | CorrelationKind::ValueAvg(_) => limits.values_per_group,
        CorrelationKind::Join => limits
            .events_per_group
            .saturating_mul(definition.values_per_event()),
        CorrelationKind::ValuePercentile { .. }
        | CorrelationKind::Temporal(_)
        | CorrelationKind::TemporalOrdered
        | CorrelationKind::FirstSeen { .. } => limits.events_per_group,
    };
    most.max(1)
}
