//! Correlations that ask which values or members there are.

use kubevigil_rules::CorrelationKind;
use smallvec::SmallVec;

use crate::digest::Digest;
use crate::hit::Hit;
use crate::plan::Definition;
use crate::state::groups::Groups;
use crate::state::judge::enough;
use crate::state::limits::StateLimits;
use crate::state::memory::{Circumstances, Found};
use crate::state::report::{Told, evidence, repeats};
use crate::state::runs::judge::{Satisfied, judge};
use crate::state::runs::{Class, Runs, Shown};
use crate::state::window::NO_VALUE;
use crate::state::{Current, Evidence};

/// The classes of an event in one group.
type Classes = SmallVec<[Class; 2]>;

impl Groups<Runs> {
    /// Takes note of an event's hits.
    pub(crate) fn observe(
        &mut self,
        hits: &[&Hit],
        current: &mut Current<'_>,
        around: &mut Circumstances<'_>,
    ) -> Found {
        let mut touched: SmallVec<[(Digest, Classes); 1]> = SmallVec::new();
        for hit in hits {
            let classes = classes(around.definition, hit);
            for group in &hit.groups {
                self.change(&group.key, |runs| add(runs, hit, &classes, current, around));
                match touched.iter_mut().find(|(key, _)| *key == group.key) {
                    Some((_, known)) => known.extend_from_slice(&classes),
                    None => touched.push((group.key, classes.clone())),
                }
            }
        }
        let mut found = Found::default();
        for (key, classes) in touched {
            self.change(&key, |runs| {
                let group = (&key, classes.as_slice());
                satisfied(runs, group, hits, current, around, &mut found);
                restrict(runs, current, around);
            });
        }
        found
    }
}

/// What of an event is equal to others: its values, its member, or both.
fn classes(definition: &Definition, hit: &Hit) -> Classes {
    let valued = hit.values.iter();
    match definition.kind {
        CorrelationKind::ValueCount(_) => valued.map(|looked| (0, 0, looked.half())).collect(),
        CorrelationKind::Join if definition.looks_at_values() => valued
            .map(|looked| (hit.member, looked.which, looked.half()))
            .collect(),
        _ => Classes::from_iter([(hit.member, NO_VALUE, 0)]),
    }
}

fn add(
    runs: &mut Runs,
    hit: &Hit,
    classes: &[Class],
    current: &mut Current<'_>,
    around: &mut Circumstances<'_>,
) {
    let (time, member) = (current.time, hit.member);
    for class in classes {
        let shown = |ledger: &mut _| Shown {
            time,
            member,
            receipt: current.keep(ledger),
        };
        runs.add(*class, time, around.definition.span, around.ledger, shown);
    }
}

fn satisfied(
    runs: &mut Runs,
    (key, classes): (&Digest, &[Class]),
    hits: &[&Hit],
    current: &mut Current<'_>,
    around: &mut Circumstances<'_>,
    found: &mut Found,
) {
    let definition = around.definition;
    let Some(satisfied) = judge(definition, runs, current.time, classes) else {
        return;
    };
    found.fired = true;
    let repeated = repeats(&mut runs.fired, current.time, around);
    if !definition.raises {
        return;
    }
    if !repeated {
        show(runs, classes, hits, current, around);
    }
    let told = Told {
        definition,
        hits,
        key,
        time: current.time,
    };
    let evidence = || of_runs(definition, runs, &satisfied);
    found
        .matches
        .push(told.found(repeated, satisfied.number, evidence));
}

/// The event that completes a correlation stands for its own runs.
fn show(
    runs: &mut Runs,
    classes: &[Class],
    hits: &[&Hit],
    current: &mut Current<'_>,
    around: &mut Circumstances<'_>,
) {
    for hit in hits {
        let own = self::classes(around.definition, hit);
        for class in own.iter().filter(|class| classes.contains(class)) {
            let shown = Shown {
                time: current.time,
                member: hit.member,
                receipt: current.keep(around.ledger),
            };
            runs.show(class, shown, around.ledger);
        }
    }
}

fn restrict(runs: &mut Runs, current: &Current<'_>, around: &mut Circumstances<'_>) {
    let definition = around.definition;
    let passed = current.horizon.saturating_sub(definition.span);
    let most = most_runs(definition, around.limits);
    let evicted = runs.restrict(passed, most, around.ledger);
    around.counters.evicted_events += evicted as u64;
}

fn most_runs(definition: &Definition, limits: &StateLimits) -> usize {
    let most = match &definition.kind {
        // With the newest of them, of which there are enough, every event in order is judged as with all.
        CorrelationKind::ValueCount(bounds) => {
            let useful = limits
                .events_per_group
                .max(enough(bounds).saturating_mul(2));
            limits.values_per_group.min(useful)
        }
        _ => limits
            .events_per_group
            .saturating_mul(definition.values_per_event()),
    };
    most.max(1)
}

/// The events that stand for runs, in the order of their times; several values of one event are one piece of evidence.
fn of_runs(definition: &Definition, runs: &Runs, satisfied: &Satisfied) -> Vec<Evidence> {
    let runs = satisfied.runs.iter().filter_map(|&at| runs.runs.get(at));
    let mut shown: Vec<&Shown> = runs.map(|run| &run.shown).collect();
    shown.sort_by_key(|shown| shown.time);
    let mut known = hashbrown::HashSet::new();
    shown.retain(|shown| {
        known.insert((std::sync::Arc::as_ptr(&shown.receipt).addr(), shown.member))
    });
    let evidence = shown
        .into_iter()
        .filter_map(|shown| evidence(definition, shown.member, shown.time, &shown.receipt));
    evidence.collect()
}
