//! Correlations that need each event: how many there are, what their numbers add up to, in which order they came.

use kubevigil_rules::CorrelationKind;
use smallvec::SmallVec;

use crate::digest::Digest;
use crate::hit::Hit;
use crate::plan::Definition;
use crate::state::Current;
use crate::state::groups::Groups;
use crate::state::judge::{self, Added, judge};
use crate::state::limits::StateLimits;
use crate::state::memory::{Circumstances, Found};
use crate::state::report::{Told, of_window, repeats};
use crate::state::window::{Entry, NO_VALUE, Window};

impl Groups<Window> {
    /// Takes note of an event's hits.
    pub(crate) fn observe(
        &mut self,
        hits: &[&Hit],
        current: &mut Current<'_>,
        around: &mut Circumstances<'_>,
    ) -> Found {
        // All members first: the event counts for each that it matches, and its group is judged once.
        let mut places: SmallVec<[(Digest, usize); 1]> = SmallVec::new();
        for hit in hits {
            for group in &hit.groups {
                let last = self.change(&group.key, |window| add(window, hit, current, around));
                match places.iter_mut().find(|(key, _)| *key == group.key) {
                    Some((_, known)) => *known = last,
                    None => places.push((group.key, last)),
                }
            }
        }
        let mut found = Found::default();
        for (key, last) in places {
            self.change(&key, |window| {
                satisfied(window, last, &key, hits, current, around, &mut found);
                restrict(window, current.horizon, around);
            });
        }
        found
    }
}

/// Adds an event to its group and says where its last entry is.
fn add(
    window: &mut Window,
    hit: &Hit,
    current: &mut Current<'_>,
    around: &mut Circumstances<'_>,
) -> usize {
    let passed = current.horizon.saturating_sub(around.definition.span);
    window.advance(current.horizon);
    window.forget_before(passed, around.ledger);
    let (time, member, receipt) = (current.time, hit.member, current.keep(around.ledger));
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
}

fn satisfied(
    window: &mut Window,
    last: usize,
    key: &Digest,
    hits: &[&Hit],
    current: &Current<'_>,
    around: &mut Circumstances<'_>,
    found: &mut Found,
) {
    let definition = around.definition;
    let added = Added {
        entries: &window.entries,
        span: definition.span,
        time: current.time,
        last,
    };
    let Some(judgement) = judge(definition, added) else {
        return;
    };
    found.fired = true;
    let repeated = repeats(&mut window.fired, current.time, around);
    if definition.raises {
        let told = Told {
            definition,
            hits,
            key,
            time: current.time,
        };
        let evidence = || of_window(definition, &window.entries, &judgement);
        found
            .matches
            .push(told.found(repeated, judgement.number, evidence));
    }
}

/// Keeps a group within its limits.
fn restrict(window: &mut Window, horizon: i64, around: &mut Circumstances<'_>) {
    let definition = around.definition;
    let most = most_entries(definition, around.limits);
    window.advance(horizon);
    let recent = window.entries.len() - window.base;
    let full = window.entries.len() > most;
    let must = full || recent > around.limits.events_per_group.max(1);
    if must {
        window.base += recent / 2;
    }
    window.tidy(must, around.ledger, |entries, base| {
        judge::needed(definition, entries, base)
    });
    let excess = window.entries.len().saturating_sub(most);
    if excess > 0 {
        // Some more than must be, so that the next event need not do it again.
        let count = (excess + most / 8).min(window.entries.len());
        window.drop_oldest(count, around.ledger);
        around.counters.evicted_events += count as u64;
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
