//! Who asks under which id, as whom, and by which policy that is judged.

use std::io;
use std::net::IpAddr;
use std::sync::Arc;

use http::{HeaderMap, HeaderValue, Request};
use http_body_util::BodyExt as _;
use kubevigil_audit::event::Stage;
use kubevigil_audit::policy::PolicyLevel;
use kubevigil_audit::time::Timestamp;
use kubevigil_record::auditing::Auditing;
use kubevigil_record::event::{AuditEvent, UserInfo};
use kubevigil_record::layer::{Arrived, AuditedRequestBody, Caller, Hold, PeerAddress, Recording};
use kubevigil_record::request::RequestHead;
use tower::{ServiceExt as _, service_fn};

use crate::rig::*;

/// Sends a request to a service that answers everything with 200 and an id of its own; the id of the answer.
async fn id_of(auditing: &Arc<Auditing>, request: Request<Script>) -> Option<HeaderValue> {
    let service = service_fn(async |_: Request<AuditedRequestBody<Script>>| {
        let mut answer = answer(200, Script::knowing([]));
        answer
            .headers_mut()
            .append("audit-id", "theirs".parse().unwrap());
        Ok::<_, io::Error>(answer)
    });
    let answer = audited(auditing, service).oneshot(request).await.unwrap();
    let ids: Vec<_> = answer.headers().get_all("audit-id").iter().collect();
    assert!(ids.len() <= 1);
    ids.first().map(|id| (*id).clone())
}

#[tokio::test]
async fn the_audit_id_is_the_clients_byte_for_byte() {
    let long = "x".repeat(5_000);
    let cases: [(&[u8], &str); 4] = [
        (b"my-id", "my-id"),
        (b"a b;\tc=\"d\"", "a b;\tc=\"d\""),
        (b"caf\xe9", "caf\u{fffd}"),
        (long.as_bytes(), &long),
    ];
    for (sent, in_event) in cases {
        let notes = Arc::new(Notes::new());
        let mut request = request("GET", POD, Script::default());
        let value = HeaderValue::from_bytes(sent).unwrap();
        request.headers_mut().insert("audit-id", value.clone());
        let found = id_of(&auditing(METADATA, &notes), request).await;
        assert_eq!(found, Some(value));
        assert!(
            notes
                .events()
                .iter()
                .all(|event| event.audit_id == in_event)
        );
    }
}

#[tokio::test]
async fn without_one_every_request_gets_a_random_uuid() {
    for rules in [METADATA, "rules: [{level: None}]"] {
        let notes = Arc::new(Notes::new());
        let auditing = auditing(rules, &notes);
        let mut found = Vec::new();
        for is_empty in [false, true] {
            let mut request = request("GET", POD, Script::default());
            if is_empty {
                request
                    .headers_mut()
                    .insert("audit-id", HeaderValue::from_static(""));
            }
            let id = id_of(&auditing, request).await.unwrap();
            let uuid = uuid::Uuid::try_parse(id.to_str().unwrap()).unwrap();
            assert_eq!(uuid.get_version_num(), 4);
            found.push(uuid.to_string());
        }
        assert_ne!(found[0], found[1]);
        let events = notes.events();
        let pairs = events.chunks(2).zip(&found);
        for (pair, id) in pairs {
            assert!(pair.iter().all(|event| event.audit_id == *id));
        }
    }
}

#[tokio::test]
async fn what_an_outer_service_read_is_taken_as_it_is() {
    let notes = Arc::new(Notes::new());
    let at = Timestamp { nanoseconds: 1_000 };
    let mut head = RequestHead::read("GET", "/outer", &HeaderMap::new(), None).unwrap();
    head.audit_id = "outer".to_owned();
    let mut request = request("GET", POD, Script::default());
    request.extensions_mut().insert(Arrived { head, at });
    let found = id_of(&auditing(METADATA, &notes), request).await;
    assert_eq!(found.unwrap(), "theirs", "the outer service sets it");
    let first = notes.events()[0].clone();
    let expected = ("outer", "/outer", Some(at), "jane");
    let name = first.user.username.as_str();
    let found = (
        first.audit_id.as_str(),
        first.request_uri.as_str(),
        first.request_received,
        name,
    );
    assert_eq!(found, expected);
}

#[tokio::test]
async fn nobody_in_particular_is_anonymous_and_comes_from_the_peer() {
    let notes = Arc::new(Notes::new());
    let mut request = request("GET", POD, Script::default());
    request.extensions_mut().remove::<Caller>();
    let peer: IpAddr = "10.0.0.9".parse().unwrap();
    request.extensions_mut().insert(PeerAddress(peer));
    id_of(&auditing(METADATA, &notes), request).await;
    let first = notes.events()[0].clone();
    assert_eq!(first.user.username, "system:anonymous");
    assert_eq!(first.user.groups, ["system:unauthenticated"]);
    assert_eq!(first.source_ips, ["10.0.0.9"]);
}

/// Sends a request that wants to be bob; the last event.
async fn impersonating(code: u16, status: &'static str) -> AuditEvent {
    let notes = Arc::new(Notes::new());
    let auditing = auditing(METADATA, &notes);
    let service = service_fn(
        move |request: Request<AuditedRequestBody<Script>>| async move {
            let recording: &Recording = request.extensions().get().unwrap();
            let bob = UserInfo {
                username: "bob".to_owned(),
                ..UserInfo::default()
            };
            recording.impersonating(bob, Some("impersonate:user-info".to_owned()));
            Ok::<_, io::Error>(answer(code, Script::knowing([data(status)])))
        },
    );
    let asked = request("GET", WATCH, Script::default());
    let answer = audited(&auditing, service).oneshot(asked).await.unwrap();
    answer.into_body().collect().await.unwrap();
    let events = notes.events();
    assert_eq!(events[0].impersonated_user, None);
    assert_eq!(events[1].impersonated_user, events[2].impersonated_user);
    AuditEvent::clone(&events[2])
}

#[tokio::test]
async fn the_answer_tells_whether_somebody_was_impersonated() {
    let denied = r#"{"kind":"Status","message":"users \"bob\" is forbidden: User \"jane\" cannot impersonate resource \"users\""}"#;
    let later = r#"{"kind":"Status","message":"pods is forbidden: User \"bob\" cannot list resource \"pods\""}"#;
    for (code, status, expected) in [
        (200, "{}", Some("bob")),
        (403, denied, None),
        (403, later, Some("bob")),
        (401, "{}", None),
        (404, "{}", Some("bob")),
    ] {
        let found = impersonating(code, status).await;
        let name = found.impersonated_user.as_ref();
        assert_eq!(
            name.map(|user| user.username.as_str()),
            expected,
            "{status}"
        );
        assert_eq!(found.impersonation_constraint.is_some(), expected.is_some());
    }
}

#[tokio::test]
async fn a_request_is_judged_by_the_policy_that_it_met() {
    let notes = Arc::new(Notes::new());
    let auditing = auditing(BODIES, &notes);
    let (give, mut given) = tokio::sync::mpsc::unbounded_channel::<Hold>();
    let service = service_fn(move |request: Request<AuditedRequestBody<Script>>| {
        let recording: Option<&Recording> = request.extensions().get();
        if let Some(recording) = recording {
            give.send(recording.hold()).unwrap();
        }
        async { Ok::<_, io::Error>(answer(200, Script::knowing([data("{\"kind\":\"List\"}")]))) }
    });
    let asked = || request("GET", PODS, Script::default());
    let service = audited(&auditing, service);
    let first = service.clone().oneshot(asked()).await.unwrap();
    auditing.set_policy(policy("rules: [{level: None}]"));
    first.into_body().collect().await.unwrap();
    drop(given.recv().await);
    auditing.settle().await;
    assert_eq!(notes.summary(), "RR RC(200)");
    assert!(notes.events()[1].response_object.is_some());

    let second = service.oneshot(asked()).await.unwrap();
    second.into_body().collect().await.unwrap();
    auditing.drain().await;
    assert_eq!(notes.events().len(), 2, "nothing is recorded now");
    assert_eq!(auditing.policy().rules[0].level, Some(PolicyLevel::None));
    let at = |level| auditing.counters().requests_at(level);
    assert_eq!(
        (at(PolicyLevel::RequestResponse), at(PolicyLevel::None)),
        (1, 1)
    );
}

#[tokio::test]
async fn an_event_of_no_request_goes_the_same_way() {
    let notes = Arc::new(Notes::new());
    let auditing = auditing(METADATA, &notes);
    let change = || AuditEvent {
        stage: Stage::ResponseComplete,
        ..AuditEvent::default()
    };
    auditing.emit(change()).await.unwrap();
    assert_eq!((notes.events().len(), auditing.counters().events()), (1, 1));
    let notes = Arc::new(Notes::refusing("ResponseComplete", false));
    let auditing = self::auditing(METADATA, &notes);
    assert!(auditing.emit(change()).await.is_err());
}
