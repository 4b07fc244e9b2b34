//! The policies and requests of the shared vectors, loaded and decided as kube-apiserver does.

#![expect(clippy::print_stderr, clippy::unwrap_used, reason = "tests")]

use std::fs;

use kubevigil_audit::policy::{Attributes, Layer, Policy, PolicyFile, User, codes};
use serde_json::{Value, json};

const VECTORS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/vectors/");

#[test]
fn every_request_gets_the_decision_of_the_api_server() {
    let Some(vectors) = vectors("policy-vectors.json") else {
        return;
    };
    let vectors = vectors.as_array().unwrap();
    assert!(vectors.len() > 200);
    none_differs(vectors.iter().filter_map(|vector| {
        let file = PolicyFile::read("policy.json", &vector["policy"].to_string());
        if file.is_valid() != vector["policy_loads"].as_bool().unwrap() {
            return Some(format!("{}: {:?}", vector["name"], file.refusals));
        }
        difference(vector, &file.policy.unwrap())
    }));
}

#[test]
fn published_policies_decide_as_they_do_in_the_api_server() {
    let Some(vectors) = vectors("policy-vectors-published.json") else {
        return;
    };
    let cases = vectors["vectors"].as_array().unwrap();
    assert!(cases.len() > 400);
    none_differs(cases.iter().filter_map(|vector| {
        let policy = &vectors["policies"][vector["policyRef"].as_str().unwrap()];
        let file = PolicyFile::read("policy.json", &policy.to_string());
        assert!(file.diagnostics.is_empty(), "{:?}", file.diagnostics);
        difference(vector, &file.policy.unwrap())
    }));
}

#[test]
fn every_file_is_accepted_or_refused_as_by_the_api_server() {
    let Some(vectors) = vectors("policy-validation-vectors.json") else {
        return;
    };
    let vectors = vectors.as_array().unwrap();
    assert!(vectors.len() > 100);
    none_differs(vectors.iter().filter_map(|vector| {
        let file = PolicyFile::read("policy.yaml", vector["yaml"].as_str().unwrap());
        let fields: Vec<Value> = file
            .refusals
            .iter()
            .filter(|refusal| refusal.layer == Layer::Validate)
            .map(|refusal| json!({"path": refusal.path, "kind": refusal.label}))
            .collect();
        let actual = json!({
            "valid": file.is_valid(),
            "layer": file.refusals.first().map(|refusal| layer(refusal.layer)),
            "fields": distinct(fields),
            "lenient": is_lenient(&file),
        });
        let expected = json!({
            "valid": vector["valid"],
            "layer": vector.get("error_layer"),
            "fields": vector.get("error_fields").cloned().unwrap_or(json!([])),
            "lenient": vector["lenient_warning"],
        });
        (actual != expected).then(|| {
            format!(
                "{}: {actual}\n  expected {expected}\n  {:?}",
                vector["name"], file.refusals
            )
        })
    }));
}

fn vectors(name: &str) -> Option<Value> {
    let path = format!("{VECTORS}{name}");
    let Ok(text) = fs::read_to_string(&path) else {
        eprintln!("skipped: {path} is not there");
        return None;
    };
    Some(serde_json::from_str(&text).unwrap())
}

fn none_differs(differences: impl Iterator<Item = String>) {
    let wrong: Vec<String> = differences.collect();
    assert!(
        wrong.is_empty(),
        "{} differ:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}

fn difference(vector: &Value, policy: &Policy) -> Option<String> {
    let request = &vector["request"];
    let text = |key: &str| request[key].as_str().unwrap_or_default();
    let groups: Vec<Box<str>> = request["groups"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|group| group.as_str().unwrap().into())
        .collect();
    let decision = policy.decide(&Attributes {
        user: request["user"].as_str().map(|name| User {
            name,
            groups: &groups,
        }),
        verb: text("verb"),
        path: text("path"),
        is_resource_request: request["isResourceRequest"].as_bool().unwrap(),
        namespace: text("namespace"),
        api_group: text("apiGroup"),
        resource: text("resource"),
        subresource: text("subresource"),
        name: text("name"),
    });
    let mut stages: Vec<&str> = decision
        .omit_stages
        .iter()
        .map(|stage| stage.as_str())
        .collect();
    stages.sort_unstable();
    let actual = json!({
        "level": decision.level.as_str(),
        "omitStages": stages,
        "omitManagedFields": decision.omit_managed_fields,
        "matchedRule": decision.matched_rule,
    });
    (actual != vector["expected"]).then(|| {
        format!(
            "{}: {actual}\n  expected {}",
            vector["name"], vector["expected"]
        )
    })
}

/// The server shows equal texts once.
fn distinct(mut fields: Vec<Value>) -> Vec<Value> {
    fields.dedup();
    fields
}

/// Whether the server reads the file a second time, leniently. It also does for want of an apiVersion: no key is known then.
fn is_lenient(file: &PolicyFile) -> bool {
    let lenient = [codes::UNKNOWN_KEY, codes::DUPLICATE_KEY];
    let mut diagnostics = file.diagnostics.iter();
    let is_without_version = file
        .refusals
        .iter()
        .any(|refusal| refusal.layer == Layer::Version)
        && file.policy.is_some();
    is_without_version || diagnostics.any(|diagnostic| lenient.contains(&diagnostic.code))
}

fn layer(layer: Layer) -> &'static str {
    match layer {
        Layer::Decode => "decode",
        Layer::Version => "version",
        Layer::Validate => "validate",
        Layer::Count => "count",
    }
}
