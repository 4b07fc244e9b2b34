//! SigmaHQ's rules for Kubernetes, unmodified, on events that they are meant for and on close relatives that they are not.
//!
//! The rules are not part of the repository; without them beside the checkout this test says so and passes.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stderr,
    reason = "tests"
)]

use std::path::Path;

use kubevigil_detect::{Matcher, Position, RuleMatching, Scratch};
use kubevigil_rules::Priority;
use kubevigil_rules::sigma::{Loaded, Loader, Options};
use serde_json::{Value as Any, json};

const FOLDER: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../../../shared/data/sigmahq/rules/application/kubernetes/audit"
);

fn loaded() -> Option<Loaded> {
    if !Path::new(FOLDER).exists() {
        eprintln!("skipped: the rules are not beside the checkout");
        return None;
    }
    let mut files: Vec<_> = std::fs::read_dir(FOLDER)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    let mut loader = Loader::new(Options::default());
    for file in &files {
        let name = file.file_stem().unwrap().to_string_lossy().into_owned();
        loader.load_file(&name, &std::fs::read_to_string(file).unwrap());
    }
    Some(loader.finish())
}

/// An event of a request for `group/resource/subresource` in a namespace.
fn event(verb: &str, resource: &str, code: i32, body: &Any) -> Any {
    let mut parts = resource.split('/');
    let mut next = || parts.next().filter(|part| !part.is_empty());
    let (group, resource, subresource) = (next(), next(), next());
    let mut object = json!({"resource": resource, "namespace": "team-a", "name": "web"});
    if let Some(group) = group {
        object["apiGroup"] = group.into();
    }
    if let Some(subresource) = subresource {
        object["subresource"] = subresource.into();
    }
    json!({
        "kind": "Event", "apiVersion": "audit.k8s.io/v1", "auditID": "x", "stage": "ResponseComplete", "verb": verb,
        "requestURI": "/api", "userAgent": "kubectl/v1.34.0", "user": {"username": "eve", "groups": ["system:authenticated"]},
        "objectRef": object, "responseStatus": {"code": code}, "requestObject": body,
    })
}

/// The end of a rule's file name, an event, and whether it fires.
#[expect(clippy::too_many_lines, reason = "a table")]
fn cases() -> Vec<(&'static str, Any, bool)> {
    let none = Any::Null;
    let host = json!({"spec": {"volumes": [{"emptyDir": {}}, {"hostPath": {"path": "/etc"}}]}});
    let plain = json!({"spec": {"volumes": [{"emptyDir": {}}], "containers": [{"image": "x", "securityContext": {"privileged": true}}]}});
    let capable = json!({"spec": {"containers": [{"image": "x"}], "initContainers": [{"securityContext": {"capabilities": {"add": ["SYS_ADMIN"]}}}]}});
    let mut system = event("create", "/pods", 201, &none);
    system["objectRef"]["namespace"] = "kube-system".into();
    let mut allowed = event("get", "/pods/exec", 101, &none);
    allowed["responseStatus"]["code"] = "ALLOW".into();
    allowed["requestURI"] = "/api/v1/namespaces/a/pods/p/exec?command=%2Fbin%2FBASH".into();
    let mut native = allowed.clone();
    native["responseStatus"]["code"] = 101.into();
    vec![
        (
            "change_admission_controller",
            event(
                "patch",
                "admissionregistration.k8s.io/validatingwebhookconfigurations",
                200,
                &none,
            ),
            true,
        ),
        (
            "change_admission_controller",
            event(
                "list",
                "admissionregistration.k8s.io/validatingwebhookconfigurations",
                200,
                &none,
            ),
            false,
        ),
        (
            "cronjob_modification",
            event("create", "batch/cronjobs", 201, &none),
            true,
        ),
        (
            "cronjob_modification",
            event("create", "apps/cronjobs", 201, &none),
            false,
        ),
        (
            "deployment_deleted",
            event("delete", "apps/deployments", 200, &none),
            true,
        ),
        (
            "deployment_deleted",
            event("delete", "apps/daemonsets", 200, &none),
            false,
        ),
        (
            "events_deleted",
            event("delete", "/events", 200, &none),
            true,
        ),
        (
            "events_deleted",
            event("create", "/events", 200, &none),
            false,
        ),
        (
            "exec_into_container",
            event("create", "/pods/exec", 101, &none),
            true,
        ),
        (
            "exec_into_container",
            event("create", "/pods/attach", 101, &none),
            false,
        ),
        ("hostpath_mount", event("create", "/pods", 201, &host), true),
        (
            "hostpath_mount",
            event("create", "/pods", 201, &plain),
            false,
        ),
        ("pod_in_system_namespace", system, true),
        (
            "pod_in_system_namespace",
            event("create", "/pods", 201, &none),
            false,
        ),
        ("potential_enumeration_activity", allowed, true),
        ("potential_enumeration_activity", native, false),
        (
            "privileged_pod_creation",
            event("create", "/pods", 201, &capable),
            true,
        ),
        (
            "privileged_pod_creation",
            event("create", "/pods", 201, &plain),
            false,
        ),
        (
            "rbac_permisions_listing",
            event(
                "create",
                "authorization.k8s.io/selfsubjectrulesreviews",
                201,
                &none,
            ),
            true,
        ),
        (
            "rbac_permisions_listing",
            event("create", "/selfsubjectrulesreviews", 201, &none),
            false,
        ),
        (
            "rolebinding_modification",
            event(
                "create",
                "rbac.authorization.k8s.io/clusterrolebindings",
                201,
                &none,
            ),
            true,
        ),
        (
            "rolebinding_modification",
            event(
                "get",
                "rbac.authorization.k8s.io/clusterrolebindings",
                200,
                &none,
            ),
            false,
        ),
        (
            "secrets_enumeration",
            event("list", "/secrets", 200, &none),
            true,
        ),
        (
            "secrets_enumeration",
            event("get", "/secrets", 200, &none),
            false,
        ),
        (
            "secrets_modified_or_deleted",
            event("delete", "/secrets", 200, &none),
            true,
        ),
        (
            "secrets_modified_or_deleted",
            event("list", "/secrets", 200, &none),
            false,
        ),
        (
            "serviceaccount_creation",
            event("create", "/serviceaccounts", 201, &none),
            true,
        ),
        (
            "serviceaccount_creation",
            event("delete", "/serviceaccounts", 200, &none),
            false,
        ),
        (
            "sidecar_injection",
            event("patch", "apps/deployments", 200, &none),
            true,
        ),
        (
            "sidecar_injection",
            event("update", "apps/deployments", 200, &none),
            false,
        ),
        (
            "unauthorized_unauthenticated_actions",
            event("get", "/pods", 403, &none),
            true,
        ),
        (
            "unauthorized_unauthenticated_actions",
            event("get", "/pods", 404, &none),
            false,
        ),
    ]
}

#[test]
fn the_public_rules_fire_as_their_authors_meant() {
    let Some(loaded) = loaded() else { return };
    assert!(loaded.successful());
    assert!(
        loaded.files.iter().all(|file| file.diagnostics.is_empty()),
        "no warnings either"
    );
    assert_eq!(loaded.rules.len(), 16);
    let matcher = Matcher::compile(&loaded.rules, RuleMatching::All).unwrap();
    let mut seen = std::collections::BTreeSet::new();
    for (name, event, expected) in cases() {
        let text = event.to_string();
        let found = matcher
            .detect(
                text.as_bytes(),
                &Position::default(),
                &mut Scratch::default(),
            )
            .unwrap();
        let fired = found
            .list
            .iter()
            .any(|detection| detection.rule.origin.file.ends_with(name));
        assert_eq!(fired, expected, "{name}: {text}");
        seen.insert(name);
    }
    assert_eq!(seen.len(), 16, "every rule has its cases");
}

#[test]
fn the_public_rules_keep_their_title_identifier_level_and_tags() {
    let Some(loaded) = loaded() else { return };
    for rule in &loaded.rules {
        assert_eq!(rule.id.as_ref().unwrap().len(), 36);
        assert!([Priority::Notice, Priority::Warning].contains(&rule.priority));
        assert!(rule.tags.iter().any(|tag| tag.starts_with("attack.")));
        assert!(!rule.description.is_empty());
        assert_eq!(rule.notes[0].0, "falsepositives");
        assert!(rule.notes.iter().any(|(key, _)| key == "author"));
    }
}
