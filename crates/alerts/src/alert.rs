//! The alert: what a rule has to say about an event, complete in itself.
//!
//! An alert outlives the event, the rule and the process that made it: it waits in the outbox, is delivered by another
//! version of the program, and is read where nobody has the audit log. So it owns everything it says, as text. Bytes of an
//! event that are not UTF-8 become U+FFFD here, once, and nothing downstream has to think of them.

use std::sync::Arc;

use kubevigil_audit::event::Outcome;
use kubevigil_audit::time::Timestamp;
use kubevigil_detect::{CorrelationMatch, Detection, FieldValue as Found};
use kubevigil_rules::{Priority, Rule};
use serde::{Deserialize, Serialize};

use crate::bounds::Budget;
use crate::event::{EventReference, EventSummary, Request};
use crate::evidence::{self, EvidenceEvent};
use crate::identity::AlertId;

/// A rule's finding about one event, or a correlation's about several.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Alert {
    /// Which rule and which event; equal for equal findings, whenever they are made.
    pub id: AlertId,
    /// The rule's name.
    pub rule: String,
    /// The rule's identifier, if its language has one.
    pub rule_id: Option<String>,
    /// How urgent it is.
    pub priority: Priority,
    /// When the event happened.
    #[serde(with = "nanoseconds")]
    pub time: Timestamp,
    /// The rule's message about the event, without time and priority in front. Cut at [`crate::bounds::LONG_TEXT`] bytes.
    pub output: String,
    /// The fields that the message reads and their values, sorted by name. Texts are cut as `output` is.
    pub output_fields: Vec<(String, FieldValue)>,
    /// The rule's labels, sorted.
    pub tags: Vec<String>,
    /// The kind of event (`k8s_audit`).
    pub source: String,
    /// What became of the request.
    #[serde(with = "outcome_word")]
    pub outcome: Outcome,
    /// Which event it was; for a correlation the one that completed it.
    pub event: EventReference,
    /// Who did what, for people.
    pub request: Request,
    /// The events that a correlation counted, oldest first, the one that completed it among them; empty for a rule about one
    /// event. At most [`crate::evidence::MAX_EVENTS`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub evidence: Vec<EvidenceEvent>,
    /// How many events the correlation counted, those that are not listed included.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub evidence_total: u64,
}

/// The value of an output field.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum FieldValue {
    /// The event does not have the field.
    Absent,
    /// A truth value.
    Bool(bool),
    /// A whole number.
    Integer(i128),
    /// A text.
    Text(String),
    /// Several texts.
    List(Vec<String>),
}

/// What a rule found: an alert without its rule and its event.
#[derive(Clone, Debug)]
pub struct Finding {
    /// When the event happened.
    pub time: Timestamp,
    /// The rendered output template.
    pub message: String,
    /// The template's fields and their values.
    pub fields: Vec<(String, FieldValue)>,
}

impl Alert {
    /// The alert for a detection in an event.
    pub fn new(detection: &Detection, event: &EventSummary) -> Self {
        let finding = Finding::new(detection.time, &detection.message, &detection.fields);
        Self::from_parts(&detection.rule, finding, event)
    }

    /// The alert for a correlation that this event completed, with evidence from the receipts of all its events. The match must not
    /// be a repeated one: those have nothing to tell.
    pub fn of_correlation(found: &CorrelationMatch, event: &EventSummary) -> Self {
        let finding = Finding::new(found.time, &found.message, &found.fields);
        let evidence = found.evidence.iter();
        let evidence =
            evidence.map(|event| EvidenceEvent::new(&event.rule, event.time, &event.receipt));
        let (evidence, total) = (evidence.collect(), found.evidence_total);
        Self::from_correlation_parts(&found.rule, finding, event, evidence, total)
    }

    /// The alert from its parts. Over-long texts are cut here.
    pub fn from_parts(rule: &Rule, finding: Finding, event: &EventSummary) -> Self {
        let mut budget = Budget::new();
        let output = budget.long(finding.message);
        let bounded = |(name, value): (String, FieldValue)| (name, value.bounded(&mut budget));
        let mut output_fields: Vec<_> = finding.fields.into_iter().map(bounded).collect();
        output_fields.sort_by(|(one, _), (other, _)| one.cmp(other));
        let mut tags: Vec<String> = rule.tags.iter().map(|tag| tag.to_string()).collect();
        tags.sort();
        Self {
            id: AlertId::of_rule(rule, &event.event.digest),
            rule: rule.name.to_string(),
            rule_id: rule.id.as_deref().map(str::to_owned),
            priority: priority(rule, event.outcome),
            time: finding.time,
            output,
            output_fields,
            tags,
            source: rule.source.to_string(),
            outcome: event.outcome,
            event: event.event.clone().bounded(),
            request: event.request.clone().bounded(),
            evidence: Vec::new(),
            evidence_total: 0,
        }
    }

    /// The alert of a correlation from its parts: `event` is the one that completed it, `evidence` all that it counted, oldest first, of
    /// `total`.
    pub fn from_correlation_parts(
        rule: &Rule,
        finding: Finding,
        event: &EventSummary,
        evidence: Vec<EvidenceEvent>,
        total: u64,
    ) -> Self {
        let alert = Self::from_parts(rule, finding, event);
        Self {
            id: AlertId::of_correlation(rule, &event.event.digest, &alert.output_fields),
            evidence: evidence::bounded(evidence),
            evidence_total: total,
            ..alert
        }
    }
}

impl Finding {
    fn new(time: Timestamp, message: &[u8], fields: &[(Arc<str>, Found)]) -> Self {
        let field = |(name, value): &(Arc<str>, Found)| (name.to_string(), value.into());
        Self {
            time,
            message: text(message),
            fields: fields.iter().map(field).collect(),
        }
    }
}

/// How urgent a match of the rule is, by what became of the request.
fn priority(rule: &Rule, outcome: Outcome) -> Priority {
    match outcome {
        Outcome::Denied | Outcome::Failed => rule.refused_priority.unwrap_or(rule.priority),
        Outcome::Allowed | Outcome::Started | Outcome::Panicked => rule.priority,
    }
}

impl FieldValue {
    fn bounded(self, budget: &mut Budget) -> Self {
        match self {
            Self::Text(text) => Self::Text(budget.long(text)),
            Self::List(texts) => Self::List(budget.list(texts)),
            small @ (Self::Absent | Self::Bool(_) | Self::Integer(_)) => small,
        }
    }
}

impl From<&Found> for FieldValue {
    fn from(value: &Found) -> Self {
        match value {
            Found::Absent => Self::Absent,
            Found::Bool(flag) => Self::Bool(*flag),
            Found::Integer(number) => Self::Integer(*number),
            Found::List(texts) => Self::List(texts.iter().map(|bytes| text(bytes)).collect()),
            Found::Text(bytes) => Self::Text(text(bytes)),
        }
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// Times in stored alerts: nanoseconds since the Unix epoch as one number.
pub(crate) mod nanoseconds {
    use kubevigil_audit::time::Timestamp;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(crate) fn serialize<S: Serializer>(
        time: &Timestamp,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        time.nanoseconds.serialize(serializer)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Timestamp, D::Error> {
        i128::deserialize(deserializer).map(|nanoseconds| Timestamp { nanoseconds })
    }
}

/// Outcomes in stored alerts: their word.
pub(crate) mod outcome_word {
    use kubevigil_audit::event::Outcome;
    use serde::de::Error;
    use serde::{Deserialize, Deserializer, Serializer};

    const ALL: [Outcome; 5] = [
        Outcome::Allowed,
        Outcome::Denied,
        Outcome::Failed,
        Outcome::Started,
        Outcome::Panicked,
    ];

    pub(crate) fn serialize<S: Serializer>(
        outcome: &Outcome,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(outcome.as_str())
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Outcome, D::Error> {
        let word = String::deserialize(deserializer)?;
        let known = ALL.into_iter().find(|outcome| outcome.as_str() == word);
        known.ok_or_else(|| D::Error::custom(format!("unknown outcome `{word}`")))
    }
}
