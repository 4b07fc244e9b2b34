//! P16: namespaces that requests do not carry.

use kubevigil_diagnostics::{Diagnostic, Severity};

use super::{Lint, Subject};

pub(super) const LINT: Lint = Lint {
    code: "P16",
    title: "namespaces that miss requests",
    severity: Severity::Warning,
    why: "A list or watch of all namespaces carries none, so a rule for one namespace misses `kubectl get --all-namespaces`. The empty namespace means more than \
          cluster-scoped objects.",
    run,
};

/// Verbs that can span namespaces.
const SPANNING: [&str; 3] = ["list", "watch", "deletecollection"];

fn run(subject: &Subject<'_>, findings: &mut Vec<Diagnostic>) {
    for (number, rule) in subject
        .policy
        .rules
        .iter()
        .enumerate()
        .filter(|(_, rule)| !rule.namespaces.is_empty())
    {
        let path = format!("rules[{number}].namespaces");
        let spans =
            rule.verbs.is_empty() || rule.verbs.iter().any(|verb| SPANNING.contains(&&**verb));
        let names_empty = rule.namespaces.iter().any(|namespace| namespace.is_empty());
        let records = rule
            .level
            .is_some_and(|level| level > kubevigil_audit::policy::PolicyLevel::None);
        if names_empty {
            let message = "the empty namespace also means lists and watches over all namespaces, and the creation and listing of Namespaces".to_owned();
            findings.push(LINT.as_severe(Severity::Info, subject, &path, message, ""));
        } else if spans && records {
            let message = "lists and watches over all namespaces carry no namespace, so this rule does not record them".to_owned();
            findings.push(LINT.at(
                subject,
                &path,
                message,
                "add `\"\"` to the namespaces, or a rule without them",
            ));
        }
    }
}
