//! P15: object names that requests do not carry.

use kubevigil_diagnostics::{Diagnostic, Severity};

use super::{Lint, Subject};

pub(super) const LINT: Lint = Lint {
    code: "P15",
    title: "resource names that cannot apply",
    severity: Severity::Warning,
    why: "Names are taken from the URL. A create has none there, a deletecollection never, a list or watch only with a field selector for one name.",
    run,
};

/// Verbs whose URLs have no name.
const NAMELESS: [&str; 4] = ["create", "list", "watch", "deletecollection"];

fn run(subject: &Subject<'_>, findings: &mut Vec<Diagnostic>) {
    for (number, rule) in subject.policy.rules.iter().enumerate() {
        let named = rule
            .resources
            .iter()
            .position(|entry| !entry.resource_names.is_empty());
        let Some(entry_number) = named else { continue };
        let nameless: Vec<&str> = rule
            .verbs
            .iter()
            .map(AsRef::as_ref)
            .filter(|verb| NAMELESS.contains(verb))
            .collect();
        let path = format!("rules[{number}].resources[{entry_number}].resourceNames");
        if !rule.verbs.is_empty() && nameless.len() == rule.verbs.len() {
            let message = format!(
                "requests with {} carry no name in their URL, so these names match nothing",
                nameless.join(", ")
            );
            findings.push(LINT.at(
                subject,
                &path,
                message,
                "leave the names out, or name verbs of single objects: get, update, patch, delete",
            ));
        } else if rule.verbs.is_empty() {
            let message = "the names do not cover create, list, watch and deletecollection, whose URLs have none".to_owned();
            findings.push(LINT.as_severe(Severity::Info, subject, &path, message, ""));
        }
    }
}
