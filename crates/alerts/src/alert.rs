//! The alert: what a rule has to say about an event, complete in itself.
//!
//! An alert outlives the event, the rule and the process that made it: it waits in the outbox, is delivered by another
//! version of the program, and is read where nobody has the audit log. So it owns everything it says, as text. Bytes of an
//! event that are not UTF-8 become U+FFFD here, once, and nothing downstream has to think of them.
//!
//! Two alerts are the same when their [`AlertId`] is: the rule and the event's bytes. The auditID has no part in it, because
//! clients choose it.

use std::fmt;
use std::sync::Arc;

use kubevigil_audit::time::Timestamp;
use kubevigil_rules::{Language, Priority, Rule};
use serde::{Deserialize, Serialize};

use crate::bounds::Budget;

/// A rule's finding about one event.
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
    pub outcome: Outcome,
    /// Which event it was.
    pub event: EventReference,
    /// Who did what, for people.
    pub request: Request,
}

/// The identity of an alert: 128 bits, printed as 32 hexadecimal digits.
///
/// It is derived from the rule and the event's bytes, so finding the same thing again after a crash, or in a batch that the
/// API server sends twice, gives the same identity.
#[derive(Clone, Copy, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(try_from = "String", into = "String")]
pub struct AlertId([u8; 16]);

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

/// What became of a request.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// The API server did it.
    Allowed,
    /// The API server refused: not authenticated, not authorised, or not admitted.
    Denied,
    /// It was permitted and went wrong.
    Failed,
    /// There is no answer yet: the event is of a stage before the answer.
    Started,
    /// The API server panicked over it.
    Panicked,
}

/// Which event an alert is about, for finding it again.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(default)]
pub struct EventReference {
    /// The event's auditID: chosen by the client, so neither unique nor to be trusted.
    pub audit_id: String,
    /// The event's stage (`ResponseComplete`).
    pub stage: String,
    /// The log file that the event came from.
    pub file: Option<String>,
    /// The line in `file`, counted from 1.
    pub line: Option<u64>,
    /// The event's place in the journal.
    pub place: Option<u64>,
    /// The BLAKE3 digest of the event's bytes, in hexadecimal.
    pub digest: String,
}

/// Who did what: the parts of an event that people ask for first. Empty or absent where the event says nothing. Texts are
/// cut at [`crate::bounds::SHORT_TEXT`] bytes.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(default)]
pub struct Request {
    /// The authenticated user.
    pub user: Option<String>,
    /// The user that the authenticated one acted as.
    pub impersonated_user: Option<String>,
    /// The verb (`create`).
    pub verb: Option<String>,
    /// The resource (`pods`).
    pub resource: Option<String>,
    /// The subresource (`exec`).
    pub subresource: Option<String>,
    /// The namespace.
    pub namespace: Option<String>,
    /// The object's name.
    pub name: Option<String>,
    /// The request's URI.
    pub uri: Option<String>,
    /// The address of the last hop: the one that the API server saw itself.
    pub address: Option<String>,
    /// The client's name for itself.
    pub user_agent: Option<String>,
    /// The HTTP status of the answer.
    pub code: Option<u16>,
}

/// What an alert is made from, besides the rule.
#[derive(Clone, Debug)]
pub struct Finding {
    /// When the event happened.
    pub time: Timestamp,
    /// The rendered output template.
    pub message: String,
    /// The template's fields and their values.
    pub fields: Vec<(String, FieldValue)>,
    /// What became of the request.
    pub outcome: Outcome,
    /// Which event it was; `digest` is filled in from `event_digest`.
    pub event: EventReference,
    /// Who did what.
    pub request: Request,
    /// The digest of the event's bytes: [`event_digest`].
    pub event_digest: EventDigest,
}

/// The BLAKE3 digest of an event's bytes.
pub type EventDigest = [u8; 32];

/// The digest of an event's bytes.
pub fn event_digest(raw: &[u8]) -> EventDigest {
    *blake3::hash(raw).as_bytes()
}

impl Alert {
    /// The alert for a finding of a rule. Over-long texts are cut here.
    pub fn from_parts(rule: &Rule, finding: Finding) -> Self {
        let mut budget = Budget::new();
        let mut event = finding.event.bounded();
        event.digest = blake3::Hash::from_bytes(finding.event_digest)
            .to_hex()
            .to_string();
        let output = budget.long(finding.message);
        let mut output_fields: Vec<_> = finding
            .fields
            .into_iter()
            .map(|(name, value)| (name, value.bounded(&mut budget)))
            .collect();
        output_fields.sort_by(|(one, _), (other, _)| one.cmp(other));
        Self {
            id: AlertId::of_rule(rule, &finding.event_digest),
            rule: rule.name.to_string(),
            rule_id: rule.id.as_deref().map(str::to_owned),
            priority: rule.priority,
            time: finding.time,
            output,
            output_fields,
            tags: sorted(&rule.tags),
            source: rule.source.to_string(),
            outcome: finding.outcome,
            event,
            request: finding.request.bounded(),
        }
    }
}

impl AlertId {
    /// The identity of a rule's finding about the event with this digest.
    pub fn of_rule(rule: &Rule, event: &EventDigest) -> Self {
        Self::new(
            rule.language,
            rule.id.as_deref().unwrap_or(&rule.name),
            event,
        )
    }

    /// The identity from its parts: the language, the rule's identifier or else its name, and the event's digest.
    pub fn new(language: Language, rule: &str, event: &EventDigest) -> Self {
        let mut hasher = blake3::Hasher::new_derive_key("kubevigil 2026 alert identity");
        // Each part but the last is followed by its end, so that no two lists of parts look the same.
        hasher
            .update(language_word(language).as_bytes())
            .update(&[0]);
        hasher
            .update(&(rule.len() as u64).to_le_bytes())
            .update(rule.as_bytes());
        hasher.update(event);
        Self::finish(&hasher)
    }

    /// One identity made of several, in order.
    pub fn of_all(ids: impl IntoIterator<Item = Self>) -> Self {
        let mut hasher =
            blake3::Hasher::new_derive_key("kubevigil 2026 identity of several alerts");
        for id in ids {
            hasher.update(&id.0);
        }
        Self::finish(&hasher)
    }

    fn finish(hasher: &blake3::Hasher) -> Self {
        let mut id = [0; 16];
        hasher.finalize_xof().fill(&mut id);
        Self(id)
    }

    /// The identity as bytes: the key of the alert in the outbox.
    pub fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

fn language_word(language: Language) -> &'static str {
    match language {
        Language::Falco => "falco",
    }
}

fn sorted(tags: &[Arc<str>]) -> Vec<String> {
    let mut tags: Vec<String> = tags.iter().map(|tag| tag.to_string()).collect();
    tags.sort();
    tags
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

impl Outcome {
    /// The word for it, lower case.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Allowed => "allowed",
            Self::Denied => "denied",
            Self::Failed => "failed",
            Self::Started => "started",
            Self::Panicked => "panicked",
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl fmt::Display for AlertId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for AlertId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AlertId({self})")
    }
}

impl From<AlertId> for String {
    fn from(id: AlertId) -> Self {
        id.to_string()
    }
}

/// The text is no [`AlertId`].
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("`{0}` is no alert id: expected 32 hexadecimal digits")]
pub struct NotAnAlertId(pub String);

impl TryFrom<String> for AlertId {
    type Error = NotAnAlertId;

    fn try_from(text: String) -> Result<Self, NotAnAlertId> {
        let digits = text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        match u128::from_str_radix(&text, 16) {
            Ok(number) if digits => Ok(Self(number.to_be_bytes())),
            _ => Err(NotAnAlertId(text)),
        }
    }
}

/// Times in stored alerts: nanoseconds since the Unix epoch as one number.
mod nanoseconds {
    use kubevigil_audit::time::Timestamp;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(super) fn serialize<S: Serializer>(
        time: &Timestamp,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        time.nanoseconds.serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Timestamp, D::Error> {
        i128::deserialize(deserializer).map(|nanoseconds| Timestamp { nanoseconds })
    }
}
