//! One list of requests was sent to genuine API servers, each under another policy. From the log that has every stage at full level, the
//! evaluator must predict each of the other logs: which requests leave events, at which level and stages.

#![expect(clippy::indexing_slicing, clippy::unwrap_used, reason = "tests")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use kubevigil_audit::policy::{Attributes, Decision, Policy, PolicyFile, PolicyLevel, User};
use serde_json::Value;

const RECORDED: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../../../shared/data/recorded/policies"
);

/// The events of a request: its stages, each with the level.
type Stages = BTreeMap<String, String>;

#[test]
fn each_log_is_what_the_policy_makes_of_the_full_one() {
    if !Path::new(RECORDED).exists() {
        eprintln!("skipped: {RECORDED} is not there");
        return;
    }
    let full = requests(&folder("p00-all"));
    assert!(full.len() > 600);
    let mut policies: Vec<PathBuf> = fs::read_dir(RECORDED)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    policies.sort();
    assert!(policies.len() >= 6);
    for policy in policies {
        let text = fs::read_to_string(policy.join("policy.yaml")).unwrap();
        let file = PolicyFile::read("policy.yaml", &text);
        assert!(file.is_valid(), "{:?}", file.diagnostics);
        let (predicted, actual) = (predict(&file.policy.unwrap(), &full), requests(&policy));
        let wrong: Vec<String> = full
            .keys()
            .filter(|id| {
                predicted.get(*id) != actual.get(*id).map(|events| stages(events)).as_ref()
            })
            .map(|id| {
                format!(
                    "{id}: predicted {:?}, recorded {:?}",
                    predicted.get(id),
                    actual.get(id).map(|events| stages(events))
                )
            })
            .collect();
        assert!(
            wrong.is_empty(),
            "{}: {} of {} differ:\n{}",
            policy.display(),
            wrong.len(),
            full.len(),
            wrong.join("\n")
        );
        let unknown: BTreeSet<&String> =
            actual.keys().filter(|id| !full.contains_key(*id)).collect();
        assert!(
            unknown.is_empty(),
            "recorded but not predicted: {unknown:?}"
        );
    }
}

fn folder(name: &str) -> PathBuf {
    Path::new(RECORDED).join(name)
}

/// The events of each request of the list, by auditID. Ids that two requests share, and those of the cluster's own requests, are left out.
fn requests(folder: &Path) -> BTreeMap<String, Vec<Value>> {
    let text = fs::read_to_string(folder.join("audit.jsonl")).unwrap();
    let mut requests: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    for line in text.lines() {
        let event: Value = serde_json::from_str(line).unwrap();
        let id = event["auditID"].as_str().unwrap().to_owned();
        if id.starts_with("rq-") {
            requests.entry(id).or_default().push(event);
        }
    }
    requests
}

fn stages(events: &[Value]) -> Stages {
    let text = |event: &Value, key: &str| event[key].as_str().unwrap().to_owned();
    events
        .iter()
        .map(|event| (text(event, "stage"), text(event, "level")))
        .collect()
}

fn predict(policy: &Policy, full: &BTreeMap<String, Vec<Value>>) -> BTreeMap<String, Stages> {
    let mut predicted = BTreeMap::new();
    for (id, events) in full {
        let received = events
            .iter()
            .find(|event| event["stage"] == "RequestReceived")
            .unwrap_or(&events[0]);
        let decision = decide(policy, received);
        let left = |stage: &String| {
            decision
                .omit_stages
                .iter()
                .all(|omitted| omitted.as_str() != stage)
        };
        let stages: Stages = stages(events)
            .into_keys()
            .filter(left)
            .map(|stage| (stage, decision.level.to_string()))
            .collect();
        if decision.level != PolicyLevel::None && !stages.is_empty() {
            predicted.insert(id.clone(), stages);
        }
    }
    predicted
}

fn decide(policy: &Policy, event: &Value) -> Decision {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let object = &event["objectRef"];
    let groups: Vec<Box<str>> = event["user"]["groups"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|group| text(group).into())
        .collect();
    let name = event["user"]["username"].as_str();
    let uri = text(&event["requestURI"]);
    policy.decide(&Attributes {
        user: name.map(|name| User {
            name,
            groups: &groups,
        }),
        verb: &text(&event["verb"]),
        path: uri.split('?').next().unwrap(),
        is_resource_request: object.is_object(),
        namespace: &text(&object["namespace"]),
        api_group: &text(&object["apiGroup"]),
        resource: &text(&object["resource"]),
        subresource: &text(&object["subresource"]),
        name: &text(&object["name"]),
    })
}
