//! P09: a rule that no request reaches.

use kubevigil_diagnostics::{Diagnostic, Severity};

use super::{Lint, Subject};
use crate::reach;

pub(super) const LINT: Lint = Lint {
    code: "P09",
    title: "unreachable rule",
    severity: Severity::Warning,
    why: "The first rule that matches decides, not the most specific. A rule whose requests are all taken by earlier ones does nothing.",
    run,
};

fn run(subject: &Subject<'_>, findings: &mut Vec<Diagnostic>) {
    for found in reach::unreachable(subject.policy) {
        let level = |number: usize| subject.policy.rules.get(number).and_then(|rule| rule.level);
        let differs = found
            .shadowed_by
            .iter()
            .any(|&other| level(other) != level(found.rule));
        let others: Vec<String> = found
            .shadowed_by
            .iter()
            .map(|other| format!("rules[{other}]"))
            .collect();
        let consequence = if differs {
            ", with another level"
        } else {
            ", with the same level"
        };
        let message = format!(
            "no request gets here: {} decide first{consequence}",
            others.join(", ")
        );
        let fix = if differs {
            "put the more specific rule first"
        } else {
            "delete it"
        };
        findings.push(LINT.at(subject, &format!("rules[{}]", found.rule), message, fix));
    }
}
