//! P19: requests without a user.

use kubevigil_audit::policy::PolicyLevel;
use kubevigil_diagnostics::{Diagnostic, Severity};

use super::{Lint, Subject};
use crate::probe::{NAME, NAMESPACE, ORDINARY_USER, Probe, Target};

pub(super) const LINT: Lint = Lint {
    code: "P19",
    title: "refused credentials fall through identity rules",
    severity: Severity::Warning,
    why: "A request with bad credentials has no user at all, not even the anonymous one. It matches no rule with users or groups.",
    run,
};

fn run(subject: &Subject<'_>, findings: &mut Vec<Diagnostic>) {
    let refused = refused_credentials();
    let ordinary = Probe {
        user: ORDINARY_USER.user(),
        ..refused.clone()
    };
    let refused = refused.decide(subject.policy);
    if refused.level > PolicyLevel::None
        || ordinary.decide(subject.policy).level == PolicyLevel::None
    {
        return;
    }
    let path = match refused.matched_rule {
        Some(rule) => format!("rules[{rule}]"),
        None => "rules".to_owned(),
    };
    let message = "a request whose credentials are refused leaves no event, while the same request of an ordinary user does".to_owned();
    findings.push(LINT.at(
        subject,
        &path,
        message,
        "end with `- level: Metadata`, without users and groups",
    ));
}

/// A request for a secret, with credentials that nobody knows.
pub(super) fn refused_credentials() -> Probe {
    Probe {
        user: None,
        verb: "get".into(),
        target: Target::Resource {
            group: "".into(),
            resource: "secrets".into(),
            subresource: "".into(),
            namespace: NAMESPACE.into(),
            name: NAME.into(),
        },
    }
}
