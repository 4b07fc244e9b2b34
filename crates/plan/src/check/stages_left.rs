//! P20: stages that leave nothing, or everything twice.

use kubevigil_audit::policy::{PolicyLevel, PolicyStage, StageSet};
use kubevigil_diagnostics::{Diagnostic, Severity};

use super::{Lint, Subject};

pub(super) const LINT: Lint = Lint {
    code: "P20",
    title: "stages that leave nothing, or double the volume",
    severity: Severity::Error,
    why: "ResponseComplete holds the outcome; without it a request has none. RequestReceived doubles the number of events and adds only the time at which the \
          request came in.",
    run,
};

fn run(subject: &Subject<'_>, findings: &mut Vec<Diagnostic>) {
    let whole = subject.policy.omit_stages;
    let mut keeps_received = false;
    for (number, rule) in subject.policy.rules.iter().enumerate() {
        if rule.level.is_none_or(|level| level == PolicyLevel::None) {
            continue;
        }
        let omitted = whole.union(rule.omit_stages);
        keeps_received |= !omitted.contains(PolicyStage::RequestReceived);
        if let Some(message) = defect(omitted) {
            let own = rule.omit_stages.contains(PolicyStage::ResponseComplete);
            let path = if own {
                format!("rules[{number}].omitStages")
            } else {
                "omitStages".to_owned()
            };
            findings.push(LINT.at(subject, &path, message.to_owned(), "keep ResponseComplete"));
        }
    }
    if keeps_received {
        let message = "the stage RequestReceived is kept, which about doubles the number of events"
            .to_owned();
        let fix = "write `omitStages: [RequestReceived]` at the top, unless the log mode is blocking-strict, which needs it";
        findings.push(LINT.as_severe(Severity::Info, subject, "rules", message, fix));
    }
}

fn defect(omitted: StageSet) -> Option<&'static str> {
    if PolicyStage::ALL
        .into_iter()
        .all(|stage| omitted.contains(stage))
    {
        return Some("all stages are omitted, so this rule records nothing whatever its level");
    }
    omitted
        .contains(PolicyStage::ResponseComplete)
        .then_some("without the stage ResponseComplete no event says how a request ended")
}
