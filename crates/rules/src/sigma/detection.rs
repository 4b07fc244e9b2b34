//! Documents that ask about one event: log source, detection and what stands around them become a rule.

use std::sync::Arc;

use kubevigil_yaml::Node;

use crate::rule::{Language, Question, Rule};
use crate::sigma::codes;
use crate::sigma::document;
use crate::sigma::fields::Fields;
use crate::sigma::filter::{Filters, LogSource};
use crate::sigma::lints;
use crate::sigma::load::{Draft, State};
use crate::sigma::output;
use crate::sigma::problems::Problems;
use crate::sigma::selection::Compiler;
use crate::sigma::values::Placeholders;

/// What names and placeholders mean in all files of a run.
#[derive(Clone, Copy)]
pub(super) struct Meanings<'m> {
    pub(super) fields: &'m Fields,
    pub(super) placeholders: &'m Placeholders,
}

impl<'m> Meanings<'m> {
    /// What compiles the detection of one document.
    pub(super) fn compiler<'c>(self, has_blocks: bool, problems: &'c mut Problems) -> Compiler<'c>
    where
        'm: 'c,
    {
        Compiler {
            fields: self.fields,
            placeholders: self.placeholders,
            has_blocks,
            problems,
        }
    }
}

/// Compiles a detection with the filters that are for it.
pub(super) fn compile(
    draft: &Draft,
    meanings: Meanings<'_>,
    filters: &mut Filters,
    problems: &mut Problems,
) -> State {
    let Some(log_source) = log_source(&draft.node, problems) else {
        return State::Refused;
    };
    if !log_source.is_kubernetes_audit() {
        warn_of_other_log_source(&draft.node, problems);
        return State::Elsewhere;
    }
    match rule(draft, &log_source, meanings, filters, problems) {
        Some(rule) if !problems.any_error() => State::Ready(Arc::new(rule)),
        _ => State::Refused,
    }
}

fn rule(
    draft: &Draft,
    log_source: &LogSource,
    meanings: Meanings<'_>,
    filters: &mut Filters,
    problems: &mut Problems,
) -> Option<Rule> {
    let node = &draft.node;
    let head = document::head(node, problems);
    let has_blocks = head.as_ref().is_some_and(|head| head.has_blocks);
    let Some(body) = node.get("detection") else {
        let message = "key `detection` is missing";
        return problems.error(codes::STRUCTURE, document::first_key(node), message);
    };
    let detection = meanings.compiler(has_blocks, problems).detection(body, &[]);
    let (head, detection) = (head?, detection?);
    lints::check(body, &detection.expressions, meanings.fields, problems);
    if problems.any_error() {
        return None;
    }
    let condition = filters.apply(
        detection.condition,
        log_source,
        head.id.as_deref(),
        head.name.as_deref(),
    );
    Some(Rule {
        output: output::template(&head.title, &head.fields, meanings.fields),
        name: head.title,
        question: Question::Event(condition),
        id: head.id,
        short_name: head.name,
        notes: head.notes,
        description: head.description,
        priority: head.priority,
        refused_priority: head.refused_priority,
        tags: head.tags.into(),
        condition_text: output::condition_text(body).into(),
        enabled: true,
        source: "k8s_audit".into(),
        language: Language::Sigma,
        origin: draft.origin(),
    })
}

/// What the rule's log source states.
fn log_source(node: &Node, problems: &mut Problems) -> Option<LogSource> {
    let Some((_, value)) = node.entry("logsource") else {
        let help = "write `logsource: {product: kubernetes, service: audit}`";
        let message = "key `logsource` is missing";
        let span = document::first_key(node);
        return problems.error_with_help(codes::STRUCTURE, span, message, help);
    };
    if value.pairs().is_none() {
        let message = "`logsource` must be a map";
        return problems.error(codes::STRUCTURE, value.span.clone(), message);
    }
    Some(LogSource::of(node))
}

fn warn_of_other_log_source(node: &Node, problems: &mut Problems) {
    let span = node
        .get("logsource")
        .map_or(document::first_key(node), |value| value.span.clone());
    let message = "the rule is for another log source and is skipped";
    let help = "rules for Kubernetes audit events say `product: kubernetes` and `service: audit`";
    problems.warning(codes::OTHER_LOG_SOURCE, span, message, help);
}
