//! Users of OpenID Connect providers.

use std::collections::BTreeMap;

use kubevigil_gateway::identity::{
    Authenticator, IdentityConfig, KeySource, OidcConfig, SigningAlgorithm,
};
use serde_json::{Value, json};

use crate::authority::Authority;
use crate::issuer::{Signer, jwks, seconds};
use crate::request::authenticator;
use crate::tokens::{cluster, judged};
use crate::upstream::Upstream;

fn provider(issuer: &str) -> OidcConfig {
    OidcConfig {
        username_claim: "email".to_owned(),
        groups_claim: Some("groups".to_owned()),
        groups_prefix: Some("oidc:".to_owned()),
        required_claims: BTreeMap::from([("hd".to_owned(), "example.com".to_owned())]),
        ..OidcConfig::new(issuer, "kubernetes")
    }
}

fn jane(issuer: &str, changes: &Value) -> Value {
    let mut claims = json!({
        "iss": issuer, "aud": "kubernetes", "exp": seconds() + 600, "sub": "1", "jti": "t-1",
        "email": "jane@example.com", "email_verified": true, "groups": ["dev"], "hd": "example.com",
    });
    for (name, value) in changes.as_object().unwrap() {
        claims[name] = value.clone();
    }
    claims
}

#[tokio::test]
async fn users_of_a_provider_are_found_through_its_discovery_document() {
    let signer = Signer::rsa();
    let document = jwks(&[&signer]);
    let address = std::sync::Arc::new(std::sync::OnceLock::<String>::new());
    let known = std::sync::Arc::clone(&address);
    let upstream = Upstream::answering(move |path, _| match path {
        "/id/.well-known/openid-configuration" => {
            let base = format!("http://{}/id", known.get().unwrap());
            (
                200,
                json!({"issuer": base, "jwks_uri": format!("{base}/keys")}),
            )
        }
        "/id/keys" => (200, document.clone()),
        _ => (404, json!({})),
    })
    .await;
    address.set(upstream.address.clone()).unwrap();
    let issuer = format!("http://{}/id", upstream.address);
    let config = IdentityConfig {
        oidc: vec![provider(&issuer)],
        ..IdentityConfig::default()
    };
    let authenticator = authenticator(&config);
    const JANE: &str = "jane@example.com||oidc:dev,system:authenticated|authentication.kubernetes.io/credential-id=JTI=t-1";
    let cases = [
        (json!({}), JANE),
        (json!({"aud": "another"}), "401"),
        (json!({"exp": seconds() - 1}), "401"),
        (json!({"email_verified": false}), "401"),
        (json!({"hd": "evil.example"}), "401"),
        (json!({"iss": "https://evil.example"}), "401"),
    ];
    for (changes, expected) in cases {
        let token = signer.sign(&jane(&issuer, &changes));
        assert_eq!(judged(&authenticator, &token).await, expected, "{changes}");
    }
    let other = Signer::p256().sign(&jane(&issuer, &json!({})));
    assert_eq!(judged(&authenticator, &other).await, "401");
}

#[tokio::test]
async fn a_document_of_another_issuer_is_not_believed() {
    let signer = Signer::rsa();
    let document = jwks(&[&signer]);
    let upstream = Upstream::answering(move |path, _| match path {
        "/keys" => (200, document.clone()),
        _ => (200, json!({"issuer": "https://other", "jwks_uri": "/keys"})),
    })
    .await;
    let issuer = format!("http://{}", upstream.address);
    let config = IdentityConfig {
        oidc: vec![provider(&issuer)],
        ..IdentityConfig::default()
    };
    let token = signer.sign(&jane(&issuer, &json!({})));
    assert_eq!(judged(&authenticator(&config), &token).await, "401");
    // The same keys at an address that the operator names are.
    let mut config = config;
    config.oidc[0].keys = KeySource::Url(format!("{issuer}/keys"));
    assert!(
        judged(&authenticator(&config), &token)
            .await
            .starts_with("jane@example.com|")
    );
}

#[test]
fn settings_that_cannot_work_are_errors_at_the_start() {
    let with_keys = |address: &str| IdentityConfig {
        oidc: vec![OidcConfig {
            keys: KeySource::Url(address.to_owned()),
            ..OidcConfig::new("https://id.example", "kubernetes")
        }],
        ..IdentityConfig::default()
    };
    let mut no_audience = with_keys("https://id.example/keys");
    no_audience.oidc[0].audiences.clear();
    let cases = [
        (
            cluster(KeySource::Upstream),
            "identity.service_accounts: keys of the upstream need an upstream with credentials",
        ),
        (
            with_keys("http://id.example/keys"),
            "identity.oidc: http://id.example/keys: keys are fetched over https only, or from this machine",
        ),
        (
            with_keys("keys"),
            "identity.oidc: keys: relative URL without a base",
        ),
        (
            no_audience,
            "identity.oidc.audiences: at least one is needed, and none may be empty",
        ),
        (
            IdentityConfig {
                token_review: Some(Default::default()),
                ..IdentityConfig::default()
            },
            "identity.token_review needs an upstream with credentials of the gateway's own",
        ),
    ];
    for (config, expected) in cases {
        let error = Authenticator::new(&config, None).err().unwrap();
        assert_eq!(error.to_string(), expected);
    }
}

#[tokio::test]
async fn a_provider_is_believed_over_https_of_its_own_authority_only() {
    let (authority, other) = (Authority::new(), Authority::new());
    let signer = Signer::p256();
    let document = jwks(&[&signer]);
    let upstream = Upstream::answering_tls(&authority, move |_, _| (200, document.clone())).await;
    let issuer = "https://id.example";
    for (authority, is_good) in [(&authority, true), (&other, false)] {
        let mut provider = provider(issuer);
        provider.keys = KeySource::Url(format!("https://{}/keys", upstream.address));
        provider.ca_file = Some(authority.file());
        provider.signing_algorithms = vec![SigningAlgorithm::ES256];
        let config = IdentityConfig {
            oidc: vec![provider],
            ..IdentityConfig::default()
        };
        let token = signer.sign(&jane(issuer, &json!({})));
        let found = judged(&authenticator(&config), &token).await;
        assert_eq!(found != "401", is_good, "{found}");
    }
}
