//! P14: verbs that no request has.

use kubevigil_audit::policy::{PolicyLevel, PolicyRule};
use kubevigil_diagnostics::{Diagnostic, Severity, closest};

use super::{Lint, Subject};
use crate::probe::{NAMESPACE, ORDINARY_USER, Probe, RESOURCE_VERBS, Target};

pub(super) const LINT: Lint = Lint {
    code: "P14",
    title: "verb that no request has",
    severity: Severity::Error,
    why: "Verbs are compared byte for byte with those that the API server derives from method and URL. Another word matches nothing.",
    run,
};

const METHODS: [&str; 9] = [
    "get", "head", "post", "put", "patch", "delete", "options", "connect", "trace",
];

fn run(subject: &Subject<'_>, findings: &mut Vec<Diagnostic>) {
    for (number, rule) in subject.policy.rules.iter().enumerate() {
        let known = known(rule);
        for (position, verb) in rule.verbs.iter().enumerate() {
            // A star is P03's; the empty verb is that of a method that the server has no word for.
            if known.contains(&&**verb) || verb.contains('*') || verb.is_empty() {
                continue;
            }
            let path = format!("rules[{number}].verbs[{position}]");
            let message = format!("no request has the verb `{verb}`");
            findings.push(LINT.at(subject, &path, message, &fix(verb, &known)));
        }
        halves(subject, number, rule, findings);
    }
}

/// The verbs that requests of the rule can have.
fn known(rule: &PolicyRule) -> Vec<&'static str> {
    let about_resources = !rule.resources.is_empty() || !rule.namespaces.is_empty();
    match (about_resources, rule.non_resource_urls.is_empty()) {
        (true, _) => RESOURCE_VERBS.to_vec(),
        (false, false) => METHODS.to_vec(),
        (false, true) => RESOURCE_VERBS.into_iter().chain(METHODS).collect(),
    }
}

fn fix(verb: &str, known: &[&'static str]) -> String {
    let lower = verb.to_lowercase();
    let meant = match lower.as_str() {
        "read" => "get, list, watch",
        "write" | "modify" => "create, update, patch, delete, deletecollection",
        "connect" | "exec" | "attach" => "get and create, on the subresource",
        "post" => "create",
        "put" => "update",
        "impersonate" | "bind" | "escalate" | "use" | "approve" => {
            return "this is a verb of RBAC; no request has it".to_owned();
        }
        other => match known.iter().find(|known| **known == other) {
            Some(known) => known,
            None => closest(other, known.iter().copied())
                .unwrap_or("get, list, watch, create, update, patch, delete, deletecollection"),
        },
    };
    format!("did you mean {meant}?")
}

/// A rule that names one half of what belongs together.
fn halves(subject: &Subject<'_>, number: usize, rule: &PolicyRule, findings: &mut Vec<Diagnostic>) {
    let has = |verb: &str| rule.verbs.iter().any(|one| &**one == verb);
    if rule.resources.is_empty() && !rule.non_resource_urls.is_empty() {
        return;
    }
    let path = format!("rules[{number}].verbs");
    let is_lost = |verb: &str| !has(verb) && falls_lower(subject, rule, verb);
    if has("delete") && is_lost("deletecollection") {
        let message =
            "`delete` leaves out `deletecollection`, which is what `kubectl delete --all` sends"
                .to_owned();
        findings.push(LINT.as_severe(
            Severity::Warning,
            subject,
            &path,
            message,
            "add `deletecollection`",
        ));
    }
    if has("get") && has("list") && is_lost("watch") {
        let message =
            "`get` and `list` leave out `watch`, which delivers the same objects".to_owned();
        findings.push(LINT.as_severe(
            Severity::Info,
            subject,
            &path,
            message,
            "add `watch` if reads are meant",
        ));
    }
}

/// Whether the same with another verb gets less than what the rule gives.
fn falls_lower(subject: &Subject<'_>, rule: &PolicyRule, verb: &str) -> bool {
    let entry = rule.resources.first();
    let pattern = entry.and_then(|entry| entry.resources.first());
    let resource = pattern.map_or("pods", |pattern| {
        pattern.split('/').next().unwrap_or(pattern)
    });
    let probe = Probe {
        user: ORDINARY_USER.user(),
        verb: verb.into(),
        target: Target::Resource {
            group: entry.map(|entry| entry.group.clone()).unwrap_or_default(),
            resource: resource.into(),
            subresource: "".into(),
            namespace: rule
                .namespaces
                .first()
                .cloned()
                .unwrap_or_else(|| NAMESPACE.into()),
            name: "".into(),
        },
    };
    let given = rule.level.unwrap_or_default().min(PolicyLevel::Metadata);
    // A rule of level None leaves the others to louder rules.
    given == PolicyLevel::None || probe.decide(subject.policy).level < given
}
