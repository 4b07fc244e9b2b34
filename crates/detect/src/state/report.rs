//! What is told of a correlation that is satisfied.

use std::collections::VecDeque;
use std::sync::Arc;

use kubevigil_rules::CorrelationKind;

use crate::detection::FieldValue;
use crate::digest::Digest;
use crate::hit::Hit;
use crate::plan::{Definition, kind_name};
use crate::state::judge::{Evidence as Positions, Judgement};
use crate::state::window::Entry;
use crate::state::{CorrelationMatch, Evidence, timestamp};

/// Everything about a match of a window.
pub(crate) fn report(
    definition: &Definition,
    hit: &Hit,
    key: &Digest,
    entries: &VecDeque<Entry>,
    judgement: &Judgement,
    time: i64,
    repeated: bool,
) -> CorrelationMatch {
    let mut found = empty(definition, time, repeated);
    if repeated {
        return found;
    }
    let positions = judgement.positions();
    found.evidence_total = count_events(entries, &positions);
    found.evidence = evidence(definition, entries, &positions);
    let number = judgement
        .number
        .map(|number| (Arc::from(kind_name(&definition.kind)), shown_number(number)));
    describe(definition, hit, Some(key), number, &mut found);
    found
}

/// A match without anything that takes time to make.
pub(crate) fn empty(definition: &Definition, time: i64, repeated: bool) -> CorrelationMatch {
    CorrelationMatch {
        rule: Arc::clone(&definition.rule),
        rule_number: definition.rule_number,
        time: timestamp(time),
        message: Vec::new(),
        fields: Vec::new(),
        evidence: Vec::new(),
        evidence_total: 0,
        repeated,
    }
}

/// Fills in message and fields: the values of the group first, then those looked at, then the number, then the rule's output.
pub(crate) fn describe(
    definition: &Definition,
    hit: &Hit,
    key: Option<&Digest>,
    number: Option<(Arc<str>, FieldValue)>,
    found: &mut CorrelationMatch,
) {
    let group = hit
        .groups
        .iter()
        .find(|group| key.is_none_or(|key| group.key == *key));
    let mut fields: Vec<(Arc<str>, FieldValue)> =
        group.map(|group| group.shown.clone()).unwrap_or_default();
    let add = |field: &(Arc<str>, FieldValue), fields: &mut Vec<(Arc<str>, FieldValue)>| {
        if !fields.iter().any(|(name, _)| *name == field.0) {
            fields.push(field.clone());
        }
    };
    // Of what is counted, the completing event has but one value; of what is new or differs it has the one that matters.
    let tells = matches!(
        definition.kind,
        CorrelationKind::FirstSeen { .. } | CorrelationKind::Join
    );
    if tells {
        hit.shown.iter().for_each(|field| add(field, &mut fields));
    }
    number.iter().for_each(|field| add(field, &mut fields));
    let message = match &hit.output {
        Some(output) if !output.message.is_empty() => output.message.clone(),
        _ => message(&definition.rule.name, &fields),
    };
    let of_output = hit.output.iter().flat_map(|output| &output.fields);
    of_output.for_each(|field| add(field, &mut fields));
    (found.message, found.fields) = (message, fields);
}

/// `TITLE (name=value …)`.
fn message(title: &str, fields: &[(Arc<str>, FieldValue)]) -> Vec<u8> {
    let mut message = title.as_bytes().to_vec();
    for (number, (name, value)) in fields.iter().enumerate() {
        message.extend_from_slice(if number == 0 { b" (" } else { b" " });
        message.extend_from_slice(name.as_bytes());
        message.push(b'=');
        value.append_to(&mut message);
    }
    if !fields.is_empty() {
        message.push(b')');
    }
    message
}

fn shown_number(number: f64) -> FieldValue {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    if number.fract() == 0.0 && number.abs() <= EXACT {
        #[expect(
            clippy::cast_possible_truncation,
            reason = "a whole number within the range"
        )]
        return FieldValue::Integer(number as i128);
    }
    FieldValue::Text(number.to_string().into_bytes())
}

/// Events, not entries: values of one event are several entries.
fn evidence(
    definition: &Definition,
    entries: &VecDeque<Entry>,
    positions: &[usize],
) -> Vec<Evidence> {
    let mut evidence = Vec::new();
    each_event(entries, positions, |entry| {
        let Some(member) = definition.members.get(usize::from(entry.member)) else {
            return;
        };
        evidence.push(Evidence {
            rule: Arc::clone(&member.rule),
            time: timestamp(entry.time),
            receipt: Arc::clone(&entry.receipt.text),
        });
    });
    let superfluous = evidence.len().saturating_sub(MAX_EVIDENCE);
    evidence.drain(..superfluous);
    evidence
}

/// More events than these help nobody.
const MAX_EVIDENCE: usize = 1_000;

fn count_events(entries: &VecDeque<Entry>, positions: &[usize]) -> u64 {
    let mut count = 0;
    each_event(entries, positions, |_| count += 1);
    count
}

fn each_event<'e>(
    entries: &'e VecDeque<Entry>,
    positions: &[usize],
    mut visit: impl FnMut(&'e Entry),
) {
    let mut before: Option<&Entry> = None;
    for entry in positions
        .iter()
        .filter_map(|&position| entries.get(position))
    {
        let same = |before: &Entry| {
            Arc::ptr_eq(&before.receipt, &entry.receipt) && before.member == entry.member
        };
        if !before.is_some_and(same) {
            visit(entry);
        }
        before = Some(entry);
    }
}

impl Judgement {
    fn positions(&self) -> Vec<usize> {
        match &self.evidence {
            Positions::Window(first, last) => (*first..=*last).collect(),
            Positions::Chain(positions) => positions.clone(),
        }
    }
}
