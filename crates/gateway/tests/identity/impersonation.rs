//! Callers that want to be taken for somebody else.

use std::convert::Infallible;
use std::task::Poll;

use http::{Request, Response};
use kubevigil_gateway::answer::OwnBody;
use kubevigil_gateway::identity::IdentityMode;
use kubevigil_gateway::impersonate::ImpersonateLayer;
use kubevigil_record::event::UserInfo;
use kubevigil_record::layer::Caller;
use serde_json::{Value, json};
use tower::ServiceExt as _;
use tower_layer::Layer as _;

use crate::request::Lines;
use crate::stack::{Raw, allowing, ask, headers, impersonating, jane, said, send, texts};
use crate::upstream::Upstream;

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
    let cases: [(Lines<'_>, &str, usize); 5] = [
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
    let cases: [(Lines<'_>, &str, &str); 5] = [
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
    let cases: [(&str, Raw<'_>, u16); 8] = [
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

/// Runs futures side by side.
async fn join_all<F: Future<Output = u16>>(futures: Vec<F>) -> Vec<u16> {
    let mut waiting: Vec<_> = futures.into_iter().map(Box::pin).collect();
    let mut results = Vec::new();
    std::future::poll_fn(|context| {
        waiting.retain_mut(|future| match future.as_mut().poll(context) {
            Poll::Ready(result) => {
                results.push(result);
                false
            }
            Poll::Pending => true,
        });
        if waiting.is_empty() {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    })
    .await;
    results
}

#[tokio::test]
async fn one_caller_cannot_use_up_the_questions_of_all() {
    let upstream = allowing(&["users bob"]).await;
    let layer = impersonating(&upstream);
    let as_user = |caller: &str, wanted: String| {
        let caller = UserInfo {
            username: caller.to_owned(),
            ..jane()
        };
        let lines = headers(&texts(&[("Impersonate-User", &wanted)]));
        let layer = layer.clone();
        async move {
            send(&layer, Caller::Known(caller), lines, (200, "{}"))
                .await
                .status
        }
    };
    let flood = (0..1000).map(|number| as_user("mallory", format!("user-{number}")));
    let statuses = join_all(flood.collect()).await;
    assert!(statuses.contains(&403) && statuses.contains(&429));
    assert_eq!(as_user("jane", "bob".to_owned()).await, 200);
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
