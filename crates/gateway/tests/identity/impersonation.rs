//! Callers that want to be taken for somebody else.

use std::convert::Infallible;

use http::{Request, Response};
use kubevigil_gateway::answer::OwnBody;
use kubevigil_gateway::identity::IdentityMode;
use kubevigil_gateway::impersonate::ImpersonateLayer;
use kubevigil_record::layer::Caller;
use serde_json::Value;
use tower::ServiceExt as _;
use tower_layer::Layer as _;

use crate::request::Lines;
use crate::stack::{Raw, allowing, ask, headers, impersonating, jane, said, send, texts};

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
