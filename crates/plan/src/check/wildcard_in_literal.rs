//! P03: a `*` where texts are compared byte for byte.

use kubevigil_diagnostics::{Diagnostic, Severity};

use super::{Lint, Subject};

pub(super) const LINT: Lint = Lint {
    code: "P03",
    title: "wildcard in a literal field",
    severity: Severity::Error,
    why: "Users, groups, verbs, namespaces and resource names are compared byte for byte. A `*` in them matches nothing, so a rule of level None \
          keeps the noise and a recording rule records nothing.",
    run,
};

fn run(subject: &Subject<'_>, findings: &mut Vec<Diagnostic>) {
    for (number, rule) in subject.policy.rules.iter().enumerate() {
        let fields = [
            ("users", &rule.users),
            ("userGroups", &rule.user_groups),
            ("verbs", &rule.verbs),
            ("namespaces", &rule.namespaces),
        ];
        for (field, texts) in fields {
            starred(
                subject,
                &format!("rules[{number}].{field}"),
                field,
                texts,
                findings,
            );
        }
        for (entry_number, entry) in rule.resources.iter().enumerate() {
            let path = format!("rules[{number}].resources[{entry_number}].resourceNames");
            starred(
                subject,
                &path,
                "resourceNames",
                &entry.resource_names,
                findings,
            );
        }
    }
}

fn starred(
    subject: &Subject<'_>,
    path: &str,
    field: &str,
    texts: &[Box<str>],
    findings: &mut Vec<Diagnostic>,
) {
    for (number, text) in texts
        .iter()
        .enumerate()
        .filter(|(_, text)| text.contains('*'))
    {
        let message = format!(
            "`{text}` matches only what is called exactly that: `{field}` knows no wildcards"
        );
        findings.push(LINT.at(
            subject,
            &format!("{path}[{number}]"),
            message,
            &fix(field, text),
        ));
    }
}

fn fix(field: &str, text: &str) -> String {
    let namespace = text
        .strip_prefix("system:serviceaccount:")
        .and_then(|rest| rest.strip_suffix(":*"));
    match (field, namespace) {
        ("users", Some(namespace)) => {
            format!(
                "write `userGroups: [\"system:serviceaccounts:{namespace}\"]` for all service accounts of the namespace"
            )
        }
        _ => format!("leave `{field}` out to mean all, or list the exact names"),
    }
}
