//! An upstream that serves no reviews, as extension API servers do not, beside an API server that does.

use std::path::PathBuf;

use http::Request;
use kubevigil_gateway::identity::{IdentityConfig, IdentityMode, TokenReviewConfig};
use kubevigil_gateway::{Gateway, GatewayConfig};
use kubevigil_record::auditing::Auditing;
use serde_json::{Value, json as object};

use crate::authority::Authority;
use crate::client::Client;
use crate::gateway::{Files, Running, kubeconfig, policy};
use crate::recorder::Recorder;
use crate::upstream::{Received, Upstream, json};

/// Serves objects, and knows no reviews.
async fn extension(authority: &Authority) -> Upstream {
    let tls = Some(authority.server().server_config());
    Upstream::start(tls, |request: Received, _| {
        let answer = match request.method.as_str() {
            "POST" => json(404, r#"{"kind":"Status","code":404}"#),
            _ => json(200, "{}"),
        };
        Box::pin(async move { answer })
    })
    .await
}

/// Serves reviews: every token is the user's of its name, and all may impersonate jane.
async fn reviewing(authority: &Authority) -> Upstream {
    let tls = Some(authority.server().server_config());
    Upstream::start(tls, |request: Received, _| {
        let review: Value = serde_json::from_slice(&request.body).unwrap_or_default();
        let spec = &review["spec"];
        let status = match request.path().ends_with("/tokenreviews") {
            true => object!({"authenticated": true, "user": {"username": spec["token"]}}),
            false => object!({"allowed": spec["resourceAttributes"]["name"] == "jane"}),
        };
        let answer = json(201, object!({"status": status}).to_string());
        Box::pin(async move { answer })
    })
    .await
}

/// Both, and a gateway before the first.
struct Pair {
    files: Files,
    authority: Authority,
    extension: Upstream,
    reviewing: Upstream,
}

impl Pair {
    async fn new() -> Self {
        let authority = Authority::new("servers");
        Self {
            files: Files::new(),
            extension: extension(&authority).await,
            reviewing: reviewing(&authority).await,
            authority,
        }
    }

    fn kubeconfig(&self, name: &str, server: &Upstream, token: &str) -> PathBuf {
        let ca = self.files.write("ca.crt", &self.authority.pem());
        let server = format!("https://{}", server.address);
        self.files.write(name, &kubeconfig(&server, &ca, token))
    }

    /// The gateway's settings with `identity`, which asks about tokens.
    fn config(&self, identity: IdentityConfig) -> GatewayConfig {
        let mut config = GatewayConfig {
            listen: "127.0.0.1:0".parse().unwrap(),
            ..GatewayConfig::default()
        };
        config.upstream.kubeconfig = Some(self.kubeconfig("upstream", &self.extension, "own"));
        config.identity = IdentityConfig {
            token_review: Some(TokenReviewConfig::default()),
            ..identity
        };
        config
    }

    fn authentication(&self) -> Option<PathBuf> {
        Some(self.kubeconfig("authentication", &self.reviewing, "about-tokens"))
    }

    fn authorization(&self) -> Option<PathBuf> {
        Some(self.kubeconfig("authorization", &self.reviewing, "about-rights"))
    }
}

async fn start(config: GatewayConfig) -> Running {
    Running::start(config, "rules: [{level: Metadata}]").await
}

async fn ask(gateway: &Running, token: &str, impersonates: Option<&str>) -> u16 {
    let request = Request::get("/apis/a.example/v1/things");
    let mut request = request.header("authorization", format!("Bearer {token}"));
    if let Some(user) = impersonates {
        request = request.header("impersonate-user", user);
    }
    let mut client = Client::new(gateway.address, None);
    client.send(request.body(Vec::new()).unwrap()).await.code
}

/// The last part of the path, who authorised it, and whom it impersonates, of the requests that came in.
fn received(server: &Upstream) -> Vec<String> {
    let line = |request: Received| {
        let path = request.path().rsplit('/').next().unwrap_or_default();
        let [authorization, user] =
            ["authorization", "impersonate-user"].map(|name| request.header(name));
        format!("{path} {authorization} {user}")
            .trim_end()
            .to_owned()
    };
    server.received().into_iter().map(line).collect()
}

#[tokio::test]
async fn tokens_are_put_to_the_server_that_serves_reviews() {
    let pair = Pair::new().await;
    let identity = IdentityConfig {
        authentication_kubeconfig: pair.authentication(),
        ..IdentityConfig::default()
    };
    let by_kubeconfig = pair.config(identity);
    let mut by_address = by_kubeconfig.clone();
    by_address.upstream.kubeconfig = None;
    by_address.upstream.server = format!("https://{}", pair.extension.address).parse().ok();
    by_address.upstream.ca = Some(pair.files.write("ca.crt", &pair.authority.pem()));
    for config in [by_kubeconfig, by_address] {
        let gateway = start(config).await;
        assert_eq!(ask(&gateway, "jane", None).await, 200);
        let events: Vec<Value> = gateway
            .finish()
            .await
            .iter()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        assert_eq!(events[0]["user"]["username"], "jane");
    }
    assert_eq!(received(&pair.extension), ["things Bearer jane"; 2]);
    let asked = received(&pair.reviewing);
    assert_eq!(asked, ["tokenreviews Bearer about-tokens"; 2]);
}

#[tokio::test]
async fn an_upstream_without_reviews_that_nobody_replaces_lets_nobody_in() {
    let pair = Pair::new().await;
    let gateway = start(pair.config(IdentityConfig::default())).await;
    assert_eq!(ask(&gateway, "jane", None).await, 401);
    gateway.finish().await;
}

#[tokio::test]
async fn impersonation_is_put_to_the_server_that_serves_reviews() {
    let pair = Pair::new().await;
    let identity = IdentityConfig {
        mode: IdentityMode::Impersonate,
        authentication_kubeconfig: pair.authentication(),
        authorization_kubeconfig: pair.authorization(),
        ..IdentityConfig::default()
    };
    let gateway = start(pair.config(identity)).await;
    assert_eq!(ask(&gateway, "admin", Some("jane")).await, 200);
    assert_eq!(ask(&gateway, "admin", Some("root")).await, 403);
    gateway.finish().await;
    assert_eq!(received(&pair.extension), ["things Bearer own jane"]);
    let asked = [
        "tokenreviews Bearer about-tokens",
        "subjectaccessreviews Bearer about-rights",
        "subjectaccessreviews Bearer about-rights",
    ];
    assert_eq!(received(&pair.reviewing), asked);
}

#[tokio::test]
async fn whom_to_ask_is_followed_and_what_is_broken_changes_nothing() {
    let pair = Pair::new().await;
    let identity = IdentityConfig {
        authentication_kubeconfig: pair.authentication(),
        ..IdentityConfig::default()
    };
    let gateway = start(pair.config(identity)).await;
    let reload = || {
        let errors = gateway.handle.reload();
        errors.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    assert_eq!(ask(&gateway, "a", None).await, 200);
    pair.kubeconfig("authentication", &pair.reviewing, "second");
    assert_eq!(reload(), [""; 0]);
    assert_eq!(ask(&gateway, "b", None).await, 200);
    let path = pair.files.write("authentication", "nonsense: [");
    let [error] = reload().try_into().unwrap();
    let expected = format!(
        "gateway.identity.authentication_kubeconfig: the kubeconfig {} is no YAML",
        path.display()
    );
    assert!(error.starts_with(&expected), "{error}");
    assert_eq!(ask(&gateway, "c", None).await, 200);
    let next = reviewing(&pair.authority).await;
    pair.kubeconfig("authentication", &next, "third");
    assert_eq!(reload(), [""; 0]);
    assert_eq!(ask(&gateway, "d", None).await, 200);
    gateway.finish().await;
    let asked = ["about-tokens", "second", "second"];
    let asked = asked.map(|token| format!("tokenreviews Bearer {token}"));
    assert_eq!(received(&pair.reviewing), asked);
    assert_eq!(received(&next), ["tokenreviews Bearer third"]);
}

#[tokio::test]
async fn who_has_no_credentials_to_ask_with_does_not_start() {
    let pair = Pair::new().await;
    let path = pair.kubeconfig("authentication", &pair.reviewing, "");
    let identity = IdentityConfig {
        authentication_kubeconfig: Some(path.clone()),
        ..IdentityConfig::default()
    };
    let auditing = Auditing::new(policy("rules: [{level: None}]"), Recorder::new());
    let refused = Gateway::bind(pair.config(identity), auditing).await;
    let refused = refused.map(|gateway| gateway.address()).unwrap_err();
    let expected = format!(
        "gateway.identity.authentication_kubeconfig: {} has no credentials to ask with",
        path.display()
    );
    assert!(refused.to_string().starts_with(&expected), "{refused}");
}
