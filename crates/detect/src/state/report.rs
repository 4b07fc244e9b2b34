//! What is told of a correlation that is satisfied.

use std::collections::VecDeque;
use std::sync::Arc;

use kubevigil_rules::CorrelationKind;

use crate::detection::FieldValue;
use crate::digest::Digest;
use crate::hit::{Group, Hit};
use crate::plan::Definition;
use crate::rendering::Rendering;
use crate::state::judge::{Evidence as Positions, Judgement};
use crate::state::memory::Circumstances;
use crate::state::receipt::Kept;
use crate::state::window::{Entry, NEVER};
use crate::state::{CorrelationMatch, Evidence, timestamp};

/// The most events of one match; more help nobody.
const MAX_EVIDENCE: usize = 1_000;

/// Who is told of.
pub(crate) struct Told<'t> {
    pub(crate) definition: &'t Definition,
    pub(crate) hits: &'t [&'t Hit],
    pub(crate) key: &'t Digest,
    pub(crate) time: i64,
}

/// Whether a group that is satisfied has fired before within the time span. Remembers when it fires anew.
pub(crate) fn repeats(fired: &mut i64, time: i64, around: &mut Circumstances<'_>) -> bool {
    let repeated = *fired != NEVER && time <= fired.saturating_add(around.definition.span);
    if repeated {
        around.counters.repeated += 1;
    } else {
        *fired = time;
    }
    repeated
}

impl Told<'_> {
    /// The match, with everything that takes time to make only if it is not repeated.
    pub(crate) fn found(
        &self,
        repeated: bool,
        number: Option<f64>,
        evidence: impl FnOnce() -> Vec<Evidence>,
    ) -> CorrelationMatch {
        let mut found = CorrelationMatch {
            rule: Arc::clone(&self.definition.rule),
            rule_number: self.definition.rule_number,
            time: timestamp(self.time),
            message: Vec::new(),
            fields: Vec::new(),
            evidence: Vec::new(),
            evidence_total: 0,
            repeated,
        };
        if repeated {
            return found;
        }
        let mut evidence = evidence();
        found.evidence_total = evidence.len() as u64;
        evidence.drain(..evidence.len().saturating_sub(MAX_EVIDENCE));
        found.evidence = evidence;
        self.describe(number, &mut found);
        found
    }

    /// Fills in message and fields: the values of the group first, then those looked at, then the number, then the rule's output.
    fn describe(&self, number: Option<f64>, found: &mut CorrelationMatch) {
        let Some((hit, group)) = self.hit() else {
            return;
        };
        let mut fields = group.shown.clone();
        let add = |field: &(Arc<str>, FieldValue), fields: &mut Vec<(Arc<str>, FieldValue)>| {
            if !fields.iter().any(|(name, _)| *name == field.0) {
                fields.push(field.clone());
            }
        };
        // Of what is counted the completing event has but one value; of what is new or differs it has the one that matters.
        let kind = &self.definition.kind;
        if matches!(
            kind,
            CorrelationKind::FirstSeen { .. } | CorrelationKind::Join
        ) {
            hit.shown.iter().for_each(|field| add(field, &mut fields));
        }
        if let Some(number) = number {
            add(&(Arc::from(kind.as_str()), shown(number)), &mut fields);
        }
        let output = hit.output.as_ref().map(Rendering::render);
        let output = output.unwrap_or_default();
        let message = match output.message.is_empty() {
            false => output.message,
            true => message(&self.definition.rule.name, &fields),
        };
        let of_output = output.fields.iter();
        of_output.for_each(|field| add(field, &mut fields));
        (found.message, found.fields) = (message, fields);
    }

    fn hit(&self) -> Option<(&Hit, &Group)> {
        let of_hit = |hit: &&'_ Hit| hit.groups.iter().position(|group| group.key == *self.key);
        let (hit, at) = self
            .hits
            .iter()
            .find_map(|hit| Some((*hit, of_hit(hit)?)))?;
        Some((hit, hit.groups.get(at)?))
    }
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

fn shown(number: f64) -> FieldValue {
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

/// An event of a member as evidence.
pub(crate) fn evidence(
    definition: &Definition,
    member: u16,
    time: i64,
    receipt: &Kept,
) -> Option<Evidence> {
    let member = definition.members.get(usize::from(member))?;
    Some(Evidence {
        rule: Arc::clone(&member.rule),
        time: timestamp(time),
        receipt: Arc::clone(&receipt.text),
    })
}

/// The events behind entries: several values of one event are one piece of evidence.
pub(crate) fn of_window(
    definition: &Definition,
    entries: &VecDeque<Entry>,
    judgement: &Judgement,
) -> Vec<Evidence> {
    let positions = match &judgement.evidence {
        Positions::Window(first, last) => (*first..=*last).collect(),
        Positions::Chain(positions) => positions.clone(),
    };
    let mut found = Vec::new();
    let mut before: Option<&Entry> = None;
    for entry in positions
        .into_iter()
        .filter_map(|position| entries.get(position))
    {
        let same = |before: &Entry| {
            Arc::ptr_eq(&before.receipt, &entry.receipt) && before.member == entry.member
        };
        if !before.is_some_and(same) {
            found.extend(evidence(
                definition,
                entry.member,
                entry.time,
                &entry.receipt,
            ));
        }
        before = Some(entry);
    }
    found
}
