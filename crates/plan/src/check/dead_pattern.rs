//! P04: a resource pattern that matches nothing.

use kubevigil_diagnostics::{Diagnostic, Severity};

use super::{Lint, Subject};
use crate::resources;

pub(super) const LINT: Lint = Lint {
    code: "P04",
    title: "resource pattern that matches nothing",
    severity: Severity::Error,
    why: "Resource patterns are `name`, `name/sub`, `name/*`, `*/sub` and `*`, with the lower-case plural that URLs have. Anything else is \
          accepted and never matches.",
    run,
};

fn run(subject: &Subject<'_>, findings: &mut Vec<Diagnostic>) {
    for (number, rule) in subject.policy.rules.iter().enumerate() {
        for (entry_number, entry) in rule.resources.iter().enumerate() {
            for (position, pattern) in entry.resources.iter().enumerate() {
                if let Some((reason, fix)) = defect(pattern) {
                    let path =
                        format!("rules[{number}].resources[{entry_number}].resources[{position}]");
                    findings.push(LINT.at(
                        subject,
                        &path,
                        format!("`{pattern}` matches nothing: {reason}"),
                        &fix,
                    ));
                }
            }
        }
    }
}

/// Why a pattern is dead, and what to write.
fn defect(pattern: &str) -> Option<(&'static str, String)> {
    let (resource, subresource) = match pattern.split_once('/') {
        Some((resource, subresource)) => (resource, Some(subresource)),
        None => (pattern, None),
    };
    if pattern.is_empty() {
        return Some((
            "no resource has an empty name",
            "name a resource, or leave `resources` out to mean the whole group".to_owned(),
        ));
    }
    if pattern == "*/*" {
        return Some((
            "a `*` before the slash needs the name of a subresource behind it",
            "write `*`, which includes all subresources".to_owned(),
        ));
    }
    if resource.is_empty() || subresource.is_some_and(|sub| sub.is_empty() || sub.contains('/')) {
        return Some((
            "a pattern has one name, or two with one slash between them",
            "write `name`, `name/sub`, `name/*` or `*/sub`".to_owned(),
        ));
    }
    let is_partial = |part: &str| part.contains('*') && part != "*";
    if is_partial(resource) || subresource.is_some_and(is_partial) {
        return Some((
            "a `*` stands for a whole name, not for a part of one",
            "list the resources by their full names".to_owned(),
        ));
    }
    if let Some(meant) = resources::meant(resource) {
        let rest = subresource.map(|sub| format!("/{sub}")).unwrap_or_default();
        return Some((
            "policies know resources by their plural in lower case",
            format!("did you mean `{}{rest}`?", meant.name),
        ));
    }
    if pattern.chars().any(char::is_uppercase) {
        return Some((
            "resources are written in lower case",
            format!("did you mean `{}`?", pattern.to_lowercase()),
        ));
    }
    None
}

#[cfg(test)]
mod tests {
    use super::defect;

    #[test]
    fn patterns_that_the_evaluator_can_match_are_left_alone() {
        for pattern in [
            "pods",
            "pods/log",
            "pods/*",
            "*/scale",
            "*",
            "widgets",
            "widgets/status",
        ] {
            assert_eq!(defect(pattern), None, "{pattern}");
        }
        for pattern in [
            "", "*/*", "pod*", "pods/", "/pods", "a/b/c", "Pods", "po", "Widget", "pods/e*",
        ] {
            assert!(defect(pattern).is_some(), "{pattern}");
        }
    }
}
