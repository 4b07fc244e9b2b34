//! The requests of the list as they were sent: what the server recorded of them, turned round.

use http::{HeaderName, HeaderValue, Request};
use serde_json::{Value, json};

use super::recorded::{Event, Listed, Recording};

/// The bodies of requests of which the server recorded none, by label; else a pod.
const BODIES: &[(&str, &str)] = &[
    ("bad json", r#"{"kind":"#),
    ("415", "some text"),
    (
        "yaml create",
        "kind: ConfigMap\napiVersion: v1\nmetadata:\n  name: from-yaml\ndata:\n  k: v\n",
    ),
    (
        "unknown field strict",
        r#"{"kind":"ConfigMap","apiVersion":"v1","metadata":{"name":"strict"},"bogus":1}"#,
    ),
    (
        "wrong kind",
        r#"{"kind":"Secret","apiVersion":"v1","metadata":{"name":"wrong"}}"#,
    ),
    (
        "kind list post",
        r#"{"kind":"List","apiVersion":"v1","items":[]}"#,
    ),
];
const POD: &str = r#"{"kind":"Pod","apiVersion":"v1","metadata":{"name":"made-up","uid":"1"}}"#;

/// What else was sent with requests of a label.
const HEADERS: &[(&str, &str, &str)] = &[
    (
        "table",
        "accept",
        "application/json;as=Table;v=v1;g=meta.k8s.io,application/json",
    ),
    (
        "partial",
        "accept",
        "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io",
    ),
    ("protobuf", "accept", "application/vnd.kubernetes.protobuf"),
    ("cbor", "accept", "application/cbor"),
    ("406", "accept", "image/png"),
    ("yaml", "accept", "application/yaml"),
    (
        "xff",
        "x-forwarded-for",
        "203.0.113.7, unknown, 198.51.100.9",
    ),
    ("x-real-ip", "x-real-ip", "203.0.113.8"),
    ("impersonate jane", "impersonate-user", "jane"),
    ("impersonate masters", "impersonate-user", "root"),
    ("impersonate masters", "impersonate-group", "system:masters"),
    (
        "impersonate sa",
        "impersonate-user",
        "system:serviceaccount:dev:ci-bot",
    ),
    ("impersonate uid extra", "impersonate-user", "bob"),
    ("impersonate uid extra", "impersonate-uid", "u-1"),
    ("impersonate uid extra", "impersonate-extra-scopes", "view"),
    ("impersonate group only (err)", "impersonate-group", "x"),
    ("front proxy", "x-remote-user", "fp-user"),
    ("front proxy", "x-remote-group", "system:masters"),
    ("front proxy headers w/o cert", "x-remote-user", "fp-user"),
    (
        "front proxy headers w/o cert",
        "x-remote-group",
        "system:masters",
    ),
];

/// The request, with a body that makes the server record what it recorded here.
pub(super) fn request(
    listed: &Listed,
    everything: &Recording,
    here: &Recording,
) -> Request<Vec<u8>> {
    let full = everything.of(listed);
    let full = *full.last().unwrap();
    let body = body(listed, full, here.of(listed).last().copied());
    let mut request = Request::builder()
        .method(listed.method.as_str())
        .uri(&listed.path);
    let headers = request.headers_mut().unwrap();
    if let Some(id) = &listed.audit_id {
        headers.insert("audit-id", HeaderValue::from_str(id).unwrap());
    }
    if let Some(agent) = user_agent(&full.text("userAgent")) {
        headers.insert("user-agent", agent);
    }
    for (label, name, value) in HEADERS {
        if *label == listed.label {
            let name = HeaderName::from_static(name);
            headers.append(name, HeaderValue::from_static(value));
        }
    }
    for (name, value) in upgrade(&listed.label) {
        headers.insert(
            HeaderName::from_static(name),
            HeaderValue::from_static(value),
        );
    }
    if !body.is_empty() {
        let kind = content_type(listed, &body);
        headers.insert("content-type", HeaderValue::from_static(kind));
    }
    request.body(body).unwrap()
}

/// The bytes that were sent: what the event cannot hold is written otherwise in it.
fn user_agent(recorded: &str) -> Option<HeaderValue> {
    if recorded.is_empty() {
        return None;
    }
    let mut bytes = Vec::new();
    match recorded.strip_suffix("...TRUNCATED") {
        Some(head) => bytes.extend(head.bytes().chain([b'u'; 500])),
        None => {
            for character in recorded.chars() {
                match character {
                    '\u{fffd}' => bytes.push(0xe4),
                    other => bytes.extend(other.to_string().bytes()),
                }
            }
        }
    }
    Some(HeaderValue::from_bytes(&bytes).unwrap())
}

fn body(listed: &Listed, full: &Event, here: Option<&Event>) -> Vec<u8> {
    let made_up = BODIES.iter().find(|(label, _)| *label == listed.label);
    if let Some((_, body)) = made_up {
        return body.as_bytes().to_vec();
    }
    let recorded = here.and_then(|event| event.raw("requestObject"));
    if let Some(body) = recorded {
        return as_sent(body).into_bytes();
    }
    let Some(body) = full.raw("requestObject") else {
        let sends = matches!(listed.method.as_str(), "POST" | "PUT" | "PATCH");
        let connects = upgrade(&listed.label).len() + usize::from(listed.label.contains("proxy"));
        return if sends && connects == 0 {
            POD.into()
        } else {
            Vec::new()
        };
    };
    let chosen = here.map_or(Value::Null, |event| event.get("objectRef"));
    as_sent(&of_this_cluster(body, &chosen)).into_bytes()
}

/// What a client sends: it does not know the server's internal version.
fn as_sent(recorded: &str) -> String {
    recorded.replace("\"meta.k8s.io/__internal\"", "\"v1\"")
}

/// The recorded object of another cluster, with what this one chose.
fn of_this_cluster(body: &str, chosen: &Value) -> String {
    let mut body: Value = serde_json::from_str(body).unwrap();
    for name in ["uid", "resourceVersion"] {
        let slot = body.pointer_mut(&format!("/metadata/{name}"));
        if let (Some(slot), Some(value)) = (slot, chosen.get(name)) {
            *slot = value.clone();
        }
    }
    body.to_string()
}

fn content_type(listed: &Listed, body: &[u8]) -> &'static str {
    match listed.label.as_str() {
        "415" => "text/plain",
        "yaml create" => "application/yaml",
        label if label.starts_with("apply") => "application/apply-patch+yaml",
        _ if listed.method != "PATCH" => "application/json",
        _ if body.starts_with(b"[") => "application/json-patch+json",
        _ => "application/merge-patch+json",
    }
}

/// The headers that ask for another protocol.
fn upgrade(label: &str) -> &'static [(&'static str, &'static str)] {
    match label {
        "exec ws" | "attach ws" => &[
            ("connection", "Upgrade"),
            ("upgrade", "websocket"),
            ("sec-websocket-version", "13"),
            ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
            ("sec-websocket-protocol", "v5.channel.k8s.io"),
        ],
        "exec spdy" | "exec missing pod" | "portforward spdy" => &[
            ("connection", "Upgrade"),
            ("upgrade", "SPDY/3.1"),
            ("x-stream-protocol-version", "v4.channel.k8s.io"),
        ],
        _ => &[],
    }
}

/// What the server answered, as far as it can be known: under this policy, or else under the one that records everything.
pub(super) fn answer(listed: &Listed, everything: &Recording, here: &Recording) -> Scripted {
    let mut events = here.of(listed);
    events.extend(everything.of(listed));
    let object = events.iter().find_map(|event| event.raw("responseObject"));
    let status = events.iter().find_map(|event| event.raw("responseStatus"));
    let status: Value = serde_json::from_str(status.unwrap()).unwrap();
    let spelt = status.get("message").is_some();
    let code = match listed.label.as_str() {
        // The server's own time-out, while its handler went on.
        "client timeout param" => 504,
        _ => status["code"].as_u64().unwrap() as u16,
    };
    let (content_type, body) = match (listed.label.as_str(), object) {
        ("protobuf", _) => (
            "application/vnd.kubernetes.protobuf",
            "k8s\0\n\u{c}".to_owned(),
        ),
        // With a comment it is no JSON any more.
        ("yaml", Some(object)) => ("application/yaml", format!("{object} # YAML\n")),
        ("client timeout param", _) => ("application/json", timed_out()),
        ("cbor" | "406", _) => ("application/json", unacceptable()),
        (_, Some(object)) if !spelt || object.contains("\"kind\":\"Status\"") => {
            ("application/json", with_details(object, &status))
        }
        _ => unrecorded(listed),
    };
    Scripted {
        code,
        content_type,
        body: if listed.method == "HEAD" {
            String::new()
        } else {
            body
        },
        is_watch: events[0].text("verb") == "watch",
    }
}

/// The recorded answer of another cluster; what a `Status` says of an object is known below level RequestResponse, too.
fn with_details(object: &str, status: &Value) -> String {
    let Some(details) = status
        .get("details")
        .filter(|_| status["status"] == "Success")
    else {
        return object.to_owned();
    };
    let mut object: Value = serde_json::from_str(object).unwrap();
    object["details"] = details.clone();
    object.to_string()
}

/// An answer of the script.
#[derive(Clone, Debug)]
pub(super) struct Scripted {
    pub(super) code: u16,
    pub(super) content_type: &'static str,
    pub(super) body: String,
    pub(super) is_watch: bool,
}

fn timed_out() -> String {
    status(
        504,
        "Timeout",
        "Timeout: request did not complete within the allotted timeout",
    )
}

fn unacceptable() -> String {
    let accepted = "application/json, application/yaml, application/vnd.kubernetes.protobuf";
    let message = format!("only the following media types are accepted: {accepted}");
    status(406, "NotAcceptable", &message)
}

fn status(code: u16, reason: &str, message: &str) -> String {
    json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
        "message": message, "reason": reason, "code": code,
    })
    .to_string()
}

/// What servers answer where they record no object.
fn unrecorded(listed: &Listed) -> (&'static str, String) {
    let json = "application/json";
    let path = listed.path.split('?').next().unwrap_or_default();
    match path {
        _ if listed.status == 404 => (
            "text/plain; charset=utf-8",
            "404 page not found\n".to_owned(),
        ),
        _ if listed.path.contains("watch") => (json, watched()),
        "/" => (
            json,
            r#"{"paths":["/.well-known/openid-configuration","/api"]}"#.to_owned(),
        ),
        "/version" | "/version/" => (json, r#"{"major":"1","minor":"36"}"#.to_owned()),
        _ if path.starts_with("/openapi") => (json, r#"{"swagger":"2.0","paths":{}}"#.to_owned()),
        _ => ("text/plain; charset=utf-8", "ok".to_owned()),
    }
}

fn watched() -> String {
    let event =
        r#"{"type":"ADDED","object":{"kind":"Pod","apiVersion":"v1","metadata":{"name":"a"}}}"#;
    format!("{event}\n{event}\n")
}
