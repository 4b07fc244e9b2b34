//! P10: what no rule names.

use kubevigil_audit::policy::{PolicyLevel, PolicyRule};
use kubevigil_diagnostics::{Diagnostic, Severity};

use super::{Lint, Subject};
use crate::probe::{NAME, NAMESPACE, ORDINARY_USER, Probe, Target};

pub(super) const LINT: Lint = Lint {
    code: "P10",
    title: "no catch-all that records",
    severity: Severity::Warning,
    why: "What no rule matches leaves no event. New API groups, custom resources and other paths then vanish without a word.",
    run,
};

fn run(subject: &Subject<'_>, findings: &mut Vec<Diagnostic>) {
    let rules = &subject.policy.rules;
    let Some(last) = rules.len().checked_sub(1) else {
        return;
    };
    if let Some(early) = rules.iter().take(last).position(takes_everything) {
        let message = format!(
            "this rule takes every request, so the {} after it mean nothing",
            last - early
        );
        findings.push(LINT.at(
            subject,
            &format!("rules[{early}]"),
            message,
            "move it to the end",
        ));
    }
    let resource = decide(subject, custom_resource());
    let path = decide(subject, Target::Path("/probe-path".into()));
    let lost = match (resource, path) {
        (PolicyLevel::None, PolicyLevel::None) => "resources and paths",
        (PolicyLevel::None, _) => "resources",
        (_, PolicyLevel::None) => "paths",
        _ => return,
    };
    let message = format!("{lost} that no rule names leave no event");
    findings.push(LINT.at(
        subject,
        &format!("rules[{last}]"),
        message,
        "end with `- level: Metadata`",
    ));
}

fn decide(subject: &Subject<'_>, target: Target) -> PolicyLevel {
    let probe = Probe {
        user: ORDINARY_USER.user(),
        verb: "get".into(),
        target,
    };
    probe.decide(subject.policy).level
}

fn custom_resource() -> Target {
    Target::Resource {
        group: "probe.example.com".into(),
        resource: "probes".into(),
        subresource: "".into(),
        namespace: NAMESPACE.into(),
        name: NAME.into(),
    }
}

fn takes_everything(rule: &PolicyRule) -> bool {
    let selectors = [
        &rule.users,
        &rule.user_groups,
        &rule.verbs,
        &rule.namespaces,
        &rule.non_resource_urls,
    ];
    rule.resources.is_empty() && selectors.into_iter().all(Vec::is_empty)
}
