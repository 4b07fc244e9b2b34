//! P05: a built-in resource under a group that does not serve it.

use kubevigil_audit::policy::GroupResources;
use kubevigil_diagnostics::{Diagnostic, Severity};

use super::{Lint, Subject};
use crate::resources;

pub(super) const LINT: Lint = Lint {
    code: "P05",
    title: "wrong API group",
    severity: Severity::Error,
    why: "Group and resource must fit together, the core group is the empty text and versions play no part. With the wrong group the entry is dead.",
    run,
};

fn run(subject: &Subject<'_>, findings: &mut Vec<Diagnostic>) {
    for (number, rule) in subject.policy.rules.iter().enumerate() {
        for (entry_number, entry) in rule.resources.iter().enumerate() {
            let path = format!("rules[{number}].resources[{entry_number}]");
            if matches!(&*entry.group, "core" | "v1" | "api") {
                let message = format!(
                    "there is no group `{}`: the core group is the empty text",
                    entry.group
                );
                findings.push(LINT.at(
                    subject,
                    &format!("{path}.group"),
                    message,
                    "write `group: \"\"`",
                ));
            } else {
                strangers(subject, &path, entry, findings);
            }
        }
    }
}

/// Built-in resources that stand under a group of the server's own that does not have them.
fn strangers(
    subject: &Subject<'_>,
    path: &str,
    entry: &GroupResources,
    findings: &mut Vec<Diagnostic>,
) {
    let is_own = resources::is_group(&entry.group) || &*entry.group == "extensions";
    for (position, pattern) in entry.resources.iter().enumerate() {
        let name = pattern.split('/').next().unwrap_or_default();
        let groups: Vec<&str> = resources::of_name(name)
            .map(|resource| resource.group)
            .collect();
        let path = format!("{path}.resources[{position}]");
        if is_own && !groups.is_empty() && !groups.contains(&&*entry.group) {
            let message = format!(
                "the group {} has no `{name}`, so this matches nothing",
                quoted(&entry.group)
            );
            let groups: Vec<String> = groups.into_iter().map(quoted).collect();
            let fix = format!("move it to an entry with group {}", groups.join(" or "));
            findings.push(LINT.at(subject, &path, message, &fix));
        } else if name == "events" && entry.group.is_empty() && !covers_new_events(subject) {
            let message = "this means only the old `events` of the core group: what clients write today as `events.k8s.io` is another resource".to_owned();
            let fix = "add an entry `{group: events.k8s.io, resources: [events]}`";
            findings.push(LINT.as_severe(Severity::Info, subject, &path, message, fix));
        }
    }
}

fn covers_new_events(subject: &Subject<'_>) -> bool {
    let entries = subject.policy.rules.iter().flat_map(|rule| &rule.resources);
    entries
        .into_iter()
        .any(|entry| matches!(&*entry.group, "events.k8s.io" | "*"))
}

fn quoted(group: &str) -> String {
    if group.is_empty() {
        "\"\" (core)".to_owned()
    } else {
        format!("`{group}`")
    }
}
