//! P12: a resource is named, a subresource that matters more is not.

use kubevigil_audit::policy::PolicyLevel;
use kubevigil_diagnostics::{Diagnostic, Severity};

use super::{Lint, Subject};
use crate::probe::{ORDINARY_USER, Probe};
use crate::resources;

pub(super) const LINT: Lint = Lint {
    code: "P12",
    title: "sensitive subresource forgotten",
    severity: Severity::Warning,
    why: "A plain name never covers subresources. Exec, tokens, proxies and approvals are where attacks happen, and they fall to a later rule.",
    run,
};

/// Resources, their subresources that deserve the same attention, and the verb that uses them.
const SENSITIVE: [(&str, &str, &str, &str); 13] = [
    ("", "serviceaccounts", "token", "create"),
    ("", "pods", "exec", "create"),
    ("", "pods", "attach", "create"),
    ("", "pods", "portforward", "create"),
    ("", "pods", "proxy", "get"),
    ("", "pods", "ephemeralcontainers", "patch"),
    ("", "pods", "eviction", "create"),
    ("", "nodes", "proxy", "get"),
    ("", "services", "proxy", "get"),
    (
        "certificates.k8s.io",
        "certificatesigningrequests",
        "approval",
        "update",
    ),
    ("apps", "deployments", "scale", "update"),
    ("apps", "statefulsets", "scale", "update"),
    ("apps", "replicasets", "scale", "update"),
];

fn run(subject: &Subject<'_>, findings: &mut Vec<Diagnostic>) {
    for (number, rule) in subject.policy.rules.iter().enumerate() {
        if rule.level.is_none_or(|level| level == PolicyLevel::None) {
            continue;
        }
        for (entry_number, entry) in rule.resources.iter().enumerate() {
            for (position, name) in entry.resources.iter().enumerate() {
                let forgotten = forgotten(subject, number, &entry.group, name);
                if !forgotten.is_empty() {
                    let path =
                        format!("rules[{number}].resources[{entry_number}].resources[{position}]");
                    findings.push(finding(subject, &path, name, &forgotten));
                }
            }
        }
    }
}

/// Subresources of the name that are not recorded, while the resource itself is, by this rule.
fn forgotten(subject: &Subject<'_>, number: usize, group: &str, name: &str) -> Vec<&'static str> {
    let sensitive = SENSITIVE
        .iter()
        .filter(|(of_group, of, ..)| *of_group == group && *of == name);
    let lost = sensitive.filter_map(|(group, name, subresource, verb)| {
        let resource = resources::find(group, name)?;
        let decide = |subresource| {
            Probe::resource(&ORDINARY_USER, verb, resource, subresource).decide(subject.policy)
        };
        let (itself, below) = (decide(""), decide(subresource));
        let is_lost = itself.level > PolicyLevel::None && below.level == PolicyLevel::None;
        (itself.matched_rule == Some(number) && is_lost).then_some(*subresource)
    });
    lost.collect()
}

fn finding(subject: &Subject<'_>, path: &str, name: &str, forgotten: &[&str]) -> Diagnostic {
    let names: Vec<String> = forgotten
        .iter()
        .map(|subresource| format!("{name}/{subresource}"))
        .collect();
    let names = names.join(", ");
    let message =
        format!("`{name}` does not cover its subresources, and nothing is recorded of {names}");
    LINT.at(subject, path, message, &format!("add {names}"))
}
