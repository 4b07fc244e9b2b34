//! A detection rule, ready to be compiled.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::condition::Condition;
use crate::correlation::Correlation;
use crate::template::Template;

/// A rule of any language: a question, and what to say when the answer is yes.
#[derive(Clone, Debug)]
pub struct Rule {
    /// What people call it. For Falco the rule's name, which also identifies it.
    pub name: Arc<str>,
    /// An identifier that outlives a change of name, if the language has one (Sigma's `id`).
    pub id: Option<Arc<str>>,
    /// A unique word that other documents call it by, if its language has one (Sigma's `name`).
    pub short_name: Option<Arc<str>>,
    /// What it detects and why that matters.
    pub description: Arc<str>,
    /// What else its author wrote for people, by key, in order: false positives, how to tune it, references, author, dates.
    pub notes: Arc<[(String, Vec<String>)]>,
    /// How urgent a match is.
    pub priority: Priority,
    /// How urgent it is when the API server refused the request or the request failed, for rules that match whatever became of it.
    pub refused_priority: Option<Priority>,
    /// Labels for routing and selection, sorted, without repetition.
    pub tags: Arc<[Arc<str>]>,
    /// The question.
    pub question: Question,
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

/// What a rule asks.
#[derive(Clone, Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "there is one a rule, behind an `Arc`, and nearly all are conditions"
)]
pub enum Question {
    /// Something about one event.
    Event(Condition),
    /// Something about several events, and so about what was before.
    Correlation(Box<Correlation>),
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

/// A rule that could not be accepted, so that it can still be shown to those who believe that it watches.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Refused {
    /// What people call it; `(no title)` when not even that could be read.
    pub title: Arc<str>,
    /// Its identifier, if it has one.
    pub id: Option<Arc<str>>,
    /// The first of its mistakes, as in the report of its file.
    pub reason: String,
    /// The language it was written in.
    pub language: Language,
    /// Where it was written.
    pub origin: Origin,
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

impl Rule {
    /// What it asks of one event; `None` for a correlation.
    pub fn condition(&self) -> Option<&Condition> {
        match &self.question {
            Question::Event(condition) => Some(condition),
            Question::Correlation(_) => None,
        }
    }

    /// How it asks about several events; `None` for a rule about one.
    pub fn correlation(&self) -> Option<&Correlation> {
        match &self.question {
            Question::Event(_) => None,
            Question::Correlation(correlation) => Some(correlation),
        }
    }

    /// Calls `visit` with every condition that an event is put to: its own, or those of all rules that a correlation counts,
    /// nested ones included. The front ends bound how deep correlations are nested.
    pub fn for_each_condition<'r>(&'r self, visit: &mut dyn FnMut(&'r Condition)) {
        match &self.question {
            Question::Event(condition) => visit(condition),
            Question::Correlation(correlation) => {
                let members = correlation.members.iter();
                members.for_each(|member| member.rule.for_each_condition(visit));
            }
        }
    }
}

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
