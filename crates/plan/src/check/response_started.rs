//! P18: the only stage at which refused credentials show.

use kubevigil_audit::policy::{PolicyLevel, PolicyStage};
use kubevigil_diagnostics::{Diagnostic, Severity};

use super::no_user::refused_credentials;
use super::{Lint, Subject};

pub(super) const LINT: Lint = Lint {
    code: "P18",
    title: "refused credentials leave no trace",
    severity: Severity::Warning,
    why: "A failed authentication (401) is reported at the stage ResponseStarted and at no other. Where that is omitted, guessing tokens and passwords is invisible.",
    run,
};

fn run(subject: &Subject<'_>, findings: &mut Vec<Diagnostic>) {
    let decision = refused_credentials().decide(subject.policy);
    if decision.level == PolicyLevel::None
        || !decision.omit_stages.contains(PolicyStage::ResponseStarted)
    {
        return;
    }
    let path = match decision.matched_rule {
        Some(rule)
            if !subject
                .policy
                .omit_stages
                .contains(PolicyStage::ResponseStarted) =>
        {
            format!("rules[{rule}].omitStages")
        }
        _ => "omitStages".to_owned(),
    };
    let message =
        "without the stage ResponseStarted a failed authentication leaves no event".to_owned();
    findings.push(LINT.at(
        subject,
        &path,
        message,
        "omit it by rule, for `verbs: [watch]` only",
    ));
}
