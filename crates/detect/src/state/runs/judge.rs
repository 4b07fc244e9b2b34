//! Whether the runs of a group satisfy its correlation.
//!
//! A window ends at the new event, or, when that came late, at a later one. More runs can only come into a window where one begins, so
//! it is enough to look at the windows that end where runs begin.

use kubevigil_rules::CorrelationKind;
use kubevigil_rules::correlation::{Bounds, Presence, PresenceExpr, Relation};
use smallvec::SmallVec;

use crate::plan::Definition;
use crate::state::judge::enough;
use crate::state::runs::{Class, Run, Runs};
use crate::state::window::NO_VALUE;

/// The runs that satisfy a correlation, by position, and the number that was asked for.
pub(crate) struct Satisfied {
    pub(crate) runs: Vec<usize>,
    pub(crate) number: Option<f64>,
}

/// Whether only more events can satisfy the correlation, and it does not matter how often they happen.
pub(crate) fn asks_for_runs(kind: &CorrelationKind, members: usize) -> bool {
    match kind {
        CorrelationKind::ValueCount(bounds) => wants_more(bounds),
        CorrelationKind::Temporal(Presence::All) => true,
        CorrelationKind::Temporal(Presence::Count(bounds)) => wants_more(bounds),
        CorrelationKind::Temporal(Presence::Expression(expression)) => !negates(expression),
        CorrelationKind::Join => members == 2,
        _ => false,
    }
}

fn wants_more(bounds: &Bounds) -> bool {
    bounds
        .0
        .iter()
        .all(|(relation, _)| matches!(relation, Relation::Greater | Relation::GreaterOrEqual))
}

fn negates(expression: &PresenceExpr) -> bool {
    match expression {
        PresenceExpr::Member(_) => false,
        PresenceExpr::Not(_) => true,
        PresenceExpr::And(parts) | PresenceExpr::Or(parts) => parts.iter().any(negates),
    }
}

/// Whether some window that contains an event at `time` satisfies the correlation. `new` are the event's classes.
pub(crate) fn judge(
    definition: &Definition,
    runs: &Runs,
    time: i64,
    new: &[Class],
) -> Option<Satisfied> {
    let span = definition.span;
    match &definition.kind {
        CorrelationKind::Join => join(definition, runs, time, new),
        CorrelationKind::ValueCount(bounds) => {
            let end = end_with_enough(bounds, runs, time, span)?;
            let runs = in_window(runs, end, span);
            let number = Some(runs.len() as f64);
            Some(Satisfied { runs, number })
        }
        CorrelationKind::Temporal(presence) => {
            let members = definition.members.len();
            let holds = |end: &i64| is_present(presence, members, runs, *end, span);
            let end = ends(runs, time, span).into_iter().find(holds)?;
            let runs = in_window(runs, end, span);
            Some(Satisfied { runs, number: None })
        }
        _ => None,
    }
}

/// The event itself, and where runs begin in the time span behind it.
fn ends(runs: &Runs, time: i64, span: i64) -> SmallVec<[i64; 4]> {
    let mut ends: SmallVec<[i64; 4]> = SmallVec::new();
    ends.push(time);
    let limit = time.saturating_add(span);
    let later = runs.runs.iter().map(|run| run.first);
    ends.extend(later.filter(|&first| first > time && first <= limit));
    ends.sort_unstable();
    ends.dedup();
    ends
}

fn in_window(runs: &Runs, end: i64, span: i64) -> Vec<usize> {
    let from = end.saturating_sub(span);
    let numbered = runs.runs.iter().enumerate();
    numbered
        .filter(|(_, run)| run.overlaps(from, end))
        .map(|(number, _)| number)
        .collect()
}

/// Where the first window ends that contains the event and enough runs. Two runs of one class are never in one window.
fn end_with_enough(bounds: &Bounds, runs: &Runs, time: i64, span: i64) -> Option<i64> {
    // More is wanted than there is anywhere.
    if !bounds.hold(runs.runs.len() as f64) {
        return None;
    }
    let from = time.saturating_sub(span);
    let there = runs.runs.iter().filter(|run| run.overlaps(from, time));
    if bounds.hold(there.take(enough(bounds)).count() as f64) {
        return Some(time);
    }
    // Runs come in where they begin, and go when they are older than the window, one nanosecond after they are as old as it.
    let limit = time.saturating_add(span);
    let mut changes: Vec<(i64, bool)> = Vec::new();
    for run in runs.runs.iter().filter(|run| run.overlaps(from, limit)) {
        changes.push((run.first.max(time), true));
        changes.push((run.last.saturating_add(span).saturating_add(1), false));
    }
    changes.sort_unstable();
    let mut count = 0_i64;
    for (at, comes) in changes {
        count += if comes { 1 } else { -1 };
        if comes && at <= limit && bounds.hold(count as f64) {
            return Some(at);
        }
    }
    None
}

fn is_present(presence: &Presence, members: usize, runs: &Runs, end: i64, span: i64) -> bool {
    let from = end.saturating_sub(span);
    let seen = |member: usize| {
        let of_member = |run: &&Run| usize::from(run.class.0) == member;
        runs.runs
            .iter()
            .filter(of_member)
            .any(|run| run.overlaps(from, end))
    };
    match presence {
        Presence::All => (0..members).all(seen),
        Presence::Count(bounds) => {
            bounds.hold((0..members).filter(|&member| seen(member)).count() as f64)
        }
        Presence::Expression(expression) => expression.holds(&seen),
    }
}

/// A first and a last event, one of which is new.
fn join(definition: &Definition, runs: &Runs, time: i64, new: &[Class]) -> Option<Satisfied> {
    let (first, last) = (0, 1);
    let differ = definition.looks_at_values();
    let differs = |one: &Class, other: &Class| {
        !differ || (one.1 != NO_VALUE && one.1 == other.1 && one.2 != other.2)
    };
    let own = |class: &Class| runs.position(class, time);
    let satisfied = |first: usize, last: usize| Satisfied {
        runs: vec![first, last],
        number: None,
    };
    let span = definition.span;
    let numbered = || runs.runs.iter().enumerate();
    for class in new.iter().filter(|class| class.0 == last) {
        // What has come in before and is not later stands before it.
        let mut firsts = numbered().filter(|(_, run)| {
            run.class.0 == first && run.overlaps(time.saturating_sub(span), time)
        });
        if let Some((partner, _)) = firsts.find(|(_, run)| differs(&run.class, class)) {
            return Some(satisfied(partner, own(class)?));
        }
    }
    for class in new.iter().filter(|class| class.0 == first) {
        let from = time.saturating_add(1);
        let mut lasts = numbered().filter(|(_, run)| {
            run.class.0 == last && run.overlaps(from, time.saturating_add(span))
        });
        if let Some((partner, _)) = lasts.find(|(_, run)| differs(class, &run.class)) {
            return Some(satisfied(own(class)?, partner));
        }
    }
    None
}
