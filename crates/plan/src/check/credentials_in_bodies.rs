//! P11: bodies that hold credentials.

use std::collections::BTreeMap;

use kubevigil_audit::policy::PolicyLevel;
use kubevigil_diagnostics::{Diagnostic, Severity};

use super::{Lint, Subject};
use crate::probe::{Probe, USER_CLASSES};
use crate::resources::{self, Resource};

pub(super) const LINT: Lint = Lint {
    code: "P11",
    title: "credentials recorded in bodies",
    severity: Severity::Error,
    why: "At Request and RequestResponse the bodies of secrets, token requests and token reviews, with all they hold, land in the log. CIS 3.2.2 asks for \
          Metadata there.",
    run,
};

/// Resources whose bodies are or confirm credentials.
const SENSITIVE: [(&str, &str, &str); 6] = [
    ("", "secrets", ""),
    ("", "configmaps", ""),
    ("", "serviceaccounts", "token"),
    ("authentication.k8s.io", "tokenreviews", ""),
    ("oauth.openshift.io", "oauthaccesstokens", ""),
    ("oauth.openshift.io", "oauthauthorizetokens", ""),
];

const OPENSHIFT: &str = ".openshift.io";

const VERBS: [&str; 6] = ["get", "list", "watch", "create", "update", "patch"];

fn run(subject: &Subject<'_>, findings: &mut Vec<Diagnostic>) {
    for (group, name, subresource) in SENSITIVE {
        if group.ends_with(OPENSHIFT) && !names_openshift(subject) {
            continue;
        }
        let resource = resources::find(group, name);
        // OpenShift's tokens are objects of the cluster.
        let resource = resource.copied().unwrap_or(Resource {
            group,
            name,
            other_names: &[],
            namespaced: false,
            subresources: &[],
        });
        let mut verbs_by_rule: BTreeMap<usize, Vec<&str>> = BTreeMap::new();
        for verb in VERBS {
            for class in &USER_CLASSES {
                let decision =
                    Probe::resource(class, verb, &resource, subresource).decide(subject.policy);
                let Some(rule) = decision
                    .matched_rule
                    .filter(|_| leaks(decision.level, name, verb))
                else {
                    continue;
                };
                let verbs = verbs_by_rule.entry(rule).or_default();
                if !verbs.contains(&verb) {
                    verbs.push(verb);
                }
            }
        }
        let full = if subresource.is_empty() {
            name.to_owned()
        } else {
            format!("{name}/{subresource}")
        };
        for (rule, verbs) in verbs_by_rule {
            findings.push(finding(subject, rule, (group, &full), &verbs));
        }
    }
}

/// Whether the policy is for a cluster that has OpenShift's resources.
fn names_openshift(subject: &Subject<'_>) -> bool {
    let mut entries = subject.policy.rules.iter().flat_map(|rule| &rule.resources);
    entries.any(|entry| entry.group.ends_with(OPENSHIFT))
}

/// Whether the verb's bodies hold the object at this level: a read has it in the response only. What is written to a ConfigMap is
/// what detections look for credentials in, so only the dump of whole ones counts.
fn leaks(level: PolicyLevel, name: &str, verb: &str) -> bool {
    let is_read = matches!(verb, "get" | "list" | "watch");
    let needed = if is_read || name == "configmaps" {
        PolicyLevel::RequestResponse
    } else {
        PolicyLevel::Request
    };
    level >= needed
}

fn finding(
    subject: &Subject<'_>,
    rule: usize,
    (group, resource): (&str, &str),
    verbs: &[&str],
) -> Diagnostic {
    let path = format!("rules[{rule}]");
    let severity = if resource == "configmaps" {
        Severity::Warning
    } else {
        Severity::Error
    };
    let message = format!(
        "this rule writes the contents of {resource} to the log ({})",
        verbs.join(", ")
    );
    let fix = format!(
        "put `- {{level: Metadata, resources: [{{group: \"{group}\", resources: [{resource}]}}]}}` before it"
    );
    LINT.as_severe(severity, subject, &path, message, &fix)
}
