//! Which events a request leaves that goes through the layer (spec 6.3).

use std::io;
use std::sync::Arc;

use http::{Request, Response};
use http_body_util::BodyExt as _;
use kubevigil_audit::policy::PolicyLevel;
use kubevigil_record::auditing::Auditing;
use kubevigil_record::layer::{AuditedRequestBody, Caller, Hold, Recording};
use tower::{ServiceExt as _, service_fn};

use crate::rig::*;

/// What is asked by whom, what the service does, which events there are, and how it looks to the client.
///
/// A service answers with a code; its body holds, fails, panics or hangs. Or it panics, fails or hangs at once.
const STAGES: &str = "
    short, answers           | GET pod   | 200             | RR RC(200)         | 200 whole
    short, empty             | GET pod   | 204             | RR RC(204)         | 204 whole
    short, refused           | GET pod   | 403             | RR RC(403)         | 403 whole
    short, never answers     | GET pod   | hang            | RR RC(0)           | gone
    short, half an answer    | GET pod   | 200 data hang   | RR RC(200)         | gone
    short, breaks before     | GET pod   | panic           | RR P(500)          | panic
    short, breaks after      | GET pod   | 200 data panic  | RR P(500)          | panic
    short, fails             | GET pod   | fail            | RR P(500)          | fail
    short, aborts            | GET pod   | 200 data fail   | RR P(500)          | 200 broken
    short, says it broke     | GET pod   | says 200 data   | RR P(500)          | 200 whole
    long, answers            | GET watch | 200 data        | RR RS(200) RC(200) | 200 whole
    long, for ever           | GET watch | 200 data hang   | RR RS(200) RC(200) | gone
    long, refused            | POST exec | 403             | RR RS(403) RC(403) | 403 whole
    long, never answers      | GET watch | hang            | RR RC(0)           | gone
    long, breaks before      | GET watch | panic           | RR P(500)          | panic
    long, breaks after       | GET watch | 200 data panic  | RR RS(200) P(500)  | panic
    long, refused, aborts    | POST exec | 403 data fail   | RR RS(403) P(500)  | 403 broken
    upgrade                  | POST exec | 101             | RR RS(101) RC(101) | 101 whole
    upgrade, held            | POST exec | hold 101        | RR RS(101) RC(101) | 101 whole
    upgrade, breaks          | POST exec | hold says 101   | RR RS(101) P(500)  | 101 whole
    no resource              | GET health | 200 data       | RR RC(200)         | 200 whole
    nobody                   | GET pod nobody   | 401      | RS(401)            | 401 whole
    nobody, never answers    | GET pod nobody   | hang     | RS(0)              | gone
    nobody, long             | GET watch nobody | 401      | RS(401)            | 401 whole
    nobody, bad parameter    | GET pod nobody   | 400 data | RS(400)            | 400 whole
    nobody, aborts           | GET pod nobody   | 401 data fail | RS(401)       | 401 broken
";

/// Does what the words say; a hold is given out, so that it can outlive the request.
async fn service(
    words: String,
    request: Request<AuditedRequestBody<Script>>,
    holds: tokio::sync::mpsc::UnboundedSender<Hold>,
) -> io::Result<Response<Script>> {
    let mut code = 200;
    let mut steps = Vec::new();
    let mut has_answer = false;
    let recording = request.extensions().get::<Recording>().unwrap().clone();
    for word in words.split(' ') {
        match word {
            "panic" if !has_answer => panic!("at once"),
            "fail" if !has_answer => return Err(io::Error::other("at once")),
            "hang" if !has_answer => std::future::pending::<()>().await,
            "says" => recording.panicked("it broke"),
            "hold" => holds.send(recording.hold()).unwrap(),
            "panic" => steps.push(Step::Panic),
            "fail" => steps.push(Step::Fail),
            "hang" => steps.push(Step::Hang),
            "data" => steps.push(data("a word")),
            number => {
                code = number.parse().unwrap();
                has_answer = true;
            }
        }
    }
    Ok(answer(code, Script::new(steps)))
}

fn asked(words: &str) -> Request<Script> {
    let mut words = words.split(' ');
    let method = words.next().unwrap();
    let target = match words.next().unwrap() {
        "pod" => POD,
        "watch" => WATCH,
        "exec" => EXEC,
        "health" => "/healthz",
        other => panic!("no such target: {other}"),
    };
    let mut request = request(method, target, Script::default());
    if words.next() == Some("nobody") {
        let (status, message) = (401, "Authentication failed".to_owned());
        request
            .extensions_mut()
            .insert(Caller::Refused { status, message });
    }
    request
}

/// Sends a request and reads the answer; how that ended.
async fn sent(notes: &Arc<Notes>, rules: &str, target: &str, does: &'static str) -> String {
    sent_to(&auditing(rules, notes), notes, target, does).await
}

async fn sent_to(
    auditing: &Arc<Auditing>,
    notes: &Notes,
    target: &str,
    does: &'static str,
) -> String {
    let (holds, mut held) = tokio::sync::mpsc::unbounded_channel();
    let words = does.to_owned();
    let service = service_fn(move |request| service(words.clone(), request, holds.clone()));
    let asking = audited(auditing, service).oneshot(asked(target));
    let client = tokio::spawn(async move {
        let Ok(answer) = asking.await else {
            return "fail".to_owned();
        };
        let code = answer.status().as_u16();
        let read = answer.into_body().collect().await;
        format!("{code} {}", if read.is_ok() { "whole" } else { "broken" })
    });
    let abort = client.abort_handle();
    let patience = async {
        if does.contains("hang") {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
            abort.abort();
        }
    };
    let (ended, ()) = tokio::join!(client, patience);
    while let Some(hold) = held.recv().await {
        assert!(!notes.summary().contains("RC"), "it is held: {does}");
        drop(hold);
    }
    auditing.drain().await;
    assert!(*notes.is_shut.borrow());
    match ended {
        Ok(ended) => ended,
        Err(error) if error.is_panic() => "panic".to_owned(),
        Err(_) => "gone".to_owned(),
    }
}

#[tokio::test]
async fn every_kind_of_request_leaves_the_stages_of_the_server() {
    for line in STAGES.trim().lines() {
        let cells: Vec<&'static str> = line.split('|').map(str::trim).collect();
        let [name, target, does, expected, looks] = cells[..] else {
            panic!("five cells are needed: {line}");
        };
        let notes = Arc::new(Notes::new());
        let ended = sent(&notes, METADATA, target, does).await;
        assert_eq!(notes.summary(), expected, "{name}");
        assert_eq!(ended, looks, "{name}");
    }
}

#[tokio::test]
async fn a_panic_says_what_it_was_and_goes_on() {
    for (does, expected) in [
        ("panic", "APIServer panic'd: at once"),
        ("200 data panic", "APIServer panic'd: in the body"),
        ("fail", "APIServer panic'd: net/http: abort Handler"),
        ("says 200 data fail", "APIServer panic'd: it broke"),
    ] {
        let notes = Arc::new(Notes::new());
        sent(&notes, METADATA, "GET pod", does).await;
        let events = notes.events();
        let status = events[1].response_status.clone().unwrap();
        assert_eq!(status.message, expected, "{does}");
    }
}

#[tokio::test]
async fn a_request_that_no_rule_wants_leaves_nothing_but_a_count() {
    let notes = Arc::new(Notes::new());
    let auditing = auditing("rules: [{level: None}]", &notes);
    let service = service_fn(async |request: Request<AuditedRequestBody<Script>>| {
        assert!(request.extensions().get::<Recording>().is_none());
        let sent = read(request).await?;
        Ok::<_, io::Error>(answer(200, Script::knowing([Step::Data(sent)])))
    });
    let request = request("POST", PODS, Script::new([data("{}")]));
    let answer = audited(&auditing, service).oneshot(request).await.unwrap();
    assert_eq!(answer.headers()["audit-id"].len(), 36);
    let body = answer.into_body().collect().await.unwrap().to_bytes();
    assert_eq!((&body[..], notes.summary().as_str()), (&b"{}"[..], ""));
    assert_eq!(auditing.counters().requests_at(PolicyLevel::None), 1);
    assert_eq!(auditing.counters().events(), 0);
}

#[tokio::test]
async fn omitted_stages_are_missing_and_the_others_are_not() {
    let cases = [
        ("[RequestReceived]", "hold 101", "RS(101) RC(101)"),
        ("[ResponseStarted]", "hold 101", "RR RC(101)"),
        ("[ResponseComplete]", "hold 101", "RR RS(101)"),
        ("[Panic]", "200 data panic", "RR RS(200)"),
        (
            "[RequestReceived, ResponseStarted, ResponseComplete]",
            "101",
            "",
        ),
    ];
    for (stages, does, expected) in cases {
        let rules = format!("rules: [{{level: Metadata, omitStages: {stages}}}]");
        let notes = Arc::new(Notes::new());
        sent(&notes, &rules, "POST exec", does).await;
        assert_eq!(notes.summary(), expected, "{stages}");
    }
}

#[tokio::test]
async fn a_request_whose_first_event_is_refused_never_reaches_the_service() {
    let notes = Arc::new(Notes::refusing("RequestReceived", false));
    let auditing = auditing(METADATA, &notes);
    let service = service_fn(
        async |_: Request<AuditedRequestBody<Script>>| -> io::Result<Response<Script>> {
            panic!("it must not be asked")
        },
    );
    let answer = audited(&auditing, service)
        .oneshot(asked("GET pod"))
        .await
        .unwrap();
    assert_eq!(answer.status(), 500);
    assert!(answer.headers().contains_key("audit-id"));
    let text = answer.into_body().collect().await.unwrap().to_bytes();
    assert!(text.ends_with(b"failed to store audit event\n"));
    auditing.drain().await;
    assert_eq!(notes.summary(), "");
    let counters = auditing.counters();
    assert_eq!((counters.requests_rejected(), counters.events()), (1, 1));
}

#[tokio::test]
async fn a_later_event_that_is_refused_is_only_counted_unless_all_must_be_kept() {
    let cases = [
        (
            "ResponseComplete",
            false,
            "GET pod",
            "200 data",
            "200 whole",
            0,
        ),
        (
            "ResponseComplete",
            true,
            "GET pod",
            "200 data",
            "200 broken",
            1,
        ),
        ("ResponseComplete", true, "GET pod", "200", "200 broken", 1),
        ("ResponseComplete", true, "GET pod", "204", "500 whole", 1),
        (
            "ResponseStarted",
            false,
            "GET watch",
            "200 data",
            "200 whole",
            0,
        ),
        (
            "ResponseStarted",
            true,
            "GET watch",
            "200 data",
            "500 whole",
            1,
        ),
        (
            "ResponseStarted",
            true,
            "GET watch",
            "403 data",
            "403 broken",
            1,
        ),
        ("Panic", true, "GET watch", "200 data fail", "200 broken", 0),
    ];
    for (stage, must_keep, target, does, expected, broken_off) in cases {
        let notes = Arc::new(Notes::refusing(stage, must_keep));
        let auditing = auditing(METADATA, &notes);
        let found = sent_to(&auditing, &notes, target, does).await;
        assert_eq!(found, expected, "{stage} {does} {must_keep}");
        let counted = auditing.counters().answers_broken_off();
        assert_eq!(counted, broken_off, "{stage} {does} {must_keep}");
    }
}

#[tokio::test]
async fn what_cannot_be_understood_leaves_no_event() {
    let notes = Arc::new(Notes::new());
    let auditing = auditing(METADATA, &notes);
    for (target, code) in [("/api/v1/watch", 500), ("/api/v1/%zz", 400)] {
        let service = service_fn(
            async |_: Request<AuditedRequestBody<Script>>| -> io::Result<Response<Script>> {
                panic!("it must not be asked")
            },
        );
        let request = request("GET", target, Script::default());
        let answer = audited(&auditing, service).oneshot(request).await.unwrap();
        assert_eq!(answer.status(), code, "{target}");
        assert!(answer.headers().contains_key("audit-id"), "{target}");
    }
    assert_eq!(notes.summary(), "");
}
