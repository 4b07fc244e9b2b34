//! What the upstream gets to see of credentials.

use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use http::{HeaderMap, HeaderName, HeaderValue, Request, Response};
use kubevigil_gateway::Peer;
use kubevigil_gateway::identity::{
    AuthenticateLayer, FrontProxyConfig, IdentityConfig, IdentityMode, TokenReviewConfig,
};
use kubevigil_record::layer::Caller;
use proptest::prelude::*;
use serde_json::json;
use tower::ServiceExt as _;
use tower_layer::Layer as _;

use crate::authority::{Authority, stranger};
use crate::request::{Lines, asking};
use crate::upstream::Upstream;

/// An upstream that takes the token `good`.
async fn upstream() -> Upstream {
    Upstream::answering(|_, review| {
        let is_good = review["spec"]["token"] == "good";
        (
            201,
            json!({"status": {"authenticated": is_good, "user": {"username": "jane"}}}),
        )
    })
    .await
}

fn config(mode: IdentityMode) -> IdentityConfig {
    IdentityConfig {
        mode,
        token_review: Some(TokenReviewConfig::default()),
        ..IdentityConfig::default()
    }
}

/// Caller and headers, as an inner service sees them.
type Seen = (Caller, HeaderMap);

async fn pass(layer: &AuthenticateLayer, target: &str, headers: HeaderMap, peer: Peer) -> Seen {
    let seen: Arc<Mutex<Option<Seen>>> = Arc::default();
    let inner = Arc::clone(&seen);
    let service = layer.layer(tower::service_fn(move |request: Request<()>| {
        let caller = request.extensions().get::<Caller>().cloned().unwrap();
        *inner.lock().unwrap() = Some((caller, request.headers().clone()));
        async { Ok::<_, Infallible>(Response::new(())) }
    }));
    let mut request = Request::get(target).body(()).unwrap();
    *request.headers_mut() = headers;
    request.extensions_mut().insert(peer);
    service.oneshot(request).await.unwrap();
    seen.lock().unwrap().take().unwrap()
}

fn headers(lines: &[(&str, &str)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in lines {
        let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
        headers.append(name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
    }
    headers
}

fn said((caller, headers): &Seen) -> String {
    let caller = match caller {
        Caller::Known(user) => user.username.clone(),
        Caller::Refused { status, .. } => status.to_string(),
    };
    let mut lines: Vec<String> = headers
        .iter()
        .map(|(name, value)| format!("{name}: {}", String::from_utf8_lossy(value.as_bytes())))
        .collect();
    lines.sort();
    format!("{caller} [{}]", lines.join(", "))
}

/// The token `good` and another protocol.
const PROTOCOLS: &str = "base64url.bearer.authorization.k8s.io.Z29vZA, v4";

/// Header lines, and what an inner service sees in mode `passthrough` and in mode `impersonate`.
const CASES: [(Lines<'static>, &str, &str); 10] = [
    (
        &[("authorization", "Bearer good")],
        "jane [authorization: Bearer good]",
        "jane []",
    ),
    (
        &[("authorization", "bearer good evil")],
        "jane [authorization: Bearer good]",
        "jane []",
    ),
    (
        &[
            ("authorization", "Bearer good"),
            ("authorization", "Bearer evil"),
        ],
        "jane [authorization: Bearer good]",
        "jane []",
    ),
    (
        &[
            ("authorization", "Bearer evil"),
            ("authorization", "Bearer good"),
        ],
        "401 []",
        "401 []",
    ),
    (
        &[
            ("authorization", "Basic YTpi"),
            ("authorization", "Bearer good"),
        ],
        "system:anonymous []",
        "system:anonymous []",
    ),
    (
        &[("authorization", "Bearer  good")],
        "system:anonymous []",
        "system:anonymous []",
    ),
    (
        &[
            ("authorization", "Bearer good"),
            ("X-Remote-User", "admin"),
            ("X-Remote-Group", "system:masters"),
            ("X-Remote-Uid", "0"),
            ("X-Remote-Extra-a", "b"),
            ("X_Remote_User", "admin"),
            ("X-Remote_Group", "g"),
            ("x_remote_extra_k", "v"),
            ("X-Remote-Username", "o"),
        ],
        "jane [authorization: Bearer good, x-remote-username: o]",
        "jane [x-remote-username: o]",
    ),
    (
        &[
            ("upgrade", "websocket"),
            ("connection", "upgrade"),
            ("sec-websocket-protocol", PROTOCOLS),
        ],
        "jane [authorization: Bearer good, connection: upgrade, sec-websocket-protocol: v4, upgrade: websocket]",
        "jane [connection: upgrade, sec-websocket-protocol: v4, upgrade: websocket]",
    ),
    (
        &[
            ("upgrade", "websocket"),
            ("connection", "upgrade"),
            ("sec-websocket-protocol", PROTOCOLS),
            ("authorization", "Bearer evil"),
        ],
        "jane [authorization: Bearer good, connection: upgrade, sec-websocket-protocol: v4, upgrade: websocket]",
        "jane [connection: upgrade, sec-websocket-protocol: v4, upgrade: websocket]",
    ),
    // Without an upgrade a subprotocol is no credential, and goes no further either.
    (
        &[("sec-websocket-protocol", PROTOCOLS)],
        "system:anonymous [sec-websocket-protocol: v4]",
        "system:anonymous [sec-websocket-protocol: v4]",
    ),
];

#[tokio::test]
async fn only_the_judged_credential_goes_on() {
    let upstream = upstream().await;
    for mode in [IdentityMode::Passthrough, IdentityMode::Impersonate] {
        let layer = AuthenticateLayer::new(Arc::new(asking(&config(mode), &upstream.reviewer())));
        for (lines, passed, impersonated) in CASES {
            let seen = pass(&layer, "/api", headers(lines), stranger()).await;
            let expected = match mode {
                IdentityMode::Passthrough => passed,
                IdentityMode::Impersonate => impersonated,
            };
            assert_eq!(said(&seen), expected, "{mode:?} {lines:?}");
        }
    }
}

#[tokio::test]
async fn a_token_in_the_query_does_not_pass_for_nobody() {
    let upstream = upstream().await;
    let authenticator = asking(&config(IdentityMode::Passthrough), &upstream.reviewer());
    let layer = AuthenticateLayer::new(Arc::new(authenticator));
    let good = headers(&[("authorization", "Bearer good")]);
    let target = "/api/v1/pods?access_token=evil";
    assert_eq!(
        said(&pass(&layer, target, HeaderMap::new(), stranger()).await),
        "401 []"
    );
    assert_eq!(
        said(&pass(&layer, target, good, stranger()).await),
        "jane [authorization: Bearer good]"
    );
}

#[tokio::test]
async fn what_an_outer_service_refused_stays_refused() {
    let upstream = upstream().await;
    let authenticator = asking(&config(IdentityMode::Passthrough), &upstream.reviewer());
    let layer = AuthenticateLayer::new(Arc::new(authenticator));
    let service = layer.layer(tower::service_fn(async |request: Request<()>| {
        assert!(!request.headers().contains_key("authorization"));
        let caller = request.extensions().get::<Caller>().unwrap();
        assert!(matches!(caller, Caller::Refused { status: 400, .. }));
        Ok::<_, Infallible>(Response::new(()))
    }));
    let mut request = Request::get("/")
        .header("authorization", "Bearer good")
        .body(())
        .unwrap();
    request.extensions_mut().insert(Caller::Refused {
        status: 400,
        message: String::new(),
    });
    service.oneshot(request).await.unwrap();
}

#[tokio::test]
async fn headers_of_a_proxy_under_any_name_go_no_further() {
    let authority = Authority::new();
    let mut proxy = FrontProxyConfig::new(authority.file());
    proxy.username_headers = vec!["X-Who".to_owned()];
    proxy.extra_headers_prefixes = vec!["X-More-".to_owned()];
    let config = IdentityConfig {
        front_proxy: Some(proxy),
        ..config(IdentityMode::Impersonate)
    };
    let upstream = upstream().await;
    let layer = AuthenticateLayer::new(Arc::new(asking(&config, &upstream.reviewer())));
    let lines = [
        ("X-Who", "jane"),
        ("X_Who", "eve"),
        ("X-More-k", "v"),
        ("X-More_k", "v"),
        ("X-Remote-User", "eve"),
        ("X-Whom", "o"),
    ];
    let seen = pass(&layer, "/", headers(&lines), authority.client("p", &[])).await;
    assert_eq!(said(&seen), "jane [x-whom: o]");
    let seen = pass(&layer, "/", headers(&lines), stranger()).await;
    assert_eq!(said(&seen), "system:anonymous [x-whom: o]");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn no_header_panics_and_no_unjudged_credential_passes(
        lines in proptest::collection::vec((
            "(authorization|x[-_]remote[-_](user|uid|group|extra[-_][a-z%0-9]{0,4})|sec-websocket-protocol|upgrade|connection)",
            prop_oneof![
                "[ -~]{0,20}".prop_map(String::into_bytes),
                "(bearer|Bearer|basic) {0,2}(good|evil)? ?x?".prop_map(String::into_bytes),
                proptest::collection::vec(32_u8..=255, 0..20),
            ],
        ), 0..8),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let seen = runtime.block_on(async {
            let upstream = upstream().await;
            let config = config(IdentityMode::Passthrough);
            let layer = AuthenticateLayer::new(Arc::new(asking(&config, &upstream.reviewer())));
            let mut headers = HeaderMap::new();
            for (name, value) in lines {
                if let (Ok(name), Ok(value)) = (HeaderName::from_bytes(name.as_bytes()), HeaderValue::from_bytes(&value)) {
                    headers.append(name, value);
                }
            }
            pass(&layer, "/", headers, stranger()).await
        });
        let (caller, headers) = seen;
        let is_jane = matches!(&caller, Caller::Known(user) if user.username == "jane");
        let tokens: Vec<_> = headers.get_all("authorization").iter().collect();
        prop_assert_eq!(tokens, if is_jane { vec!["Bearer good"] } else { vec![] });
        prop_assert!(!headers.keys().any(|name| name.as_str().replace('_', "-").starts_with("x-remote-")));
    }
}
