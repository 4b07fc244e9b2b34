//! Tokens that the gateway verifies itself.

use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::Header;
use kubevigil_gateway::identity::{
    Authenticator, IdentityConfig, KeySource, Method, ServiceAccountConfig, SigningAlgorithm,
};
use serde_json::json;

use crate::authority::stranger;
use crate::issuer::{CLUSTER, Signer, bearer, ci_bot, jwks, seconds};
use crate::request::{authenticator, judge, request, said};

pub(crate) const CI_BOT: &str = "system:serviceaccount:dev:ci-bot|431faed7-294a-4eb1-9b20-63129b8b9c9a|\
     system:serviceaccounts,system:serviceaccounts:dev,system:authenticated|\
     authentication.kubernetes.io/credential-id=JTI=a7a1bda6-990c-42e6-a6dc-40431906c7b1";

pub(crate) fn cluster(keys: KeySource) -> IdentityConfig {
    IdentityConfig {
        service_accounts: Some(ServiceAccountConfig {
            issuers: vec![CLUSTER.to_owned()],
            audiences: Vec::new(),
            keys,
        }),
        ..IdentityConfig::default()
    }
}

/// Who somebody with a token is.
pub(crate) async fn judged(authenticator: &Authenticator, token: &str) -> String {
    let (name, value) = bearer(token);
    said(&judge(authenticator, &[(name, &value)], &stranger()).await)
}

/// Files that hold the keys, and the folder that holds the files.
pub(crate) fn files(signers: &[&Signer]) -> (tempfile::TempDir, Vec<PathBuf>) {
    let folder = tempfile::tempdir().unwrap();
    let files = signers
        .iter()
        .map(|signer| signer.file(folder.path()))
        .collect();
    (folder, files)
}

#[tokio::test]
async fn service_accounts_are_known_by_signature_whatever_the_key() {
    let signers = [Signer::rsa(), Signer::p256(), Signer::p384()];
    let all: Vec<&Signer> = signers.iter().collect();
    let (folder, pem) = files(&all);
    let document = folder.path().join("jwks.json");
    std::fs::write(&document, jwks(&all).to_string()).unwrap();
    for keys in [pem, vec![document]] {
        let authenticator = authenticator(&cluster(KeySource::Files(keys)));
        for signer in &signers {
            assert_eq!(
                judged(&authenticator, &signer.sign(&ci_bot(&json!({})))).await,
                CI_BOT
            );
            // A token that does not name its key is tried with each.
            let nameless = signer.sign_with(&Header::new(signer.algorithm()), &ci_bot(&json!({})));
            assert_eq!(judged(&authenticator, &nameless).await, CI_BOT);
        }
    }
}

#[tokio::test]
async fn claims_that_are_not_good_are_refused() {
    let signer = Signer::p256();
    let (_folder, keys) = files(&[&signer]);
    let authenticator = authenticator(&cluster(KeySource::Files(keys)));
    let now = seconds();
    let cases = [
        (json!({"exp": now - 30}), true),
        (json!({"exp": now - 61}), false),
        (json!({"exp": null}), false),
        (json!({"nbf": now + 30}), true),
        (json!({"nbf": now + 120}), false),
        (json!({"iat": now + 120}), false),
        (json!({"aud": [CLUSTER, "vault"]}), true),
        (json!({"aud": ["vault"]}), false),
        (json!({"aud": CLUSTER}), true),
        (json!({"aud": null}), false),
        (json!({"iss": "https://elsewhere"}), false),
        (
            json!({"sub": "system:serviceaccount:kube-system:admin"}),
            false,
        ),
        (json!({"kubernetes.io": {"namespace": "dev"}}), false),
    ];
    for (changes, is_good) in cases {
        let found = judged(&authenticator, &signer.sign(&ci_bot(&changes))).await;
        assert_eq!(found != "401", is_good, "{changes}: {found}");
    }
}

#[tokio::test]
async fn time_is_that_of_the_caller() {
    let signer = Signer::p256();
    let (_folder, keys) = files(&[&signer]);
    let authenticator = authenticator(&cluster(KeySource::Files(keys)));
    let (name, value) = bearer(&signer.sign(&ci_bot(&json!({}))));
    let parts = request("/", &[(name, &value)]);
    let now = SystemTime::now();
    for (hours, is_good) in [(0, true), (2, false), (0, true)] {
        let then = now + Duration::from_secs(hours * 3600);
        let judgement = authenticator.authenticate(&parts, None, then).await;
        assert_eq!(judgement.is_ok(), is_good, "{hours}");
    }
    let before = now - Duration::from_secs(3600);
    assert!(
        authenticator
            .authenticate(&parts, None, before)
            .await
            .is_err()
    );
}

#[tokio::test]
async fn a_web_socket_may_bring_its_token_as_a_subprotocol() {
    let signer = Signer::p256();
    let (_folder, keys) = files(&[&signer]);
    let authenticator = authenticator(&cluster(KeySource::Files(keys)));
    let protocol = |token: &str| {
        let token = URL_SAFE_NO_PAD.encode(token);
        format!("base64url.bearer.authorization.k8s.io.{token}, v4.channel.k8s.io")
    };
    let good = protocol(&signer.sign(&ci_bot(&json!({}))));
    let socket = async |protocols: &str, authorization: &str| {
        let headers = [
            ("upgrade", "websocket"),
            ("connection", "Upgrade"),
            ("sec-websocket-protocol", protocols),
            ("authorization", authorization),
        ];
        judge(&authenticator, &headers, &stranger()).await
    };
    let judgement = socket(&good, "").await;
    assert_eq!(said(&judgement), CI_BOT);
    assert_eq!(judgement.unwrap().by, Method::Subprotocol);
    assert_eq!(said(&socket(&protocol("nonsense"), "").await), "401");
    // A bad header does not spoil a good subprotocol, as in kube-apiserver.
    assert_eq!(said(&socket(&good, "Bearer nonsense").await), CI_BOT);
}

#[test]
fn the_list_of_algorithms_is_closed() {
    for name in ["none", "HS256", "HS512", "EdDSA", "ES512"] {
        assert!(
            serde_json::from_value::<SigningAlgorithm>(json!(name)).is_err(),
            "{name}"
        );
    }
    assert!(serde_json::from_value::<SigningAlgorithm>(json!("PS256")).is_ok());
}
