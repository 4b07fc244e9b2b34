//! Tokens that are put to the upstream.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use kubevigil_gateway::identity::{Authenticator, IdentityConfig, ReviewError, TokenReviewConfig};
use serde_json::{Value, json};

use crate::authority::{Authority, stranger};
use crate::issuer::bearer;
use crate::request::{asking, judge, request, said};
use crate::upstream::Upstream;

/// An upstream that knows a few tokens.
async fn knowing() -> Upstream {
    Upstream::answering(|_, review| {
        let user = match review["spec"]["token"].as_str().unwrap() {
            "jane" => json!({"username": "jane", "uid": "jane-uid", "groups": ["developers", "system:authenticated"]}),
            "bare" => json!({"username": "bare"}),
            "nobody" => json!({"username": ""}),
            "extra" => json!({"username": "e", "groups": null, "extra": {"scopes": ["a", "b"]}}),
            "broken" => return (200, json!({"kind": "Status"})),
            "forbidden" => return (403, json!({"kind": "Status", "code": 403})),
            _ => return (201, json!({"status": {"user": {}, "error": "[invalid bearer token]"}})),
        };
        (201, json!({"status": {"authenticated": true, "user": user}}))
    })
    .await
}

fn config(change: impl FnOnce(&mut TokenReviewConfig)) -> IdentityConfig {
    let mut review = TokenReviewConfig::default();
    change(&mut review);
    IdentityConfig {
        token_review: Some(review),
        ..IdentityConfig::default()
    }
}

async fn judged(authenticator: &Authenticator, token: &str) -> String {
    let (name, value) = bearer(token);
    said(&judge(authenticator, &[(name, &value)], &stranger()).await)
}

#[tokio::test]
async fn the_upstream_says_whose_a_token_is() {
    let upstream = knowing().await;
    let authenticator = asking(&config(|_| {}), &upstream.reviewer());
    let cases = [
        ("jane", "jane|jane-uid|developers,system:authenticated|"),
        ("bare", "bare||system:authenticated|"),
        ("extra", "e||system:authenticated|scopes=a,b"),
        ("nobody", "401"),
        ("unknown", "401"),
        ("broken", "401"),
        ("forbidden", "401"),
    ];
    for (token, expected) in cases {
        assert_eq!(judged(&authenticator, token).await, expected, "{token}");
    }
    let first = &upstream.asked()[0];
    assert_eq!(first.path, "/apis/authentication.k8s.io/v1/tokenreviews");
    // Nothing of the caller goes along; the gateway's own credentials do not go over plain HTTP.
    assert_eq!(first.authorization, "");
    let question = json!({"kind": "TokenReview", "apiVersion": "authentication.k8s.io/v1", "spec": {"token": "jane"}});
    assert_eq!(first.body, question);
}

#[tokio::test]
async fn the_gateway_asks_with_its_own_credentials() {
    let authority = Authority::new();
    let upstream = Upstream::answering_tls(&authority, |_, _| {
        (
            201,
            json!({"status": {"authenticated": true, "user": {"username": "jane"}}}),
        )
    })
    .await;
    let authenticator = asking(&config(|_| {}), &upstream.reviewer());
    assert_eq!(
        judged(&authenticator, "jane").await,
        "jane||system:authenticated|"
    );
    assert_eq!(upstream.asked()[0].authorization, "Bearer the-gateway");
}

#[tokio::test]
async fn answers_are_remembered_for_their_time() {
    let upstream = knowing().await;
    let authenticator = asking(&config(|_| {}), &upstream.reviewer());
    let start = SystemTime::now();
    let at = async |second: u64, token: &str| {
        let (name, value) = bearer(token);
        let parts = request("/", &[(name, &value)]);
        let now = start + Duration::from_secs(second);
        let _ = authenticator.authenticate(&parts, None, now).await;
        upstream.asked().len()
    };
    // Second, token, questions so far.
    let cases = [
        (0, "jane", 1),
        (119, "jane", 1),
        (120, "jane", 2),
        (120, "unknown", 3),
        (129, "unknown", 3),
        (130, "unknown", 4),
        // What the upstream did not say is asked again.
        (130, "broken", 5),
        (130, "broken", 6),
    ];
    for (second, token, expected) in cases {
        assert_eq!(at(second, token).await, expected, "{second} {token}");
    }
}

#[tokio::test]
async fn many_requests_with_one_token_ask_once() {
    let upstream = knowing().await;
    let authenticator = Arc::new(asking(&config(|_| {}), &upstream.reviewer()));
    let mut requests = tokio::task::JoinSet::new();
    for _ in 0..100 {
        let authenticator = Arc::clone(&authenticator);
        requests.spawn(async move { judged(&authenticator, "jane").await });
    }
    for found in requests.join_all().await {
        assert_eq!(found, "jane|jane-uid|developers,system:authenticated|");
    }
    assert_eq!(upstream.asked().len(), 1);
}

#[tokio::test]
async fn a_flood_of_bad_tokens_is_no_flood_of_questions() {
    let upstream = knowing().await;
    let config = config(|review| review.most_a_second = 10);
    let authenticator = Arc::new(asking(&config, &upstream.reviewer()));
    assert_eq!(
        judged(&authenticator, "jane").await,
        "jane|jane-uid|developers,system:authenticated|"
    );
    let mut requests = tokio::task::JoinSet::new();
    for number in 0..2000 {
        let authenticator = Arc::clone(&authenticator);
        requests.spawn(async move { judged(&authenticator, &format!("made-up-{number}")).await });
    }
    let found = requests.join_all().await;
    let refused = found.iter().filter(|status| *status == "401").count();
    let turned_away = found.iter().filter(|status| *status == "429").count();
    assert_eq!(refused + turned_away, 2000);
    assert!(upstream.asked().len() < 100, "{}", upstream.asked().len());
    assert_eq!(upstream.asked().len(), refused + 1);
    // Who is known stays known.
    assert_eq!(
        judged(&authenticator, "jane").await,
        "jane|jane-uid|developers,system:authenticated|"
    );
}

#[tokio::test]
async fn a_flood_from_one_address_locks_nobody_else_out() {
    let upstream = Upstream::answering(|_, review| {
        let token = review["spec"]["token"].as_str().unwrap();
        let is_good = token.starts_with("good");
        (
            201,
            json!({"status": {"authenticated": is_good, "user": {"username": token}}}),
        )
    })
    .await;
    let config = config(|review| review.most_a_second = 20);
    let authenticator = Arc::new(asking(&config, &upstream.reviewer()));
    let start = SystemTime::now();
    let at = async |second: u64, token: String, from: [u8; 4]| {
        let (name, value) = bearer(&token);
        let parts = request("/", &[(name, &value)]);
        let mut peer = stranger();
        peer.address.set_ip(from.into());
        let now = start + Duration::from_secs(second);
        let judgement = authenticator.authenticate(&parts, Some(&peer), now).await;
        said(&judgement)
    };
    let (here, there) = ([192, 0, 2, 1], [192, 0, 2, 2]);
    assert_eq!(
        at(0, "good-early".to_owned(), here).await,
        "good-early||system:authenticated|"
    );
    for second in (0..10).chain(125..135) {
        let mut last = String::new();
        for number in 0..60 {
            last = at(second, format!("bad-{second}-{number}"), there).await;
        }
        assert_eq!(last, "429");
        // Somebody new, from elsewhere; and somebody who is known, although the flood comes from their address, too.
        let token = format!("good-{second}");
        let found = at(second, token.clone(), here).await;
        assert!(found.starts_with(&token), "{second}: {found}");
        let found = at(second, "good-early".to_owned(), there).await;
        assert!(found.starts_with("good-early"), "{second}: {found}");
    }
}

#[tokio::test]
async fn a_token_for_another_audience_is_refused() {
    let audiences = |answer: Value| {
        Upstream::answering(move |_, review| {
            assert_eq!(review["spec"]["audiences"], json!(["gateway"]));
            let status = json!({"authenticated": true, "user": {"username": "jane"}, "audiences": answer.clone()});
            (201, json!({"status": status}))
        })
    };
    let config = config(|review| review.audiences = vec!["gateway".to_owned()]);
    for (answer, expected) in [
        (json!(["gateway", "x"]), "jane||system:authenticated|"),
        (json!(["x"]), "401"),
        (json!([]), "401"),
    ] {
        let upstream = audiences(answer).await;
        let authenticator = asking(&config, &upstream.reviewer());
        assert_eq!(judged(&authenticator, "jane").await, expected);
    }
}

#[tokio::test]
async fn an_upstream_out_of_reach_recognises_nobody() {
    let address = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let mut upstream = knowing().await;
    upstream.address = address.to_string();
    let authenticator = asking(&config(|_| {}), &upstream.reviewer());
    assert_eq!(judged(&authenticator, "jane").await, "401");
}

#[test]
fn who_serves_no_reviews_is_told_apart_from_who_refuses() {
    let said = |status: u16, path: &str| {
        let path = path.to_owned();
        ReviewError::Refused { status, path }.to_string()
    };
    let cases = [
        (403, "/apis/authentication.k8s.io/v1/tokenreviews", ""),
        (
            404,
            "/apis/authentication.k8s.io/v1/tokenreviews",
            "--authentication-kubeconfig",
        ),
        (404, "/openid/v1/jwks", "--authentication-kubeconfig"),
        (
            404,
            "/apis/authorization.k8s.io/v1/subjectaccessreviews",
            "--authorization-kubeconfig",
        ),
        (404, "/elsewhere", ""),
    ];
    for (status, path, advice) in cases {
        let said = said(status, path);
        let (start, rest) = said.split_at(format!("answered {status} to {path}").len());
        assert_eq!(start, format!("answered {status} to {path}"));
        assert!(rest.contains(advice), "{said}");
        assert_eq!(rest.is_empty(), advice.is_empty(), "{said}");
    }
}
