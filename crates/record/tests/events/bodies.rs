//! Which bodies stand in an event, and what of them (spec 6.5, 6.6).

use http::HeaderMap;
use kubevigil_record::auditor::Audit;
use kubevigil_record::event::AuditEvent;
use kubevigil_record::request::RequestHead;

use crate::stages::{EXEC, POD, PODS, WATCH, at, events, policy, user};

const CREATED: &str =
    r#"{"kind":"Pod","apiVersion":"v1","metadata":{"name":"web","uid":"u1","managedFields":[{}]}}"#;

/// Which bodies an event has: `request`, `response`.
fn bodies(event: &AuditEvent) -> String {
    let mut found = Vec::new();
    found.extend(event.request_object.as_ref().map(|_| "request"));
    found.extend(event.response_object.as_ref().map(|_| "response"));
    found.join(" ")
}

#[test]
fn levels_decide_about_bodies() {
    let cases = [
        ("Metadata", "POST", PODS, ""),
        ("Request", "POST", PODS, "request"),
        ("RequestResponse", "POST", PODS, "request response"),
        ("RequestResponse", "PATCH", POD, "request response"),
        ("RequestResponse", "DELETE", POD, "request response"),
        ("RequestResponse", "GET", POD, "response"),
        ("RequestResponse", "POST", EXEC, ""),
        ("RequestResponse", "GET", WATCH, ""),
        ("RequestResponse", "POST", "/version", "response"),
    ];
    for (level, method, target, expected) in cases {
        let steps = [
            &format!("body={CREATED}"),
            "start=201",
            &format!("answer={CREATED}"),
            "complete",
        ];
        let rules = format!("rules: [{{level: {level}}}]");
        let found = events(&rules, method, target, Some("jane"), &steps);
        assert_eq!(
            bodies(found.last().unwrap()),
            expected,
            "{level} {method} {target}"
        );
        assert_eq!(
            bodies(&found[0]),
            "",
            "nothing has been read at its arrival"
        );
    }
}

#[test]
fn a_created_object_names_itself_also_at_level_metadata() {
    let steps = [&format!("body={CREATED}"), "start=201", "complete"];
    let found = events(
        "rules: [{level: Metadata}]",
        "POST",
        PODS,
        Some("jane"),
        &steps,
    );
    let names: Vec<_> = found
        .iter()
        .map(|event| event.object_ref.as_ref().unwrap())
        .map(|object| {
            (
                object.name.as_str(),
                object.uid.as_str(),
                object.namespace.as_str(),
            )
        })
        .collect();
    assert_eq!(names, [("", "", "dev"), ("web", "u1", "dev")]);
}

/// Whether a body is recorded: method, code, message of the `Status` (none: plain text), its details.
const REFUSALS: &[(&str, u16, Option<&str>, &str, bool)] = &[
    ("POST", 201, Some(""), "{}", true),
    ("POST", 401, Some("Unauthorized"), "{}", false),
    // The authorizer, and admission; the last quotes what an attacker wrote.
    (
        "POST",
        403,
        Some(r#"pods is forbidden: User "jane" cannot create resource "pods""#),
        "{}",
        false,
    ),
    (
        "POST",
        403,
        Some(r#"forbidden: User "jane" cannot post path "/version""#),
        "{}",
        false,
    ),
    (
        "POST",
        403,
        Some(r#"pods "web" is forbidden: exceeded quota"#),
        "{}",
        true,
    ),
    (
        "POST",
        403,
        Some(r#"pods "web" is forbidden: label forbidden: User "a" cannot b"#),
        "{}",
        true,
    ),
    ("POST", 403, None, "{}", false),
    // What is not served, and what is not there.
    (
        "POST",
        404,
        Some("the server could not find the requested resource"),
        "{}",
        false,
    ),
    (
        "POST",
        404,
        Some(r#"namespaces "dev" not found"#),
        r#"{"name":"dev"}"#,
        true,
    ),
    ("POST", 404, None, "{}", false),
    (
        "POST",
        405,
        Some("the server does not allow this method"),
        "{}",
        false,
    ),
    // Filters, the decoder, and what comes behind it.
    ("POST", 400, None, "{}", false),
    (
        "POST",
        400,
        Some("invalid timeout specified in the request URL - time: invalid duration"),
        "{}",
        false,
    ),
    (
        "POST",
        400,
        Some(r#"requested &user.DefaultInfo{Name:""} without impersonating a user name"#),
        "{}",
        false,
    ),
    (
        "POST",
        400,
        Some(
            "the object provided is unrecognized (must be of type Pod): couldn't get version/kind",
        ),
        "{}",
        false,
    ),
    (
        "POST",
        400,
        Some(r#"Secret in version "v1" cannot be handled as a Pod: converting"#),
        "{}",
        false,
    ),
    (
        "POST",
        400,
        Some("the API version in the data (v1) does not match the expected API version (apps/v1)"),
        "{}",
        false,
    ),
    ("PUT", 400, Some("name must be provided"), "{}", false),
    (
        "DELETE",
        400,
        Some(r#"no kind "Nope" is registered for version "v1" in scheme "register.go:27""#),
        "{}",
        false,
    ),
    (
        "PATCH",
        400,
        Some(r#"Pod in version "v1" cannot be handled as a Pod: strict decoding error"#),
        "{}",
        true,
    ),
    (
        "PUT",
        400,
        Some("the name of the object (a) does not match the name on the URL (b)"),
        "{}",
        true,
    ),
    (
        "POST",
        400,
        Some(
            r#"admission webhook "w" denied the request: Pod in version "v1" cannot be handled as a Pod: no"#,
        ),
        "{}",
        true,
    ),
    ("POST", 409, Some("already exists"), "{}", true),
    ("POST", 413, Some("too large"), "{}", false),
    ("POST", 415, Some("yaml?"), "{}", false),
    ("POST", 422, Some("invalid"), r#"{"kind":"Pod"}"#, true),
    (
        "POST",
        422,
        Some("invalid"),
        r#"{"kind":"CreateOptions"}"#,
        false,
    ),
    // Flow control answers in plain text, an eviction that has to wait does not.
    ("POST", 429, None, "{}", false),
    (
        "POST",
        429,
        Some("Cannot evict pod as it would violate the pod's disruption budget."),
        "{}",
        true,
    ),
    ("POST", 500, None, "{}", false),
    ("POST", 502, None, "{}", true),
    ("POST", 504, None, "{}", true),
    (
        "POST",
        500,
        Some("Internal error occurred: failed calling webhook"),
        "{}",
        true,
    ),
];

#[test]
fn bodies_that_the_server_never_decoded_are_left_out() {
    for &(method, code, message, details, recorded) in REFUSALS {
        let message = message.map(|message| message.replace('"', "\\\""));
        let answer = message.map_or("Too many requests".to_owned(), |message| {
            format!(
                r#"{{"kind":"Status","apiVersion":"v1","message":"{message}","details":{details}}}"#
            )
        });
        let steps = [
            &format!("body={CREATED}"),
            &format!("start={code}"),
            &format!("answer={answer}"),
            "complete",
        ];
        let target = if method == "POST" { PODS } else { POD };
        let found = events(
            "rules: [{level: Request}]",
            method,
            target,
            Some("jane"),
            &steps,
        );
        let expected = if recorded { "request" } else { "" };
        assert_eq!(
            bodies(found.last().unwrap()),
            expected,
            "{method} {code} {answer}"
        );
    }
}

#[test]
fn a_pod_behind_proxy_says_nothing_in_the_servers_name() {
    let fine = r#"{"kind":"Status","apiVersion":"v1","status":"Success","message":"all fine"}"#;
    let refusal = r#"{"kind":"Status","apiVersion":"v1","status":"Failure","reason":"NotFound"}"#;
    let proxied = format!("{POD}/proxy/x");
    let cases = [
        (proxied.as_str(), fine, ""),
        (proxied.as_str(), CREATED, ""),
        (proxied.as_str(), refusal, "response"),
        (POD, fine, "response"),
    ];
    for (target, answer, expected) in cases {
        let steps = ["start=500", &format!("answer={answer}"), "complete"];
        let rules = "rules: [{level: RequestResponse}]";
        let found = events(rules, "GET", target, Some("jane"), &steps);
        let last = found.last().unwrap();
        assert_eq!(bodies(last), expected, "{target} {answer}");
        let status = last.response_status.as_ref().unwrap();
        assert_eq!(status.code, 500);
        assert_eq!(status.status.is_empty(), expected.is_empty(), "{answer}");
    }
}

#[test]
fn managed_fields_are_left_out_of_objects_and_not_of_patches() {
    for (method, target, kept) in [("POST", PODS, false), ("PATCH", POD, true)] {
        let steps = [
            &format!("body={CREATED}"),
            "start=200",
            &format!("answer={CREATED}"),
            "complete",
        ];
        let rules = "omitManagedFields: true\nrules: [{level: RequestResponse}]";
        let found = events(rules, method, target, Some("jane"), &steps);
        let event = found.last().unwrap();
        let has = |body: &Option<bytes::Bytes>| {
            String::from_utf8_lossy(body.as_ref().unwrap()).contains("managedFields")
        };
        assert_eq!(
            (has(&event.request_object), has(&event.response_object)),
            (kept, false)
        );
    }
}

#[test]
fn what_is_no_json_is_left_out() {
    let steps = [
        "body=apiVersion: v1",
        "start=200",
        "answer=404 page not found",
        "complete",
    ];
    let found = events(
        "rules: [{level: RequestResponse}]",
        "PATCH",
        POD,
        Some("jane"),
        &steps,
    );
    assert_eq!(bodies(found.last().unwrap()), "");
}

#[test]
fn no_more_of_a_body_is_wanted_than_the_level_needs() {
    // Level, method, target, code, bytes of the request, bytes of the answer.
    const ALL: usize = usize::MAX;
    let cases = [
        ("Metadata", "GET", POD, 200, 0, 0),
        ("Metadata", "GET", POD, 404, 0, 1 << 20),
        ("Metadata", "POST", PODS, 201, 3 << 20, 16 << 10),
        ("Metadata", "PATCH", POD, 200, 0, 16 << 10),
        ("Request", "PATCH", POD, 200, 3 << 20, 16 << 10),
        ("RequestResponse", "GET", POD, 200, 0, ALL),
        ("RequestResponse", "GET", WATCH, 200, 0, 0),
        ("RequestResponse", "POST", EXEC, 101, 0, 0),
        ("RequestResponse", "POST", EXEC, 403, 0, ALL),
        ("Metadata", "POST", "/version", 200, 0, 16 << 10),
    ];
    for (level, method, target, code, request, response) in cases {
        let mut head = RequestHead::read(method, target, &HeaderMap::new(), None).unwrap();
        head.user = Some(user("jane"));
        let rules = format!("rules: [{{level: {level}}}]");
        let mut audit = Audit::begin(&policy(&rules), head, at(0)).unwrap();
        assert_eq!(
            audit.request_body_limit(),
            request,
            "{level} {method} {target}"
        );
        audit.response_started(code, at(1));
        assert_eq!(
            audit.response_body_limit(),
            response,
            "{level} {method} {target} {code}"
        );
    }
}
