//! Why a rule did not fire on any of some events, in a few lines.

use kubevigil_detect::explain::{Explanation, Found};
use kubevigil_diagnostics::escape;
use kubevigil_rules::{Condition, Question, Rule};

use crate::rules_command::explain::asking::explain_at;
use crate::rules_command::explain::blame::{Blame, blame};
use crate::rules_command::explain::counts::Counts;
use crate::rules_command::explain::events::Event;

/// The most parts that are shown of one condition.
const MAX_BLAMES: usize = 8;
/// Only so many events are searched for the one that comes nearest.
const MAX_SEARCHED: usize = 2_000;

/// What kept the rule from firing, safe for a terminal.
pub(in crate::rules_command) fn reasons(rule: &Rule, events: &[Event]) -> Vec<String> {
    match &rule.question {
        Question::Event(condition) => nearest(condition, events),
        Question::Correlation(correlation) => match Counts::of(correlation, events) {
            Ok(counts) => of_correlation(rule, &counts, events),
            Err(reason) => vec![reason],
        },
    }
}

fn of_correlation(rule: &Rule, counts: &Counts<'_>, events: &[Event]) -> Vec<String> {
    let mut lines = vec![format!(
        "asks for {}",
        escape::terminal(&rule.condition_text)
    )];
    for member in &counts.members {
        lines.push(member.in_words(events));
        if member.hits.is_empty() {
            let below = reasons(member.rule, events);
            lines.extend(below.into_iter().map(|line| format!("  {line}")));
        }
    }
    lines.extend(counts.groups_in_words(events));
    lines
}

/// What is false in the event that comes nearest to the condition.
fn nearest(condition: &Condition, events: &[Event]) -> Vec<String> {
    let mut best: Option<(usize, Explanation, usize)> = None;
    for (at, _) in events.iter().enumerate().take(MAX_SEARCHED) {
        let Ok(explanation) = explain_at(condition, events, at) else {
            continue;
        };
        let blames = blame(condition, &explanation, true).len();
        if best.as_ref().is_none_or(|(_, _, least)| blames < *least) {
            best = Some((at, explanation, blames));
        }
    }
    let Some((at, explanation, _)) = best else {
        return vec!["no event could be read".to_owned()];
    };
    let Some(event) = events.get(at) else {
        return Vec::new();
    };
    let words = event.in_words();
    let mut lines = vec![format!(
        "line {} comes nearest: {}",
        event.line,
        escape::terminal(&words)
    )];
    lines.extend(blame_lines(condition, &explanation));
    lines
}

/// The parts that decide, each in a line.
pub(super) fn blame_lines(condition: &Condition, explanation: &Explanation) -> Vec<String> {
    let blames = blame(condition, explanation, true);
    let mut lines: Vec<String> = blames.iter().take(MAX_BLAMES).map(in_words).collect();
    if let Some(more @ 1..) = blames.len().checked_sub(MAX_BLAMES) {
        lines.push(format!("and {more} more"));
    }
    lines
}

fn in_words(blame: &Blame<'_>) -> String {
    let text = escape::terminal(&blame.part.text);
    let found: Vec<String> = blame.part.found.iter().map(found_in_words).collect();
    let found = if found.is_empty() {
        String::new()
    } else {
        format!("; {}", found.join("; "))
    };
    match blame.wanted {
        true => format!("false: {text}{found}"),
        false => format!("true, and should not be: {text}{found}"),
    }
}

/// What was found where a part looks: `found "get"`.
pub(super) fn found_in_words(found: &Found) -> String {
    if found.total == 0 {
        return "found nothing".to_owned();
    }
    let values = found
        .values
        .iter()
        .map(|value| format!("\"{}\"", escape::terminal_bytes(value)));
    let values: Vec<String> = values.collect();
    match found.total.saturating_sub(found.values.len()) {
        0 => format!("found {}", values.join(", ")),
        more => format!("found {} and {more} more", values.join(", ")),
    }
}
