//! Rules to measure with.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use kubevigil_rules::falco::{Loader, Options};
use kubevigil_rules::{Rule, sigma};

/// The default rules of the standard profile, from the repository.
pub(crate) fn default_rules() -> Vec<Arc<Rule>> {
    let mut files = Vec::new();
    collect(&root().join("detections"), &mut files);
    files.sort();
    let rules = load_sigma(
        files
            .into_iter()
            .map(|file| std::fs::read_to_string(file).unwrap()),
    );
    let paranoid = |rule: &Arc<Rule>| rule.tags.iter().any(|tag| &**tag == "kubevigil.paranoid");
    rules.into_iter().filter(|rule| !paranoid(rule)).collect()
}

/// Falco's own rules, when they lie beside the checkout.
pub(crate) fn falco_rules() -> Option<Vec<Arc<Rule>>> {
    let text =
        std::fs::read_to_string(root().join("../shared/data/falco/k8s_audit_rules.yaml")).ok()?;
    Some(load([text]))
}

/// What the made-up rules of either language are about.
const VERBS: [&str; 4] = [
    "create, update, patch",
    "delete, deletecollection",
    "get, list, watch",
    "create",
];
const RESOURCES: [&str; 12] = [
    "pods",
    "secrets",
    "configmaps",
    "deployments",
    "clusterroles",
    "rolebindings",
    "nodes",
    "services",
    "jobs",
    "serviceaccounts",
    "ingresses",
    "networkpolicies",
];

/// Rules as large sets have them: each about some verbs, a resource and certain names or users, behind two shared macros.
pub(crate) fn synthetic(count: usize) -> Vec<Arc<Rule>> {
    let mut text = String::from(
        "- macro: finished\n  condition: ka.stage = ResponseComplete\n- macro: success\n  condition: ka.response.code startswith 2\n",
    );
    for number in 0..count {
        let (verbs, resource) = (
            VERBS[number % VERBS.len()],
            RESOURCES[number / VERBS.len() % RESOURCES.len()],
        );
        let detail = match number % 3 {
            0 => format!("ka.target.name = object-{number}"),
            1 => format!("ka.user.name in (user-{number}, user-{})", number + 1),
            _ => format!(
                "ka.target.namespace = team-{number} and ka.req.configmap.obj contains secret-{number}"
            ),
        };
        let _ = write!(
            text,
            "- rule: synthetic {number}\n  desc: d\n  condition: finished and success and ka.verb in ({verbs}) and ka.target.resource = {resource} and {detail}\n  output: user=%ka.user.name\n  priority: NOTICE\n  source: k8s_audit\n"
        );
    }
    load([text])
}

/// SigmaHQ's rules for Kubernetes, when they lie beside the checkout.
pub(crate) fn sigmahq_rules() -> Option<Vec<Arc<Rule>>> {
    let folder = root().join("../shared/data/sigmahq/rules/application/kubernetes/audit");
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder)
        .ok()?
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    Some(load_sigma(
        files
            .into_iter()
            .map(|file| std::fs::read_to_string(file).unwrap()),
    ))
}

/// The rules of [`synthetic`] in Sigma.
pub(crate) fn synthetic_sigma(count: usize) -> Vec<Arc<Rule>> {
    load_sigma((0..count).map(|number| {
        let (verbs, resource) = (VERBS[number % VERBS.len()], RESOURCES[number / VERBS.len() % RESOURCES.len()]);
        let detail = match number % 3 {
            0 => format!("objectRef.name: object-{number}"),
            1 => format!("user.username: [user-{number}, user-{}]", number + 1),
            _ => format!("objectRef.namespace: team-{number}, requestObject.data.key|contains: secret-{number}"),
        };
        format!(
            "title: synthetic {number}\nlogsource: {{product: kubernetes, service: audit}}\ndetection:\n  s: {{stage: ResponseComplete, responseStatus.code|startswith: '2', verb: [{verbs}], objectRef.resource: {resource}, {detail}}}\n  condition: s\n"
        )
    }))
}

/// Loads Sigma files.
pub(crate) fn load_sigma(texts: impl IntoIterator<Item = String>) -> Vec<Arc<Rule>> {
    let mut loader = sigma::Loader::new(sigma::Options::default());
    texts
        .into_iter()
        .enumerate()
        .for_each(|(number, text)| loader.load_file(&format!("rules {number}"), &text));
    let loaded = loader.finish();
    assert!(loaded.successful(), "the rules load");
    loaded.rules
}

fn load(texts: impl IntoIterator<Item = String>) -> Vec<Arc<Rule>> {
    let mut loader = Loader::new(Options::default());
    texts
        .into_iter()
        .enumerate()
        .for_each(|(number, text)| loader.load_file(&format!("rules {number}"), &text));
    let loaded = loader.finish();
    assert!(loaded.successful(), "the rules load");
    loaded.rules
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, files);
        } else if path.file_name().is_some_and(|name| name == "rule.yml") {
            files.push(path);
        }
    }
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}
