//! Every method and URL of the shared vectors, cut as kube-apiserver cuts them.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::fs;

use kubevigil_audit::request_info::RequestInfo;
use serde_json::{Value, json};

const VECTORS: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../../../shared/vectors/requestinfo-vectors.json"
);

#[test]
fn every_request_is_understood_as_the_api_server_does() {
    let Ok(text) = fs::read_to_string(VECTORS) else {
        eprintln!("skipped: {VECTORS} is not there");
        return;
    };
    let vectors: Vec<Value> = serde_json::from_str(&text).unwrap();
    assert!(vectors.len() > 100);
    let wrong: Vec<String> = vectors.iter().filter_map(difference).collect();
    assert!(
        wrong.is_empty(),
        "{} differ:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}

fn difference(vector: &Value) -> Option<String> {
    let text = |key: &str| vector[key].as_str().unwrap();
    let actual = RequestInfo::of(text("method"), text("url"));
    let agrees = match (&actual, vector.get("error_contains_concept")) {
        (Err(_), Some(_)) => true,
        (Ok(info), None) => fields(info) == vector["expected"],
        _ => false,
    };
    (!agrees).then(|| {
        format!(
            "{}: {actual:?}\n  expected {}",
            text("name"),
            vector["expected"]
        )
    })
}

fn fields(info: &RequestInfo) -> Value {
    json!({
        "isResourceRequest": info.is_resource_request,
        "verb": info.verb,
        "apiPrefix": info.api_prefix,
        "apiGroup": info.api_group,
        "apiVersion": info.api_version,
        "namespace": info.namespace,
        "resource": info.resource,
        "subresource": info.subresource,
        "name": info.name,
        "path": info.path,
        "parts": if info.parts.is_empty() { Value::Null } else { json!(info.parts) },
        "fieldSelector": info.field_selector,
        "labelSelector": info.label_selector,
    })
}
