//! What a real API server recorded, read into events.

use std::fs;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use kubevigil_audit::event::{Level, Stage};
use kubevigil_audit::time::Timestamp;
use kubevigil_record::event::{AuditEvent, ObjectReference, ResponseStatus, UserInfo};
use serde_json::{Map, Value};

/// A recorded log.
pub(crate) struct Log {
    /// Its place below the folder of recordings.
    pub(crate) name: String,
    /// Its lines.
    pub(crate) text: String,
}

/// The folder of recordings; `None`, and a word about it, when it is not there.
pub(crate) fn folder() -> Option<PathBuf> {
    let folder = Path::new(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../../shared/data/recorded"
    ));
    if !folder.is_dir() {
        eprintln!("skipped: the recordings are not here");
        return None;
    }
    Some(folder.to_owned())
}

pub(crate) fn logs() -> Option<Vec<Log>> {
    let root = folder()?;
    let mut folders = vec![root.join("docs-policy"), root.join("everything")];
    folders.extend(
        fs::read_dir(root.join("policies"))
            .unwrap()
            .map(|entry| entry.unwrap().path()),
    );
    let mut logs = Vec::new();
    for folder in folders {
        for file in fs::read_dir(folder).unwrap() {
            let path = file.unwrap().path();
            let is_log = path.extension().is_some_and(|end| end == "jsonl");
            if is_log && !path.ends_with("requests.jsonl") {
                let name = path.strip_prefix(&root).unwrap().display().to_string();
                let text = fs::read_to_string(&path).unwrap();
                logs.push(Log { name, text });
            }
        }
    }
    Some(logs)
}

pub(crate) fn webhook_bodies() -> Option<Vec<String>> {
    let path = folder()?.join("webhook/docs-policy-post-bodies.jsonl");
    let text = fs::read_to_string(path).unwrap();
    Some(text.lines().map(ToOwned::to_owned).collect())
}

/// The event of a line.
pub(crate) fn event(line: &str) -> AuditEvent {
    let event: Map<String, Value> = serde_json::from_str(line).unwrap();
    let get = |name: &str| event.get(name);
    let metadata =
        get("authenticationMetadata").and_then(|value| value.get("impersonationConstraint"));
    let body = |name: &str| get(name).map(|body| Bytes::from(body.to_string()));
    let time = |name: &str| Timestamp::parse(text(get(name)).as_bytes());
    AuditEvent {
        level: Level::parse(text(get("level")).into()),
        audit_id: text(get("auditID")),
        stage: Stage::parse(text(get("stage")).into()),
        request_uri: text(get("requestURI")),
        verb: text(get("verb")),
        user: user(get("user").unwrap()),
        impersonated_user: get("impersonatedUser").map(user),
        impersonation_constraint: metadata.map(|value| text(Some(value))),
        source_ips: texts(get("sourceIPs")),
        user_agent: text(get("userAgent")),
        object_ref: get("objectRef").map(object_ref),
        response_status: get("responseStatus").map(status),
        request_object: body("requestObject"),
        response_object: body("responseObject"),
        request_received: time("requestReceivedTimestamp"),
        stage_time: time("stageTimestamp"),
        annotations: get("annotations")
            .and_then(Value::as_object)
            .into_iter()
            .flatten()
            .map(|(key, value)| (key.clone(), text(Some(value))))
            .collect(),
    }
}

fn user(value: &Value) -> UserInfo {
    let extra = value.get("extra").and_then(Value::as_object);
    UserInfo {
        username: text(value.get("username")),
        uid: text(value.get("uid")),
        groups: texts(value.get("groups")),
        extra: extra
            .into_iter()
            .flatten()
            .map(|(key, values)| (key.clone(), texts(Some(values))))
            .collect(),
    }
}

fn object_ref(value: &Value) -> ObjectReference {
    let member = |name: &str| text(value.get(name));
    ObjectReference {
        resource: member("resource"),
        namespace: member("namespace"),
        name: member("name"),
        uid: member("uid"),
        api_group: member("apiGroup"),
        api_version: member("apiVersion"),
        resource_version: member("resourceVersion"),
        subresource: member("subresource"),
    }
}

fn status(value: &Value) -> ResponseStatus {
    let details = value.get("details");
    ResponseStatus {
        status: text(value.get("status")),
        message: text(value.get("message")),
        reason: text(value.get("reason")),
        details: details.map(|details| Bytes::from(details.to_string())),
        code: value
            .get("code")
            .and_then(Value::as_u64)
            .unwrap_or_default() as u16,
    }
}

fn texts(value: Option<&Value>) -> Vec<String> {
    let values = value.and_then(Value::as_array);
    values
        .into_iter()
        .flatten()
        .map(|value| text(Some(value)))
        .collect()
}

fn text(value: Option<&Value>) -> String {
    value.and_then(Value::as_str).unwrap_or_default().to_owned()
}
