//! Rules as programs read them. Keys are only ever added.

use std::collections::BTreeMap;
use std::sync::Arc;

use kubevigil_rules::correlation::{Correlation, CorrelationKind};
use kubevigil_rules::{Language, Rule};
use serde::Serialize;

use crate::rule_set::{ListedRule, Profile, Refused, Standing};
use crate::rules_command::fields;

/// A rule.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct RuleSummary<'r> {
    pub(super) rule: &'r str,
    pub(super) description: String,
    pub(super) priority: &'r str,
    pub(super) enabled: bool,
    source: &'r str,
    pub(super) tags: &'r [Arc<str>],
    pub(super) language: Language,
    pub(super) file: &'r str,
    pub(super) line: usize,
    pub(super) condition: &'r str,
    pub(super) output: &'r str,
    pub(super) level: &'static str,
    pub(super) id: Option<&'r str>,
    pub(super) name: Option<&'r str>,
    pub(super) kind: &'static str,
    state: &'static str,
    profile: Option<Profile>,
    part_of: &'r [Arc<str>],
    pub(super) correlation: Option<CorrelationSummary<'r>>,
    pub(super) notes: BTreeMap<&'r str, &'r [String]>,
}

/// What a correlation asks.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct CorrelationSummary<'r> {
    pub(super) r#type: &'static str,
    /// The names of the rules that it counts, in the order of the file.
    pub(super) rules: Vec<&'r str>,
    pub(super) group_by: &'r [Arc<str>],
    /// In seconds.
    pub(super) timespan: u64,
    /// In seconds, for the kind that learns.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) learning: Option<u64>,
    pub(super) generate: bool,
}

/// Something that was refused; what could not be read is not there.
#[derive(Serialize)]
pub(super) struct RefusedSummary<'r> {
    rule: &'r str,
    enabled: bool,
    language: Language,
    file: &'r str,
    line: Option<usize>,
    kind: &'r str,
    state: &'static str,
    reason: &'r str,
}

impl<'r> RuleSummary<'r> {
    pub(super) fn new(listed: &'r ListedRule) -> Self {
        let rule = &listed.rule;
        let notes = rule.notes.iter();
        Self {
            rule: &rule.name,
            description: one_line(&rule.description),
            priority: rule.priority.as_str(),
            enabled: listed.standing == Standing::Enabled,
            source: &rule.source,
            tags: &rule.tags,
            language: rule.language,
            file: &rule.origin.file,
            line: rule.origin.line,
            condition: &rule.condition_text,
            output: &rule.output.text,
            level: fields::level_of(rule),
            id: rule.id.as_deref(),
            name: rule.short_name.as_deref(),
            kind: kind(rule),
            state: listed.standing.word(),
            profile: Profile::of(rule),
            part_of: &listed.counted_by,
            correlation: rule.correlation().map(CorrelationSummary::new),
            notes: notes
                .map(|(key, texts)| (key.as_str(), texts.as_slice()))
                .collect(),
        }
    }
}

impl<'r> CorrelationSummary<'r> {
    fn new(correlation: &'r Correlation) -> Self {
        let learning = match correlation.kind {
            CorrelationKind::FirstSeen { learning } => Some(learning.as_secs()),
            _ => None,
        };
        let members = correlation.members.iter();
        Self {
            r#type: correlation.kind.as_str(),
            rules: members.map(|member| member.rule.name.as_ref()).collect(),
            group_by: &correlation.group_by,
            timespan: correlation.timespan.as_secs(),
            learning,
            generate: correlation.generate,
        }
    }
}

impl<'r> RefusedSummary<'r> {
    pub(super) fn new(refused: &'r Refused) -> Self {
        Self {
            rule: &refused.name,
            enabled: false,
            language: Language::Sigma,
            file: &refused.file,
            line: refused.line,
            kind: &refused.kind,
            state: "refused",
            reason: &refused.reason,
        }
    }
}

/// Whether a rule is about one event or several.
pub(super) fn kind(rule: &Rule) -> &'static str {
    match rule.correlation() {
        None => "event",
        Some(_) => "correlation",
    }
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
