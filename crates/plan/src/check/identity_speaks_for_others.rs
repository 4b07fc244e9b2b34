//! P21: silence for somebody who may act for others.

use kubevigil_audit::policy::{PolicyLevel, PolicyRule};
use kubevigil_diagnostics::{Diagnostic, Severity};

use super::{Lint, Subject};

pub(super) const LINT: Lint = Lint {
    code: "P21",
    title: "silence for an identity that may speak for others",
    severity: Severity::Warning,
    why: "Rules see who authenticated, never whom they impersonate. Silence for a gateway, a dashboard or an administrator is silence for everybody who comes \
          through it.",
    run,
};

fn run(subject: &Subject<'_>, findings: &mut Vec<Diagnostic>) {
    for (number, rule) in subject.policy.rules.iter().enumerate() {
        if rule.level != Some(PolicyLevel::None) || !is_wide(rule) {
            continue;
        }
        let fields = [("users", &rule.users), ("userGroups", &rule.user_groups)];
        for (field, names) in fields {
            for (position, name) in names
                .iter()
                .enumerate()
                .filter(|(_, name)| may_speak_for_others(name))
            {
                let path = format!("rules[{number}].{field}[{position}]");
                let message =
                    format!("everything that `{name}` does, for whomever it acts, leaves no event");
                findings.push(LINT.at(
                    subject,
                    &path,
                    message,
                    "limit the rule to the resources and verbs that make the noise",
                ));
            }
        }
    }
}

/// Whether the rule is not limited to some resources or paths.
fn is_wide(rule: &PolicyRule) -> bool {
    rule.resources.is_empty() && rule.non_resource_urls.is_empty()
}

/// Whether it is none of the control plane's own identities, which impersonate nobody.
fn may_speak_for_others(name: &str) -> bool {
    const GROUPS: [&str; 3] = [
        "system:masters",
        "system:authenticated",
        "system:serviceaccounts",
    ];
    let is_account =
        name.starts_with("system:serviceaccount:") || name.starts_with("system:serviceaccounts:");
    GROUPS.contains(&name) || is_account || !name.starts_with("system:")
}
