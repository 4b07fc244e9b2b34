//! Callers that want to be taken for somebody else.

use std::convert::Infallible;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue, Request, Response};
use http_body_util::{BodyExt as _, Full};
use kubevigil_audit::policy::{Policy, PolicyFile};
use kubevigil_gateway::answer::OwnBody;
use kubevigil_gateway::identity::{
    AuthenticateLayer, IdentityConfig, IdentityMode, Reviewer, TokenReviewConfig,
};
use kubevigil_gateway::impersonate::{ForwardAs, ImpersonateLayer, Unwritable};
use kubevigil_record::auditing::{Auditing, wall_clock};
use kubevigil_record::event::{AuditEvent, UserInfo};
use kubevigil_record::layer::{Arrived, AuditLayer, Caller};
use kubevigil_record::request::RequestHead;
use kubevigil_record::sink::{Events, Sink, SinkError};
use proptest::prelude::*;
use serde_json::{Value, json};
use tower::ServiceExt as _;
use tower_layer::Layer as _;

use crate::request::asking;
use crate::upstream::Upstream;

fn jane() -> UserInfo {
    UserInfo {
        username: "jane".to_owned(),
        uid: "u-1".to_owned(),
        groups: vec!["developers".to_owned(), "system:authenticated".to_owned()],
        extra: [("scopes".to_owned(), vec!["a".to_owned()])].into(),
    }
}

/// Lets `jane` be whatever `may` names as `RESOURCE NAME`.
async fn allowing(may: &'static [&'static str]) -> Upstream {
    Upstream::answering(move |_, review| {
        let attributes = &review["spec"]["resourceAttributes"];
        let part = |name: &str| attributes[name].as_str().unwrap_or_default().to_owned();
        let resource = match part("subresource").as_str() {
            "" => part("resource"),
            subresource => format!("{}/{subresource}", part("resource")),
        };
        let thing = match part("namespace").as_str() {
            "" => format!("{resource} {}", part("name")),
            namespace => format!("{resource} {namespace}/{}", part("name")),
        };
        let allowed = may.contains(&thing.as_str());
        (201, json!({"status": {"allowed": allowed, "reason": ""}}))
    })
    .await
}

/// What came of a request.
struct Outcome {
    status: u16,
    body: String,
    /// As whom it was forwarded, with which headers.
    forwarded: Option<(Option<UserInfo>, HeaderMap)>,
    impersonated: Option<UserInfo>,
}

/// Keeps events.
#[derive(Default)]
struct Kept(Mutex<Vec<Arc<AuditEvent>>>);

#[async_trait::async_trait]
impl Sink for Kept {
    fn name(&self) -> String {
        "kept".to_owned()
    }

    async fn emit(&self, events: Events<'_>) -> Result<(), SinkError> {
        self.0.lock().unwrap().extend(events.iter().cloned());
        Ok(())
    }
}

/// Everything at level Metadata.
fn metadata() -> Policy {
    let policy = "apiVersion: audit.k8s.io/v1\nkind: Policy\nrules: [{level: Metadata}]\n";
    PolicyFile::read("policy.yaml", policy).policy.unwrap()
}

/// Sends a request of `caller` through audit layer and impersonation, to a service that answers `answer`.
async fn send(
    layer: &ImpersonateLayer,
    caller: Caller,
    headers: HeaderMap,
    answer: (u16, &'static str),
) -> Outcome {
    let kept = Arc::new(Kept::default());
    let auditing = Auditing::new(metadata(), Arc::clone(&kept) as Arc<dyn Sink>);
    let forwarded = Arc::new(Mutex::new(None));
    let seen = Arc::clone(&forwarded);
    let forward = tower::service_fn(move |request: Request<_>| {
        let user = request
            .extensions()
            .get::<ForwardAs>()
            .map(|to| to.user.clone());
        let _: &kubevigil_record::layer::AuditedRequestBody<OwnBody> = request.body();
        *seen.lock().unwrap() = Some((user, request.headers().clone()));
        let mut response = Response::new(Full::from(answer.1));
        *response.status_mut() = answer.0.try_into().unwrap();
        async { Ok::<_, Infallible>(response) }
    });
    let service = AuditLayer::new(Arc::clone(&auditing)).layer(layer.layer(forward));
    let mut request = Request::get("/api/v1/namespaces/dev/pods")
        .body(OwnBody::default())
        .unwrap();
    *request.headers_mut() = headers;
    request.extensions_mut().insert(caller);
    let response = service.oneshot(request).await.unwrap();
    let status = response.status().as_u16();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    auditing.drain().await;
    let events = kept.0.lock().unwrap();
    let forwarded = forwarded.lock().unwrap().take();
    Outcome {
        status,
        body: String::from_utf8(body.to_vec()).unwrap(),
        forwarded,
        impersonated: events.last().unwrap().impersonated_user.clone(),
    }
}

fn headers(lines: &[(&str, &[u8])]) -> HeaderMap {
    let mut headers = HeaderMap::with_capacity(lines.len());
    for (name, value) in lines {
        let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
        headers.append(name, HeaderValue::from_bytes(value).unwrap());
    }
    headers
}

fn texts<'l>(lines: &[(&'l str, &'l str)]) -> Vec<(&'l str, &'l [u8])> {
    lines
        .iter()
        .map(|(name, value)| (*name, value.as_bytes()))
        .collect()
}

fn impersonating(upstream: &Upstream) -> ImpersonateLayer {
    let reviewer: Arc<dyn Reviewer> = upstream.reviewer();
    ImpersonateLayer::new(IdentityMode::Impersonate, Some(&reviewer)).unwrap()
}

async fn ask(upstream: &Upstream, lines: &[(&str, &str)]) -> Outcome {
    let caller = Caller::Known(jane());
    send(
        &impersonating(upstream),
        caller,
        headers(&texts(lines)),
        (200, "{}"),
    )
    .await
}

fn said(user: &UserInfo) -> String {
    format!(
        "{}|{}|{}|{:?}",
        user.username,
        user.uid,
        user.groups.join(","),
        user.extra
    )
}

#[tokio::test]
async fn without_a_wish_the_request_goes_on_as_the_caller() {
    let upstream = allowing(&[]).await;
    for lines in [
        &[][..],
        &[("Impersonate-User", "")],
        &[("Impersonate_User", "admin")],
        &[("X-Impersonate-User", "admin")],
    ] {
        let outcome = ask(&upstream, lines).await;
        let (user, headers) = outcome.forwarded.unwrap();
        assert_eq!((outcome.status, user), (200, Some(jane())), "{lines:?}");
        assert!(
            !headers
                .keys()
                .any(|name| name.as_str().starts_with("impersonate")),
            "{headers:?}"
        );
        assert_eq!(outcome.impersonated, None);
    }
    assert!(upstream.asked().is_empty());
}

#[tokio::test]
async fn what_the_upstream_allows_is_forwarded_and_recorded() {
    let upstream = allowing(&[
        "users bob",
        "groups ops",
        "uids u-9",
        "userextras/acme.com/team x",
        "userextras/acme.com/team y",
        "serviceaccounts dev/ci-bot",
        "users system:anonymous",
    ])
    .await;
    let cases: [(&[(&str, &str)], &str, usize); 5] = [
        (
            &[("Impersonate-User", "bob")],
            "bob||system:authenticated|{}",
            1,
        ),
        (
            &[
                ("Impersonate-User", "bob"),
                ("Impersonate-Uid", "u-9"),
                ("Impersonate-Group", "ops"),
                ("Impersonate-Extra-acme.com%2fteam", "x"),
                ("Impersonate-Extra-Acme.com%2FTeam", "y"),
            ],
            r#"bob|u-9|ops,system:authenticated|{"acme.com/team": ["x", "y"]}"#,
            5,
        ),
        (
            &[("Impersonate-User", "system:serviceaccount:dev:ci-bot")],
            "system:serviceaccount:dev:ci-bot||system:serviceaccounts,system:serviceaccounts:dev,system:authenticated|{}",
            1,
        ),
        (
            &[("Impersonate-User", "system:anonymous")],
            "system:anonymous||system:unauthenticated|{}",
            1,
        ),
        (
            &[("Impersonate-User", "bob"), ("Impersonate-User", "admin")],
            "bob||system:authenticated|{}",
            1,
        ),
    ];
    for (lines, expected, questions) in cases {
        let before = upstream.asked().len();
        let outcome = ask(&upstream, lines).await;
        assert_eq!(outcome.status, 200, "{lines:?} {}", outcome.body);
        let (user, headers) = outcome.forwarded.unwrap();
        assert_eq!(said(&user.unwrap()), expected);
        assert_eq!(said(&outcome.impersonated.unwrap()), expected);
        assert!(headers.is_empty(), "{headers:?}");
        assert_eq!(upstream.asked().len() - before, questions, "{lines:?}");
    }
}

#[tokio::test]
async fn questions_are_asked_in_the_name_of_the_caller() {
    let upstream = allowing(&["serviceaccounts dev/ci-bot", "groups g", "userextras/k v"]).await;
    let lines = [
        ("Impersonate-User", "system:serviceaccount:dev:ci-bot"),
        ("Impersonate-Extra-K", "v"),
        ("Impersonate-Group", "g"),
        ("Impersonate-Uid", "u"),
    ];
    let outcome = ask(&upstream, &lines).await;
    assert_eq!(outcome.status, 403);
    // The order of the server: name, uid, groups, extra. The uid is refused, so nothing more is asked.
    let asked = upstream.asked();
    assert_eq!(asked.len(), 2);
    assert_eq!(
        asked[0].path,
        "/apis/authorization.k8s.io/v1/subjectaccessreviews"
    );
    let spec = |attributes: Value| {
        json!({
            "kind": "SubjectAccessReview", "apiVersion": "authorization.k8s.io/v1",
            "spec": {
                "resourceAttributes": attributes, "user": "jane", "uid": "u-1",
                "groups": ["developers", "system:authenticated"], "extra": {"scopes": ["a"]},
            },
        })
    };
    let account = json!({"verb": "impersonate", "version": "v1", "resource": "serviceaccounts", "namespace": "dev", "name": "ci-bot"});
    assert_eq!(asked[0].body, spec(account));
    let uid = json!({"verb": "impersonate", "group": "authentication.k8s.io", "version": "v1", "resource": "uids", "name": "u"});
    assert_eq!(asked[1].body, spec(uid));
}

#[tokio::test]
async fn what_is_denied_is_answered_in_the_words_of_the_server() {
    let upstream = allowing(&["users bob"]).await;
    let cases: [(&[(&str, &str)], &str, &str); 5] = [
        (
            &[("Impersonate-User", "x")],
            r#"users "x" is forbidden: User "jane" cannot impersonate resource "users" in API group "" at the cluster scope"#,
            r#"{"name":"x","kind":"users"}"#,
        ),
        (
            &[("Impersonate-User", "system:serviceaccount:dev:ci-bot")],
            r#"serviceaccounts "ci-bot" is forbidden: User "jane" cannot impersonate resource "serviceaccounts" in API group "" in the namespace "dev""#,
            r#"{"name":"ci-bot","kind":"serviceaccounts"}"#,
        ),
        (
            &[
                ("Impersonate-User", "bob"),
                ("Impersonate-Group", "system:masters"),
            ],
            r#"groups "system:masters" is forbidden: User "jane" cannot impersonate resource "groups" in API group "" at the cluster scope"#,
            r#"{"name":"system:masters","kind":"groups"}"#,
        ),
        (
            &[
                ("Impersonate-User", "bob"),
                ("Impersonate-Extra-scopes", "view"),
            ],
            r#"userextras.authentication.k8s.io "view" is forbidden: User "jane" cannot impersonate resource "userextras/scopes" in API group "authentication.k8s.io" at the cluster scope"#,
            r#"{"name":"view","group":"authentication.k8s.io","kind":"userextras"}"#,
        ),
        (
            &[("Impersonate-User", "bob"), ("Impersonate-Group", "")],
            r#"groups is forbidden: User "jane" cannot impersonate resource "groups" in API group "" at the cluster scope"#,
            r#"{"kind":"groups"}"#,
        ),
    ];
    for (lines, message, details) in cases {
        let outcome = ask(&upstream, lines).await;
        assert_eq!(outcome.status, 403);
        assert!(
            outcome.forwarded.is_none() && outcome.impersonated.is_none(),
            "{lines:?}"
        );
        let status: Value = serde_json::from_str(&outcome.body).unwrap();
        assert_eq!(
            (status["message"].as_str(), status["reason"].as_str()),
            (Some(message), Some("Forbidden"))
        );
        assert!(
            outcome.body.contains(&format!("\"details\":{details}")),
            "{}",
            outcome.body
        );
    }
}

#[tokio::test]
async fn groups_without_a_user_are_answered_as_the_server_answers() {
    let upstream = allowing(&[]).await;
    let outcome = ask(&upstream, &[("Impersonate-Group", "x")]).await;
    let recorded = r#"requested \u0026user.DefaultInfo{Name:\"\", UID:\"\", Groups:[]string{\"x\"}, Extra:map[string][]string(nil)} without impersonating a user name"#;
    assert_eq!(outcome.status, 400);
    assert!(
        outcome.body.contains(&format!(
            r#""message":"{recorded}","reason":"BadRequest","code":400"#
        )),
        "{}",
        outcome.body
    );
    assert!(outcome.forwarded.is_none());
}

#[tokio::test]
async fn nobody_becomes_the_gateway_by_tricks_with_headers() {
    let upstream = allowing(&["users bob"]).await;
    let ten_thousand: Vec<(&str, &[u8])> = std::iter::once(("impersonate-user", &b"bob"[..]))
        .chain((0..10_000).map(|_| ("impersonate-group", &b"system:masters"[..])))
        .collect();
    let cases: [(&str, &[(&str, &[u8])], u16); 8] = [
        ("no text", &[("impersonate-user", b"bob\xff")], 400),
        (
            "a group that is no text",
            &[("impersonate-user", b"bob"), ("impersonate-group", b"\xff")],
            400,
        ),
        (
            "a key that is no text",
            &[
                ("impersonate-user", b"bob"),
                ("impersonate-extra-%ff", b"v"),
            ],
            400,
        ),
        (
            "a group hidden behind an empty user",
            &[
                ("impersonate-user", b""),
                ("impersonate-user", b"bob"),
                ("impersonate-group", b"g"),
            ],
            400,
        ),
        (
            "the second user",
            &[("impersonate-user", b"admin"), ("impersonate-user", b"bob")],
            403,
        ),
        ("a list", &[("impersonate-user", b"bob, admin")], 403),
        (
            "listed as hop by hop",
            &[
                ("impersonate-user", b"admin"),
                ("connection", b"impersonate-user, authorization"),
            ],
            403,
        ),
        ("ten thousand groups", &ten_thousand, 400),
    ];
    for (what, lines, status) in cases {
        let caller = Caller::Known(jane());
        let outcome = send(
            &impersonating(&upstream),
            caller,
            headers(lines),
            (200, "{}"),
        )
        .await;
        assert_eq!(outcome.status, status, "{what}: {}", outcome.body);
        assert!(
            outcome.forwarded.is_none() && outcome.impersonated.is_none(),
            "{what}"
        );
    }
    assert!(upstream.asked().len() < 20, "{}", upstream.asked().len());
}

#[tokio::test]
async fn without_an_answer_of_the_upstream_nobody_is_impersonated() {
    for answer in [
        (500, json!({})),
        (403, json!({})),
        (201, json!({})),
        (201, json!({"status": {"allowed": "yes"}})),
        (201, json!({"status": {"allowed": true, "denied": true}})),
    ] {
        let upstream = Upstream::answering(move |_, _| answer.clone()).await;
        let outcome = ask(&upstream, &[("Impersonate-User", "bob")]).await;
        assert!(
            outcome.status == 500 || outcome.status == 403,
            "{}",
            outcome.status
        );
        assert!(outcome.forwarded.is_none() && outcome.impersonated.is_none());
    }
}

#[tokio::test]
async fn a_request_without_a_caller_is_not_sent() {
    let upstream = allowing(&["users bob"]).await;
    let layer = impersonating(&upstream);
    let service = layer.layer(tower::service_fn(
        async |_: Request<()>| -> Result<Response<OwnBody>, Infallible> {
            panic!("sent as the gateway")
        },
    ));
    let response = service
        .oneshot(Request::get("/").body(()).unwrap())
        .await
        .unwrap();
    assert_eq!(response.status(), 500);
}

#[tokio::test]
async fn allowed_impersonations_are_remembered_but_for_no_other_caller() {
    let upstream = allowing(&["users bob"]).await;
    let layer = impersonating(&upstream);
    let lines = [("Impersonate-User", "bob")];
    for (name, questions) in [("jane", 1), ("jane", 1), ("joe", 2), ("jane", 2)] {
        let caller = UserInfo {
            username: name.to_owned(),
            ..jane()
        };
        let outcome = send(
            &layer,
            Caller::Known(caller),
            headers(&texts(&lines)),
            (200, "{}"),
        )
        .await;
        assert_eq!(
            (outcome.status, upstream.asked().len()),
            (200, questions),
            "{name}"
        );
    }
}

#[tokio::test]
async fn what_took_long_is_annotated() {
    let slow = |answer: Value| {
        Upstream::answering(move |_, _| {
            std::thread::sleep(Duration::from_millis(300));
            (201, answer.clone())
        })
    };
    let tokens =
        slow(json!({"status": {"authenticated": true, "user": {"username": "jane"}}})).await;
    let rights = slow(json!({"status": {"allowed": true}})).await;
    let config = IdentityConfig {
        mode: IdentityMode::Impersonate,
        token_review: Some(TokenReviewConfig::default()),
        ..IdentityConfig::default()
    };
    let kept = Arc::new(Kept::default());
    let auditing = Auditing::new(metadata(), Arc::clone(&kept) as Arc<dyn Sink>);
    let forward = tower::service_fn(async |_: Request<_>| {
        Ok::<_, Infallible>(Response::new(OwnBody::default()))
    });
    let audited =
        AuditLayer::new(Arc::clone(&auditing)).layer(impersonating(&rights).layer(forward));
    let authenticator = Arc::new(asking(&config, &tokens.reviewer()));
    let service = AuthenticateLayer::new(authenticator).layer(audited);
    let mut request = Request::get("/api/v1/pods")
        .body(OwnBody::default())
        .unwrap();
    *request.headers_mut() = headers(&texts(&[
        ("authorization", "Bearer t"),
        ("impersonate-user", "bob"),
    ]));
    let head = RequestHead::read("GET", "/api/v1/pods", request.headers(), None).unwrap();
    request.extensions_mut().insert(Arrived {
        head,
        at: wall_clock(),
    });
    service.oneshot(request).await.unwrap();
    auditing.drain().await;
    let events = kept.0.lock().unwrap();
    let names: Vec<&str> = events
        .last()
        .unwrap()
        .annotations
        .keys()
        .map(String::as_str)
        .collect();
    let expected = ["authentication", "impersonation", "total"];
    assert_eq!(
        names,
        expected.map(|part| format!("apiserver.latency.k8s.io/{part}"))
    );
}

#[tokio::test]
async fn passed_through_the_upstream_decides_and_the_event_says_what() {
    const DENIED: &str = r#"{"kind":"Status","apiVersion":"v1","status":"Failure","message":"users \"bob\" is forbidden: User \"jane\" cannot impersonate resource \"users\" in API group \"\" at the cluster scope","reason":"Forbidden","code":403}"#;
    const FORBIDDEN: &str = r#"{"kind":"Status","apiVersion":"v1","status":"Failure","message":"pods is forbidden: User \"bob\" cannot list resource \"pods\"","reason":"Forbidden","code":403}"#;
    let layer = ImpersonateLayer::new(IdentityMode::Passthrough, None).unwrap();
    let lines = [
        ("Impersonate-User", "bob"),
        ("Impersonate-User", "eve"),
        ("Impersonate-Group", "g"),
        ("Impersonate_User", "eve"),
    ];
    for (answer, is_impersonated) in [
        ((200, "{}"), true),
        ((403, FORBIDDEN), true),
        ((403, DENIED), false),
    ] {
        let outcome = send(
            &layer,
            Caller::Known(jane()),
            headers(&texts(&lines)),
            answer,
        )
        .await;
        let (user, left) = outcome.forwarded.unwrap();
        assert_eq!((outcome.status, user), (answer.0, None));
        assert_eq!(
            left,
            headers(&texts(&[
                ("Impersonate-User", "bob"),
                ("Impersonate-Group", "g")
            ]))
        );
        let found = outcome.impersonated.as_ref().map(said);
        assert_eq!(
            found.as_deref(),
            is_impersonated.then_some("bob||g,system:authenticated|{}")
        );
    }
}

fn forward(user: UserInfo, headers: &mut HeaderMap) -> Result<(), Unwritable> {
    ForwardAs { user }.write(headers)
}

#[test]
fn a_user_is_written_whole_and_in_place_of_everything_that_was_there() {
    let mut written = headers(&texts(&[
        ("impersonate-user", "eve"),
        ("impersonate-user", "eve"),
        ("impersonate-group", "system:masters"),
        ("impersonate-uid", "0"),
        ("impersonate-extra-a", "b"),
        ("impersonate_group", "c"),
        ("accept", "x"),
    ]));
    let mut user = jane();
    user.extra.insert(
        "acme.com/Team_%".to_owned(),
        vec!["x".to_owned(), String::new()],
    );
    forward(user, &mut written).unwrap();
    let expected = [
        ("accept", "x"),
        ("impersonate-user", "jane"),
        ("impersonate-uid", "u-1"),
        ("impersonate-group", "developers"),
        ("impersonate-group", "system:authenticated"),
        ("impersonate-extra-acme.com%2f%54eam%5f%25", "x"),
        ("impersonate-extra-acme.com%2f%54eam%5f%25", ""),
        ("impersonate-extra-scopes", "a"),
    ];
    assert_eq!(written, headers(&texts(&expected)));
}

#[test]
fn a_user_whom_headers_would_change_is_not_written() {
    let cases: [(&str, fn(&mut UserInfo)); 9] = [
        ("no name", |user| user.username.clear()),
        ("a blank before", |user| user.username = " admin".to_owned()),
        ("a tab behind", |user| user.username = "admin\t".to_owned()),
        ("a line feed", |user| {
            user.username = "a\r\nimpersonate-group: system:masters".to_owned()
        }),
        ("a zero", |user| user.username = "admin\0".to_owned()),
        ("a group", |user| {
            user.groups.push(" system:masters".to_owned())
        }),
        ("a uid", |user| user.uid = "\u{7f}".to_owned()),
        ("a value", |user| {
            drop(user.extra.insert("k".to_owned(), vec![" v".to_owned()]))
        }),
        ("only blanks", |user| user.username = "  ".to_owned()),
    ];
    for (what, change) in cases {
        let mut user = jane();
        change(&mut user);
        let mut headers = headers(&texts(&[("impersonate-user", "eve"), ("accept", "x")]));
        assert!(forward(user, &mut headers).is_err(), "{what}");
        assert_eq!(headers, self::headers(&texts(&[("accept", "x")])), "{what}");
    }
}

proptest! {
    #[test]
    fn the_upstream_reads_the_user_that_was_written(
        username in ".{1,12}", uid in ".{0,6}",
        groups in proptest::collection::vec(".{0,8}", 0..5),
        extra in proptest::collection::btree_map(".{0,8}", proptest::collection::vec(".{0,6}", 1..3), 0..4),
    ) {
        let user = UserInfo { username, uid, groups, extra };
        let mut headers = HeaderMap::new();
        if forward(user.clone(), &mut headers).is_ok() {
            prop_assert_eq!(read(&headers), user);
        } else {
            prop_assert!(headers.is_empty());
        }
    }
}

/// Reads a user as an API server does: names are lower case before they are decoded, values without blanks at their ends.
fn read(headers: &HeaderMap) -> UserInfo {
    let text = |value: &HeaderValue| {
        let text = String::from_utf8(value.as_bytes().to_vec()).unwrap();
        text.trim_matches([' ', '\t']).to_owned()
    };
    let all = |name: &str| headers.get_all(name).iter().map(text).collect::<Vec<_>>();
    let mut extra = std::collections::BTreeMap::<String, Vec<String>>::new();
    for (name, value) in headers {
        if let Some(key) = name
            .as_str()
            .to_lowercase()
            .strip_prefix("impersonate-extra-")
        {
            let key = percent_encoding::percent_decode_str(key)
                .decode_utf8()
                .unwrap();
            extra.entry(key.into_owned()).or_default().push(text(value));
        }
    }
    UserInfo {
        username: all("impersonate-user").concat(),
        uid: all("impersonate-uid").concat(),
        groups: all("impersonate-group"),
        extra,
    }
}
