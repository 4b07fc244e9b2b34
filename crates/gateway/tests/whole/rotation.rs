//! An upstream whose authority, address or credentials change while the gateway serves.

use std::path::PathBuf;
use std::time::Duration;

use http::Request;
use kubevigil_gateway::identity::{IdentityMode, TokenReviewConfig};
use kubevigil_gateway::{GatewayConfig, UpstreamConfig};

use crate::authority::Authority;
use crate::client::Client;
use crate::gateway::{Files, Running, kubeconfig};
use crate::upstream::{Received, Upstream, json};

const REVIEW: &str = r#"{"kind":"TokenReview","apiVersion":"authentication.k8s.io/v1","status":{"authenticated":true,"user":{"username":"jane"}}}"#;

/// A server by TLS that knows every token.
async fn server(authority: &Authority) -> Upstream {
    let tls = Some(authority.server().server_config());
    Upstream::start(tls, |request: Received, _| {
        let answer = match request.path().ends_with("/tokenreviews") {
            true => json(201, REVIEW),
            false => json(200, "{}"),
        };
        Box::pin(async move { answer })
    })
    .await
}

/// A gateway that asks its upstream about tokens.
struct Rotation {
    files: Files,
    gateway: Running,
}

impl Rotation {
    async fn new(upstream: impl FnOnce(&Files) -> UpstreamConfig, mode: IdentityMode) -> Self {
        let files = Files::new();
        let mut config = GatewayConfig {
            listen: "127.0.0.1:0".parse().unwrap(),
            upstream: upstream(&files),
            ..GatewayConfig::default()
        };
        config.identity.mode = mode;
        if config.upstream.kubeconfig.is_some() {
            config.identity.token_review = Some(TokenReviewConfig::default());
        }
        let gateway = Running::start(config, "rules: [{level: Metadata}]").await;
        Self { files, gateway }
    }

    async fn ask(&self, token: Option<&str>) -> u16 {
        let mut request = Request::get("/api/v1/pods");
        if let Some(token) = token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        let mut client = Client::new(self.gateway.address, None);
        client.send(request.body(Vec::new()).unwrap()).await.code
    }

    /// How many files were replaced, and what is wrong with others.
    fn reload(&self) -> (u64, Vec<String>) {
        let reloads = &self.gateway.handle.counters().reloads;
        let before = reloads.get();
        let errors = self.gateway.handle.reload();
        let errors = errors.iter().map(ToString::to_string).collect();
        (reloads.get() - before, errors)
    }
}

/// A kubeconfig for a server, with a token, and its authority beside it.
fn leading_to(files: &Files, upstream: &Upstream, authority: &Authority, token: &str) -> PathBuf {
    let ca = files.write("ca.crt", &authority.pem());
    let text = kubeconfig(&format!("https://{}", upstream.address), &ca, token);
    files.write("upstream.kubeconfig", &text)
}

/// Who authorised what, of the requests that came in.
fn authorised(upstream: &Upstream) -> Vec<(String, String)> {
    let received = upstream.received().into_iter();
    received
        .map(|request| {
            let last = request.path().rsplit('/').next().unwrap().to_owned();
            (last, request.header("authorization").to_owned())
        })
        .collect()
}

#[tokio::test]
async fn an_authority_that_is_withdrawn_is_not_believed_any_more() {
    let (old, next) = (Authority::new("old"), Authority::new("next"));
    let upstream = server(&old).await;
    let by_kubeconfig = |files: &Files| UpstreamConfig {
        kubeconfig: Some(leading_to(files, &upstream, &old, "gateway")),
        ..UpstreamConfig::default()
    };
    let by_address = |files: &Files| UpstreamConfig {
        server: Some(format!("https://{}", upstream.address).parse().unwrap()),
        ca: Some(files.write("ca.crt", &old.pem())),
        ..UpstreamConfig::default()
    };
    for rotation in [
        Rotation::new(by_kubeconfig, IdentityMode::Passthrough).await,
        Rotation::new(by_address, IdentityMode::Passthrough).await,
    ] {
        assert_eq!(rotation.ask(None).await, 200);
        rotation.files.write("ca.crt", &next.pem());
        assert_eq!(rotation.reload(), (1, vec![]));
        let late = rotation.ask(None).await;
        assert_eq!(late, 503, "not even on a connection that is there");
        rotation.files.write("ca.crt", &(next.pem() + &old.pem()));
        assert_eq!(rotation.reload(), (1, vec![]));
        assert_eq!(rotation.ask(None).await, 200);
        assert_eq!(rotation.reload(), (0, vec![]), "nothing has changed");
        rotation.gateway.finish().await;
    }
}

#[tokio::test]
async fn a_kubeconfig_that_is_replaced_leads_requests_and_questions_elsewhere() {
    let (old, next) = (Authority::new("old"), Authority::new("next"));
    let (here, there) = (server(&old).await, server(&next).await);
    let upstream = |files: &Files| UpstreamConfig {
        kubeconfig: Some(leading_to(files, &here, &old, "one")),
        ..UpstreamConfig::default()
    };
    let rotation = Rotation::new(upstream, IdentityMode::Impersonate).await;
    assert_eq!(rotation.ask(Some("a")).await, 200);
    leading_to(&rotation.files, &there, &next, "two");
    assert_eq!(rotation.reload(), (1, vec![]));
    assert_eq!(rotation.ask(Some("b")).await, 200);
    let asked = |token: &str| {
        let pair = |what: &str| (what.to_owned(), format!("Bearer {token}"));
        vec![pair("tokenreviews"), pair("pods")]
    };
    assert_eq!(authorised(&here), asked("one"));
    assert_eq!(authorised(&there), asked("two"));
    rotation.gateway.finish().await;
}

#[tokio::test]
async fn a_broken_kubeconfig_changes_nothing() {
    let authority = Authority::new("servers");
    let upstream = server(&authority).await;
    let by_kubeconfig = |files: &Files| UpstreamConfig {
        kubeconfig: Some(leading_to(files, &upstream, &authority, "gateway")),
        ..UpstreamConfig::default()
    };
    let rotation = Rotation::new(by_kubeconfig, IdentityMode::Impersonate).await;
    let ca = rotation.files.write("ca.crt", &authority.pem());
    let address = format!("https://{}", upstream.address);
    let good = kubeconfig(&address, &ca, "gateway");
    let cases = [
        (
            good.replace("token:", "tokin:"),
            "identity.mode is impersonate",
        ),
        (
            good.replace(&address, "https://a:b@c"),
            "holds a user or a password",
        ),
        (
            good.replace("current-context: it", "current-context: gone"),
            "`gone`",
        ),
        (
            good.replace("server:", "proxy-url: https://p:1, server:"),
            "a proxy by `https` is not supported",
        ),
        (String::new(), "is no kubeconfig"),
    ];
    for (content, expected) in cases {
        rotation.files.write("upstream.kubeconfig", &content);
        let (replaced, errors) = rotation.reload();
        assert_eq!((replaced, errors.len()), (0, 1), "{errors:?}");
        assert!(errors[0].contains(expected), "{errors:?}");
        assert_eq!(rotation.reload().1, errors, "told again to who insists");
        assert_eq!(rotation.ask(Some("a")).await, 200, "{expected}");
    }
    rotation.files.write("upstream.kubeconfig", &good);
    assert_eq!(rotation.reload().1, [""; 0]);
    assert_eq!(rotation.ask(Some("b")).await, 200);
    rotation.gateway.finish().await;
}

#[tokio::test]
async fn no_request_is_lost_while_upstreams_take_turns() {
    let authority = Authority::new("servers");
    let both = [server(&authority).await, server(&authority).await];
    let upstream = |files: &Files| UpstreamConfig {
        kubeconfig: Some(leading_to(files, &both[0], &authority, "gateway")),
        ..UpstreamConfig::default()
    };
    let rotation = Rotation::new(upstream, IdentityMode::Impersonate).await;
    let turns = async {
        for turn in 1..=30 {
            leading_to(&rotation.files, &both[turn % 2], &authority, "gateway");
            assert_eq!(rotation.reload(), (1, vec![]), "turn {turn}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let requests = async {
        let mut client = Client::new(rotation.gateway.address, None);
        loop {
            assert_eq!(client.get("/api/v1/pods").await.code, 200);
        }
    };
    tokio::select! {
        () = turns => {}
        () = requests => {}
    }
    assert!(both.iter().all(|one| one.received().len() > 10));
    rotation.gateway.finish().await;
}
