//! The traps of correlations that show before it is known what the rules are.

use std::time::Duration;

use crate::correlation::{CorrelationKind, Presence};
use crate::sigma::codes;
use crate::sigma::correlation::Statement;
use crate::sigma::correlation::body::Body;
use crate::sigma::problems::Problems;

/// Longer than this, state is kept for events that nobody remembers.
const LONG: Duration = Duration::from_secs(30 * 86_400);

/// Warns about the traps.
pub(super) fn check(body: &Body<'_>, statement: &Statement, problems: &mut Problems) {
    if let Some(kind) = &statement.kind {
        holds_at_once(body, kind, problems);
        one_rule(statement, kind, problems);
        long_timespan(body, statement, kind, problems);
    }
}

fn holds_at_once(body: &Body<'_>, kind: &CorrelationKind, problems: &mut Problems) {
    let bounds = match kind {
        CorrelationKind::EventCount(bounds)
        | CorrelationKind::ValueCount(bounds)
        | CorrelationKind::Temporal(Presence::Count(bounds)) => bounds,
        _ => return,
    };
    if let (true, Some(condition)) = (bounds.hold(1.0), body.get("condition")) {
        let message = "the condition holds at the first event already";
        let help = "a correlation is judged at each event, not at the end of the time span: ask for more than one";
        problems.warning(codes::HOLDS_AT_ONCE, condition.span.clone(), message, help);
    }
}

fn one_rule(statement: &Statement, kind: &CorrelationKind, problems: &mut Problems) {
    let is_temporal = matches!(
        kind,
        CorrelationKind::Temporal(_) | CorrelationKind::TemporalOrdered
    );
    if let (true, [only]) = (is_temporal, statement.rules.as_slice()) {
        let message = "a temporal correlation of one rule holds whenever that rule does";
        let help = "name several rules, or count the events of one with `type: event_count`";
        problems.warning(codes::ONE_RULE, only.span.clone(), message, help);
    }
}

/// Learning what is usual takes long by its nature; only matches that wait for each other should come soon.
fn long_timespan(
    body: &Body<'_>,
    statement: &Statement,
    kind: &CorrelationKind,
    problems: &mut Problems,
) {
    let is_memory = matches!(kind, CorrelationKind::FirstSeen { .. });
    let is_long = statement
        .timespan
        .as_ref()
        .is_some_and(|timespan| timespan.duration > LONG);
    if let (true, false, Some(value)) = (is_long, is_memory, body.get("timespan")) {
        let message = "the time span is longer than 30 days";
        let help = "every match is kept for so long, and the memory limit will forget the oldest groups first";
        problems.warning(codes::LONG_TIMESPAN, value.span.clone(), message, help);
    }
}
