//! What makes an alert the same alert: the rule, and the event's bytes.
//!
//! The auditID has no part in it, because clients choose it: an attacker could hide an event behind another one.

use std::fmt;

use kubevigil_rules::{Language, Rule};
use serde::{Deserialize, Serialize};

use crate::alert::FieldValue;
use crate::hex;

/// The identity of an alert: 128 bits, printed as 32 hexadecimal digits.
///
/// It is derived from the rule and the event's bytes, so finding the same thing again after a crash, or in a batch that the
/// API server sends twice, gives the same identity.
#[derive(Clone, Copy, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(try_from = "String", into = "String")]
pub struct AlertId([u8; 16]);

/// The BLAKE3 digest of an event's bytes, printed as 64 hexadecimal digits.
#[derive(Clone, Copy, Default, Deserialize, Eq, Hash, PartialEq, Serialize)]
#[serde(try_from = "String", into = "String")]
pub struct EventDigest([u8; 32]);

/// The text is no identity.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("`{text}` is no {what}: expected {digits} hexadecimal digits")]
pub struct NotAnIdentity {
    text: String,
    what: &'static str,
    digits: usize,
}

impl AlertId {
    /// The identity of a rule's finding about the event with this digest.
    ///
    /// The name counts beside the identifier: two rules that share an identifier by mistake must not hide each other's alerts.
    pub fn of_rule(rule: &Rule, event: &EventDigest) -> Self {
        match &rule.id {
            Some(id) => Self::new(rule.language, &format!("{id}\0{}", rule.name), event),
            None => Self::new(rule.language, &rule.name, event),
        }
    }

    /// The identity of what a correlation found when the event with this digest completed it. The output fields have part in it, because
    /// one event may complete a correlation in several groups.
    pub fn of_correlation(
        rule: &Rule,
        event: &EventDigest,
        fields: &[(String, FieldValue)],
    ) -> Self {
        let mut hasher =
            blake3::Hasher::new_derive_key("kubevigil 2026 identity of an alert of a correlation");
        hasher.update(&Self::of_rule(rule, event).0);
        // JSON tells all values and their ends apart.
        hasher.update(&serde_json::to_vec(fields).unwrap_or_default());
        Self::finish(&hasher)
    }

    /// The identity from its parts: the language, what tells the rule from others, and the event's digest.
    pub fn new(language: Language, rule: &str, event: &EventDigest) -> Self {
        let mut hasher = blake3::Hasher::new_derive_key("kubevigil 2026 alert identity");
        // Each part but the last is followed by its end or led by its length, so that no two lists of parts look the same.
        hasher.update(word(language).as_bytes()).update(&[0]);
        hasher
            .update(&(rule.len() as u64).to_le_bytes())
            .update(rule.as_bytes());
        hasher.update(&event.0);
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

    /// The identity as bytes: the key of the alert in the outbox.
    pub fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }

    fn finish(hasher: &blake3::Hasher) -> Self {
        let mut id = [0; 16];
        hasher.finalize_xof().fill(&mut id);
        Self(id)
    }
}

impl EventDigest {
    /// The digest of an event's bytes.
    pub fn of(raw: &[u8]) -> Self {
        Self(*blake3::hash(raw).as_bytes())
    }

    pub(crate) fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    pub(crate) fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }
}

/// The word that stands for a language in identities: it never changes.
fn word(language: Language) -> &'static str {
    match language {
        Language::Falco => "falco",
        Language::Sigma => "sigma",
    }
}

impl fmt::Display for AlertId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        hex::write(&self.0, f)
    }
}

impl fmt::Debug for AlertId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AlertId({self})")
    }
}

impl fmt::Display for EventDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        hex::write(&self.0, f)
    }
}

impl fmt::Debug for EventDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EventDigest({self})")
    }
}

impl From<AlertId> for String {
    fn from(id: AlertId) -> Self {
        id.to_string()
    }
}

impl From<EventDigest> for String {
    fn from(digest: EventDigest) -> Self {
        digest.to_string()
    }
}

impl TryFrom<String> for AlertId {
    type Error = NotAnIdentity;

    fn try_from(text: String) -> Result<Self, NotAnIdentity> {
        hex::read(&text).map(Self).ok_or(NotAnIdentity {
            text,
            what: "alert id",
            digits: 32,
        })
    }
}

impl TryFrom<String> for EventDigest {
    type Error = NotAnIdentity;

    fn try_from(text: String) -> Result<Self, NotAnIdentity> {
        hex::read(&text).map(Self).ok_or(NotAnIdentity {
            text,
            what: "event digest",
            digits: 64,
        })
    }
}
