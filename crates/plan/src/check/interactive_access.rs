//! P13: exec and its like, keyed to a verb that clients do not use.

use kubevigil_audit::policy::{PolicyLevel, PolicyRule};
use kubevigil_diagnostics::{Diagnostic, Severity};

use super::{Lint, Subject};
use crate::probe::{NAME, NAMESPACE, ORDINARY_USER, Probe, Target};

pub(super) const LINT: Lint = Lint {
    code: "P13",
    title: "interactive access keyed to create",
    severity: Severity::Warning,
    why: "Clients that speak WebSocket, kubectl since 1.30 among them, open exec, attach and port-forward with GET, so the verb is `get`. Proxies carry any \
          verb.",
    run,
};

const INTERACTIVE: [&str; 4] = ["exec", "attach", "portforward", "proxy"];

fn run(subject: &Subject<'_>, findings: &mut Vec<Diagnostic>) {
    for (number, rule) in subject.policy.rules.iter().enumerate() {
        let verbs: Vec<&str> = rule.verbs.iter().map(AsRef::as_ref).collect();
        let patterns = rule.resources.iter().flat_map(|entry| &entry.resources);
        let mut patterns = patterns.map(AsRef::as_ref);
        let is_interactive = |pattern: &&str| {
            pattern
                .split_once('/')
                .is_some_and(|(_, subresource)| INTERACTIVE.contains(&subresource))
        };
        let Some(pattern) = patterns.find(is_interactive) else {
            continue;
        };
        let missing: Vec<&str> = ["get", "create"]
            .into_iter()
            .filter(|verb| !verbs.contains(verb) && falls_lower(subject, rule, pattern, verb))
            .collect();
        if verbs.is_empty() || missing.is_empty() {
            continue;
        }
        let message = format!(
            "`{pattern}` is also used with {}, which this rule leaves out",
            missing.join(" and ")
        );
        findings.push(LINT.at(
            subject,
            &format!("rules[{number}].verbs"),
            message,
            "leave `verbs` out in a rule for these resources",
        ));
    }
}

/// Whether the request gets less than what the rule gives to others.
fn falls_lower(subject: &Subject<'_>, rule: &PolicyRule, pattern: &str, verb: &str) -> bool {
    let (resource, subresource) = pattern.split_once('/').unwrap_or((pattern, ""));
    let resource = if resource == "*" { "pods" } else { resource };
    let groups = rule.resources.iter();
    let group = groups
        .filter(|entry| entry.resources.iter().any(|one| &**one == pattern))
        .map(|entry| entry.group.clone())
        .next();
    let probe = Probe {
        user: ORDINARY_USER.user(),
        verb: verb.into(),
        target: Target::Resource {
            group: group.unwrap_or_default(),
            resource: resource.into(),
            subresource: subresource.into(),
            namespace: NAMESPACE.into(),
            name: NAME.into(),
        },
    };
    let given = rule.level.unwrap_or_default().min(PolicyLevel::Metadata);
    // A rule of level None leaves the others to louder rules.
    given == PolicyLevel::None || probe.decide(subject.policy).level < given
}
