//! P13: exec and its like, keyed to a verb that clients do not use.

use kubevigil_diagnostics::{Diagnostic, Severity};

use super::{Lint, Subject};

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
            .filter(|verb| !verbs.contains(verb))
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
