//! P06: `group: "*"` on servers that do not know it.

use kubevigil_diagnostics::{Diagnostic, Severity};

use super::{Lint, Subject};
use crate::version::KubernetesVersion;

pub(super) const LINT: Lint = Lint {
    code: "P06",
    title: "group wildcard before Kubernetes 1.36",
    severity: Severity::Error,
    why: "Before 1.36 a `*` is no valid group, and the API server does not start.",
    run,
};

const SINCE: KubernetesVersion = KubernetesVersion::new(1, 36);

fn run(subject: &Subject<'_>, findings: &mut Vec<Diagnostic>) {
    if subject.version >= SINCE {
        return;
    }
    for (number, rule) in subject.policy.rules.iter().enumerate() {
        let starred = rule
            .resources
            .iter()
            .enumerate()
            .filter(|(_, entry)| &*entry.group == "*");
        for (entry_number, _) in starred {
            let path = format!("rules[{number}].resources[{entry_number}].group");
            let message = format!(
                "Kubernetes {} knows no group `*` and does not start with it",
                subject.version
            );
            findings.push(LINT.at(
                subject,
                &path,
                message,
                "list the groups, or leave `resources` out to mean everything",
            ));
        }
    }
}
