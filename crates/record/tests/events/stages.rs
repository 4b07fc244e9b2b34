//! Which events a request leaves, and how it says that it ended (spec 6.3, 2.5).

use http::HeaderMap;
use kubevigil_audit::policy::{Policy, PolicyFile};
use kubevigil_audit::time::Timestamp;
use kubevigil_record::auditor::Audit;
use kubevigil_record::encode::json_line;
use kubevigil_record::event::{AuditEvent, UserInfo};
use kubevigil_record::request::RequestHead;
use proptest::prelude::*;

pub(crate) const POD: &str = "/api/v1/namespaces/dev/pods/web";
pub(crate) const PODS: &str = "/api/v1/namespaces/dev/pods";
pub(crate) const EXEC: &str = "/api/v1/namespaces/dev/pods/web/exec?command=id";
pub(crate) const WATCH: &str = "/api/v1/pods?watch=1";

pub(crate) fn policy(rules: &str) -> Policy {
    let text = format!("apiVersion: audit.k8s.io/v1\nkind: Policy\n{rules}\n");
    let file = PolicyFile::read("policy.yaml", &text);
    assert!(file.diagnostics.is_empty(), "{:?}", file.diagnostics);
    file.policy.unwrap()
}

pub(crate) fn at(milliseconds: i128) -> Timestamp {
    Timestamp {
        nanoseconds: milliseconds * 1_000_000,
    }
}

pub(crate) fn user(name: &str) -> UserInfo {
    UserInfo {
        username: name.to_owned(),
        ..UserInfo::default()
    }
}

/// What happens to a request, one word each: `start=CODE`, `body=JSON`, `answer=JSON`, `complete`, `panic`.
pub(crate) fn events(
    rules: &str,
    method: &str,
    target: &str,
    name: Option<&str>,
    steps: &[&str],
) -> Vec<AuditEvent> {
    let mut head = RequestHead::read(method, target, &HeaderMap::new(), None).unwrap();
    head.user = name.map(user);
    let Some(mut audit) = Audit::begin(&policy(rules), head, at(0)) else {
        return Vec::new();
    };
    let mut events: Vec<AuditEvent> = audit.received().into_iter().collect();
    for (number, step) in steps.iter().enumerate() {
        let now = at(1 + number as i128);
        match step.split_once('=').unwrap_or((step, "")) {
            ("start", code) => events.extend(audit.response_started(code.parse().unwrap(), now)),
            ("body", body) => audit.request_body(body.as_bytes()),
            ("answer", body) => audit.response_body(body.as_bytes()),
            ("complete", _) => {
                events.extend(audit.complete(now));
                return events;
            }
            ("panic", message) => {
                events.extend(audit.panicked(message, now));
                return events;
            }
            (other, _) => panic!("no such step: {other}"),
        }
    }
    events
}

/// `RR RS(101) RC(101)`
fn summary(events: &[AuditEvent]) -> String {
    let words = events.iter().map(|event| {
        let stage: String = event
            .stage
            .as_str()
            .chars()
            .filter(char::is_ascii_uppercase)
            .collect();
        match &event.response_status {
            Some(status) => format!("{stage}({})", status.code),
            None => stage,
        }
    });
    words.collect::<Vec<_>>().join(" ")
}

const FORBIDDEN: &str = r#"answer={"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message":"pods \"web\" is forbidden: User \"jane\" cannot create resource \"pods/exec\"","reason":"Forbidden","details":{"name":"web","kind":"pods"},"code":403}"#;

/// What the request is like, what is asked, what happens, what is left.
const STAGES: &str = "
    short, answers        | GET pod   | start=200 complete            | RR RC(200)
    short, never answers  | GET pod   | complete                      | RR RC(200)
    short, breaks before  | GET pod   | panic=boom                    | RR P(500)
    short, breaks after   | GET pod   | start=200 panic=boom          | RR P(500)
    short, refused        | GET pod   | start=403 forbidden complete  | RR RC(403)
    short, second code    | GET pod   | start=200 start=500 complete  | RR RC(200)
    long, answers         | GET watch | start=200 complete            | RR RS(200) RC(200)
    long, refused         | POST exec | start=403 forbidden complete  | RR RS(403) RC(403)
    long, never answers   | GET watch | complete                      | RR RS(200) RC(200)
    long, breaks before   | GET watch | panic=boom                    | RR P(500)
    long, breaks after    | GET watch | start=200 panic=boom          | RR RS(200) P(500)
    long, refused, breaks | GET watch | start=403 panic=boom          | RR RS(403) P(500)
    upgrade               | POST exec | start=101 complete            | RR RS(101) RC(101)
    no resource           | GET health | start=200 complete           | RR RC(200)
    profile               | GET pprof | start=200 complete            | RR RS(200) RC(200)
";

fn target(name: &str) -> &'static str {
    match name {
        "pod" => POD,
        "exec" => EXEC,
        "watch" => WATCH,
        "health" => "/healthz",
        "pprof" => "/debug/pprof/heap",
        _ => panic!("no such target: {name}"),
    }
}

#[test]
fn every_kind_of_request_leaves_the_stages_of_the_server() {
    for line in STAGES.trim().lines() {
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        let [name, request, steps, expected] = cells[..] else {
            panic!("four cells are needed: {line}");
        };
        let (method, asked) = request.split_once(' ').unwrap();
        let steps: Vec<&str> = steps
            .split(' ')
            .map(|step| if step == "forbidden" { FORBIDDEN } else { step })
            .collect();
        let rules = "rules: [{level: Metadata}]";
        let found = events(rules, method, target(asked), Some("jane"), &steps);
        assert_eq!(summary(&found), expected, "{name}");
    }
}

#[test]
fn refused_credentials_leave_one_event() {
    for target in [POD, EXEC, WATCH] {
        let steps = [
            "start=401",
            r#"answer={"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message":"Unauthorized","reason":"Unauthorized","code":401}"#,
            "complete",
        ];
        let found = events("rules: [{level: Metadata}]", "GET", target, None, &steps);
        assert_eq!(summary(&found), "RS(401)", "{target}");
        let status = found[0].response_status.clone().unwrap();
        assert_eq!(
            (status.status.as_str(), status.message.as_str()),
            ("Failure", "Unauthorized")
        );
        assert_eq!(found[0].stage_time, Some(at(1)), "the time of the header");
    }
}

#[test]
fn omitted_stages_are_missing_and_the_others_are_not() {
    let cases = [
        ("[RequestReceived]", "RS(101) RC(101)"),
        ("[ResponseStarted]", "RR RC(101)"),
        ("[ResponseComplete]", "RR RS(101)"),
        (
            "[RequestReceived, ResponseStarted, ResponseComplete, Panic]",
            "",
        ),
    ];
    for (stages, expected) in cases {
        let rules = format!("rules: [{{level: Metadata, omitStages: {stages}}}]");
        let found = events(
            &rules,
            "POST",
            EXEC,
            Some("jane"),
            &["start=101", "complete"],
        );
        assert_eq!(summary(&found), expected, "{stages}");
    }
    let found = events(
        "rules: [{level: None}]",
        "GET",
        POD,
        Some("jane"),
        &["start=200", "complete"],
    );
    assert!(found.is_empty());
}

#[test]
fn a_connection_without_an_answer_and_a_panic_say_so() {
    let rules = "rules: [{level: Metadata}]";
    let cases = [
        (
            "complete",
            r#""responseStatus":{"metadata":{},"status":"Success","message":"Connection closed early","code":200}"#,
        ),
        (
            "panic=upstream reset",
            r#""responseStatus":{"metadata":{},"status":"Failure","message":"APIServer panic'd: upstream reset","reason":"InternalError","code":500}"#,
        ),
    ];
    for (step, expected) in cases {
        let found = events(rules, "GET", POD, Some("jane"), &[step]);
        let line = String::from_utf8(json_line(found.last().unwrap()).unwrap()).unwrap();
        assert!(line.contains(expected), "{line}");
    }
}

#[test]
fn a_status_tells_how_it_ended_at_every_level_and_in_every_stage() {
    let found = events(
        "rules: [{level: Metadata}]",
        "POST",
        EXEC,
        Some("jane"),
        &["start=403", FORBIDDEN, "complete"],
    );
    for event in &found[1..] {
        let status = event.response_status.as_ref().unwrap();
        assert_eq!(status.reason, "Forbidden");
        assert_eq!(
            status.details.as_deref(),
            Some(br#"{"name":"web","kind":"pods"}"#.as_slice())
        );
        assert_eq!(event.response_object, None);
    }
}

proptest! {
    /// Whatever happens in whichever order, each stage comes once at most, in the order of the stages, and an end comes always.
    #[test]
    fn stages_come_once_and_in_order(
        request in prop::sample::select(vec![("GET", POD), ("POST", EXEC), ("GET", WATCH), ("GET", "/healthz")]),
        is_known in any::<bool>(),
        steps in prop::collection::vec(
            prop::sample::select(vec!["start=101", "start=200", "start=403", "body={}", "answer={", FORBIDDEN]),
            0..6,
        ),
        end in prop::sample::select(vec!["complete", "panic=boom"]),
    ) {
        let steps: Vec<&str> = steps.into_iter().chain([end]).collect();
        let name = is_known.then_some("jane");
        let found = events("rules: [{level: RequestResponse}]", request.0, request.1, name, &steps);
        let order = ["RequestReceived", "ResponseStarted", "ResponseComplete", "Panic"];
        let places: Vec<usize> = found
            .iter()
            .map(|event| order.iter().position(|stage| *stage == event.stage.as_str()).unwrap())
            .collect();
        prop_assert!(places.is_sorted_by(|one, next| one < next), "{}", summary(&found));
        prop_assert!(found.iter().all(|event| json_line(event).is_ok()));
        if is_known {
            let last = if end == "complete" { 2 } else { 3 };
            prop_assert_eq!(places.last(), Some(&last));
        } else {
            prop_assert_eq!(places, vec![1], "one event, and of the header");
        }
    }
}
