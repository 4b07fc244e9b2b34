//! A detection rule, ready to be compiled.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::condition::Condition;
use crate::template::Template;

/// A rule of any language: a question, and what to say when the answer is yes.
#[derive(Clone, Debug)]
pub struct Rule {
    /// What people call it. For Falco the rule's name, which also identifies it.
    pub name: Arc<str>,
    /// An identifier that outlives a change of name, if the language has one (Sigma's `id`).
    pub id: Option<Arc<str>>,
    /// What it detects and why that matters.
    pub description: Arc<str>,
    /// How urgent a match is.
    pub priority: Priority,
    /// Labels for routing and selection, sorted, without repetition.
    pub tags: Arc<[Arc<str>]>,
    /// The question.
    pub condition: Condition,
    /// The condition as text, as its author would read it after all substitutions.
    pub condition_text: Arc<str>,
    /// The text of an alert.
    pub output: Template,
    /// Whether the rule takes part. Disabled rules are kept so that they can be listed and enabled.
    pub enabled: bool,
    /// The event source that the rule asks for (`k8s_audit`).
    pub source: Arc<str>,
    /// The language it was written in.
    pub language: Language,
    /// Where it was written.
    pub origin: Origin,
}

/// The language a rule was written in.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Language {
    /// Falco's rule language.
    Falco,
    /// Sigma, the open standard.
    Sigma,
}

/// Where a rule was written: for messages, never for identity.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize)]
pub struct Origin {
    /// The file as the user named it.
    pub file: Arc<str>,
    /// The line of the rule's first key, counted from 1.
    pub line: usize,
}

/// How urgent a match is; Falco's eight words, which are syslog's (RFC 5424 section 6.2.1).
///
/// The order is that of urgency: `Priority::Critical > Priority::Notice`.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[expect(
    missing_docs,
    reason = "the words are the field's own and explain themselves"
)]
pub enum Priority {
    Debug,
    Informational,
    Notice,
    Warning,
    Error,
    Critical,
    Alert,
    Emergency,
}

/// The word is no [`Priority`].
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error(
    "unknown priority `{0}`: expected one of emergency, alert, critical, error, warning, notice, informational, debug"
)]
pub struct UnknownPriority(pub String);

impl Priority {
    /// All priorities, the most urgent first.
    pub const ALL: [Self; 8] = [
        Self::Emergency,
        Self::Alert,
        Self::Critical,
        Self::Error,
        Self::Warning,
        Self::Notice,
        Self::Informational,
        Self::Debug,
    ];

    /// The word that alerts print.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Alert => "Alert",
            Self::Critical => "Critical",
            Self::Debug => "Debug",
            Self::Emergency => "Emergency",
            Self::Error => "Error",
            Self::Informational => "Informational",
            Self::Notice => "Notice",
            Self::Warning => "Warning",
        }
    }
}

impl FromStr for Priority {
    type Err = UnknownPriority;

    /// Reads a word in any letter case; `info` is short for `informational`.
    fn from_str(word: &str) -> Result<Self, Self::Err> {
        if word.eq_ignore_ascii_case("info") {
            return Ok(Self::Informational);
        }
        Self::ALL
            .into_iter()
            .find(|priority| priority.as_str().eq_ignore_ascii_case(word))
            .ok_or_else(|| UnknownPriority(word.to_owned()))
    }
}

impl fmt::Display for Priority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}
