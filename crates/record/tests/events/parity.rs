//! The same requests under the same policies leave the events that a real API server recorded.
//!
//! One list of requests was sent to kube-apiserver 1.36.2 under several policies. What the server knows of each, it wrote under
//! the policy that records everything. That is put to [`Audit`] here: under the same policy the events must come out byte for byte,
//! under the others they must be those that the server wrote then, but for what differs from one cluster to the next.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::path::Path;

use crate::recorded;
use kubevigil_audit::policy::{Policy, PolicyFile};
use kubevigil_audit::request_info::RequestInfo;
use kubevigil_audit::time::Timestamp;
use kubevigil_record::auditor::Audit;
use kubevigil_record::encode::json_line;
use kubevigil_record::event::AuditEvent;
use kubevigil_record::request::RequestHead;
use serde_json::Value;

/// The events of every request of the list, by its id.
fn events_by_id(folder: &Path) -> BTreeMap<String, Vec<AuditEvent>> {
    let text = fs::read_to_string(folder.join("audit.jsonl")).unwrap();
    let mut events: BTreeMap<String, Vec<AuditEvent>> = BTreeMap::new();
    for event in text.lines().map(recorded::event) {
        // Ids that stand for one request only.
        if event.audit_id.starts_with("rq-") {
            events
                .entry(event.audit_id.clone())
                .or_default()
                .push(event);
        }
    }
    events
}

fn methods(folder: &Path) -> HashMap<String, String> {
    let text = fs::read_to_string(folder.join("requests.jsonl")).unwrap();
    let requests = text
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap());
    let text = |value: &Value| value.as_str().map(ToOwned::to_owned);
    requests
        .filter_map(|request| Some((text(&request["id"])?, text(&request["method"])?)))
        .collect()
}

fn policy(folder: &Path) -> Policy {
    let text = fs::read_to_string(folder.join("policy.yaml")).unwrap();
    PolicyFile::read("policy.yaml", &text).policy.unwrap()
}

/// Puts a request, known by all its events, to a policy again.
fn replay(policy: &Policy, method: &str, known: &[AuditEvent]) -> Vec<AuditEvent> {
    let (first, last) = (known.first().unwrap(), known.last().unwrap());
    let is_refused = known.len() == 1;
    let head = RequestHead {
        audit_id: first.audit_id.clone(),
        request_uri: first.request_uri.clone(),
        info: RequestInfo::of(method, &first.request_uri).unwrap(),
        user: (!is_refused).then(|| first.user.clone()),
        source_ips: first.source_ips.clone(),
        user_agent: first.user_agent.clone(),
    };
    let Some(mut audit) = Audit::begin(policy, head, first.request_received.unwrap()) else {
        return Vec::new();
    };
    let mut events: Vec<AuditEvent> = audit.received().into_iter().collect();
    match &last.request_object {
        Some(body) => audit.request_body(body),
        // Whatever was sent, the server did not record it.
        None if matches!(method, "POST" | "PUT" | "PATCH") => {
            audit.request_body(br#"{"metadata":{"name":"made-up","uid":"1"}}"#);
        }
        None => {}
    }
    if let Some(user) = &last.impersonated_user {
        audit.impersonated(user.clone(), last.impersonation_constraint.clone());
    }
    let started = known
        .iter()
        .find(|event| event.stage.as_str() == "ResponseStarted")
        .unwrap_or(last);
    annotate(&mut audit, started);
    let code = last.response_status.as_ref().unwrap().code;
    events.extend(audit.response_started(code, started.stage_time.unwrap()));
    annotate(&mut audit, last);
    audit.response_body(&answer(last));
    events.extend(audit.complete(last.stage_time.unwrap()));
    events
}

/// The body of the answer; of a `Status` all that matters stands in the event below level RequestResponse, too.
fn answer(event: &AuditEvent) -> bytes::Bytes {
    let status = event.response_status.as_ref().unwrap();
    match &event.response_object {
        Some(object) => object.clone(),
        None if status.message.is_empty() => bytes::Bytes::new(),
        None => {
            let details = status.details.as_deref().unwrap_or(b"{}");
            serde_json::json!({
                "kind": "Status",
                "message": status.message,
                "details": serde_json::from_slice::<Value>(details).unwrap(),
            })
            .to_string()
            .into()
        }
    }
}

/// Tells what only the server knows; how long its parts took nobody else can.
fn annotate(audit: &mut Audit, event: &AuditEvent) {
    for (key, value) in event.annotations.iter().filter(|(key, _)| !is_latency(key)) {
        audit.annotate(key.as_str(), value.as_str());
    }
}

fn is_latency(key: &str) -> bool {
    key.starts_with("apiserver.latency.k8s.io/")
}

fn line(event: &AuditEvent) -> String {
    String::from_utf8(json_line(event).unwrap()).unwrap()
}

#[test]
fn under_the_policy_that_records_everything_the_events_are_the_servers_byte_for_byte() {
    let Some(root) = recorded::folder() else {
        return;
    };
    let folder = root.join("policies/p00-all");
    let (policy, methods) = (policy(&folder), methods(&folder));
    let mut compared = 0;
    let mut different = Vec::new();
    for (id, known) in events_by_id(&folder) {
        let found = replay(&policy, &methods[&id], &known);
        for number in 0..known.len().max(found.len()) {
            let mut known = known.get(number).cloned().unwrap_or_default();
            known.annotations.retain(|key, _| !is_latency(key));
            let found = found.get(number).cloned().unwrap_or_default();
            compared += 1;
            if line(&found) != line(&known) {
                different.push(format!("{id}\n  {}  {}", line(&found), line(&known)));
            }
        }
    }
    assert!(different.is_empty(), "{}", different.join("\n"));
    assert!(compared > 1_200, "only {compared} events were compared");
}

#[test]
fn under_every_other_policy_the_events_are_the_servers_but_for_what_the_cluster_chose() {
    let Some(root) = recorded::folder() else {
        return;
    };
    let all = root.join("policies/p00-all");
    let (everything, methods) = (events_by_id(&all), methods(&all));
    let mut compared = 0;
    let mut different = Vec::new();
    for folder in fs::read_dir(root.join("policies")).unwrap() {
        let folder = folder.unwrap().path();
        let (policy, mut genuine) = (policy(&folder), events_by_id(&folder));
        for (id, known) in &everything {
            let found = replay(&policy, &methods[id], known);
            let genuine = genuine.remove(id).unwrap_or_default();
            compared += genuine.len();
            let (found, genuine) = (common(&found), common(&genuine));
            if found != genuine {
                let policy = folder.file_name().unwrap().display().to_string();
                different.push(format!(
                    "{policy} {id}\n  {}\n  {}",
                    found.join("\n  "),
                    genuine.join("\n  ")
                ));
            }
        }
    }
    assert!(
        different.is_empty(),
        "{}: {}",
        different.len(),
        different.join("\n")
    );
    assert!(compared > 3_000, "only {compared} events were compared");
}

#[test]
fn in_every_recording_the_answer_tells_whether_the_server_had_decoded_the_body() {
    let Some(logs) = recorded::logs() else {
        return;
    };
    let rules = "apiVersion: audit.k8s.io/v1\nkind: Policy\nrules: [{level: Request}]\n";
    let policy = PolicyFile::read("policy.yaml", rules).policy.unwrap();
    let mut compared = [0, 0];
    for known in logs.iter().flat_map(|log| log.text.lines()) {
        let known = recorded::event(known);
        let method = match known.verb.as_str() {
            "create" => "POST",
            "update" => "PUT",
            "patch" => "PATCH",
            _ => continue,
        };
        let has_bodies = matches!(known.level.as_str(), "Request" | "RequestResponse");
        if !has_bodies || known.stage.as_str() != "ResponseComplete" {
            continue;
        }
        let has_body = known.request_object.is_some();
        let found = replay(&policy, method, &[known.clone(), known.clone()]);
        let found = found.last().unwrap().request_object.is_some();
        assert_eq!(found, has_body, "{}", line(&known));
        compared[usize::from(has_body)] += 1;
    }
    assert!(compared[0] > 100 && compared[1] > 1_000, "{compared:?}");
}

/// What two clusters have in common of a request's events.
fn common(events: &[AuditEvent]) -> Vec<String> {
    events
        .iter()
        .map(|event| {
            let mut event = event.clone();
            event.request_received = None;
            event.stage_time = Some(Timestamp::default());
            // Several rules may allow the same, and the server names whichever it meets first.
            event
                .annotations
                .retain(|key, _| !is_latency(key) && key != "authorization.k8s.io/reason");
            event.request_object = event.request_object.as_deref().map(shape);
            event.response_object = event.response_object.as_deref().map(shape);
            without_ids(&line(&event), &event.audit_id)
        })
        .collect()
}

/// The text with every id that a cluster makes up (`e794bdcd-97f4-4c06-a097-42c0842066da`) taken out.
fn without_ids(text: &str, audit_id: &str) -> String {
    let pieces =
        text.split_inclusive(|character: char| !character.is_ascii_hexdigit() && character != '-');
    let is_id = |piece: &str| {
        piece.len() == 37 && piece.matches('-').count() == 4 && !piece.starts_with(audit_id)
    };
    pieces
        .map(|piece| if is_id(piece) { "id" } else { piece })
        .collect()
}

/// The keys of an object and of its metadata.
fn shape(body: &[u8]) -> bytes::Bytes {
    let body: Value = serde_json::from_slice(body).unwrap();
    let keys = |value: &Value| -> Vec<String> {
        value
            .as_object()
            .into_iter()
            .flatten()
            .map(|(key, _)| key.clone())
            .collect()
    };
    let shape = serde_json::json!([
        body.get("kind"),
        keys(&body),
        body.get("metadata").map(keys)
    ]);
    shape.to_string().into()
}
