//! Events put to one rule.

use std::sync::Arc;

use kubevigil_audit::time::Timestamp;
use kubevigil_detect::explain::{Explanation, explain};
use kubevigil_detect::{Matcher, Occasion, Position, RuleMatching, Scratch, State, StateLimits};
use kubevigil_rules::{Condition, Rule};

use crate::rules_command::explain::events::Event;

/// A rule that was put to events.
pub(super) struct Asked<'a> {
    pub(super) rule: &'a Rule,
    pub(super) events: &'a [Event],
    /// Where it fires, in order.
    pub(super) occurrences: Vec<Occurrence>,
}

/// A rule fires.
#[derive(Clone, Debug)]
pub(in crate::rules_command) struct Occurrence {
    /// The event's position among the events.
    pub(in crate::rules_command) at: usize,
    /// When the event happened.
    pub(in crate::rules_command) time: Timestamp,
    /// The output, written by clients in part; empty when `repeated`.
    pub(in crate::rules_command) message: Vec<u8>,
    /// A correlation whose group has fired before, within its time span.
    pub(in crate::rules_command) repeated: bool,
}

/// Where a rule fires when it sees these events and no others, in the time of the events themselves.
///
/// # Errors
///
/// In words, when the rule cannot be compiled. Events that cannot be read are passed over.
pub(in crate::rules_command) fn occurrences(
    rule: &Arc<Rule>,
    events: &[Event],
) -> Result<Vec<Occurrence>, String> {
    let matcher = Matcher::compile(std::slice::from_ref(rule), RuleMatching::All)
        .map_err(|error| error.to_string())?;
    let mut state = State::new(&matcher, StateLimits::default());
    let (mut scratch, mut position) = (Scratch::default(), Position::default());
    let mut occurrences = Vec::new();
    for (at, event) in events.iter().enumerate() {
        position.number += 1;
        let Ok(mut found) = matcher.detect(&event.raw, &position, &mut scratch) else {
            continue;
        };
        let time = found.time;
        position.first_time.get_or_insert(time);
        position.received = position.received.max(time);
        let occasion = Occasion { received: time };
        let matches = state.observe(&found, &occasion, &mut || Arc::from(&[][..]));
        let together = matches
            .into_iter()
            .map(|found| (found.message, found.repeated));
        let alone = found
            .list
            .drain(..)
            .map(|detection| (detection.message, false));
        occurrences.extend(alone.chain(together).map(|(message, repeated)| Occurrence {
            at,
            time,
            message,
            repeated,
        }));
    }
    Ok(occurrences)
}

/// What every part of a condition says of one of the events.
pub(in crate::rules_command) fn explain_at(
    condition: &Condition,
    events: &[Event],
    at: usize,
) -> Result<Explanation, String> {
    let Some(event) = events.get(at) else {
        return Err("there is no such event".to_owned());
    };
    let position = Position {
        number: at as u64 + 1,
        ..Position::default()
    };
    explain(condition, &event.raw, &position).map_err(|error| error.to_string())
}
