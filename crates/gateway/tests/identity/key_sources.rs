//! Where public keys come from, and when.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime};

use kubevigil_gateway::identity::{Authenticator, KeySource};
use serde_json::json;

use crate::issuer::{Signer, bearer, ci_bot, jwks};
use crate::request::{asking, authenticator, request};
use crate::tokens::{CI_BOT, cluster, judged};
use crate::upstream::Upstream;

#[tokio::test]
async fn a_private_key_or_no_key_is_an_error_at_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("keys");
    let cases = [
        (
            Signer::p256().private_pem(),
            "holds a private key; only its public half is needed: `openssl pkey -in FILE -pubout`",
        ),
        (
            "nonsense".to_owned(),
            "holds no RSA, P-256 or P-384 public key",
        ),
        (
            r#"{"keys":[{"kty":"oct","k":"c2VjcmV0"}]}"#.to_owned(),
            "holds no RSA, P-256 or P-384 public key",
        ),
        (
            r#"{"keys":7}"#.to_owned(),
            "expected public keys or certificates in PEM form, or a JWKS document: invalid type",
        ),
    ];
    for (content, expected) in cases {
        std::fs::write(&path, &content).unwrap();
        let config = cluster(KeySource::Files(vec![path.clone()]));
        let error = Authenticator::new(&config, None).err().unwrap().to_string();
        assert!(
            error.contains(&format!("{}: {expected}", path.display())),
            "{error}"
        );
    }
}

#[tokio::test]
async fn a_key_that_appears_is_fetched_once_and_made_up_names_do_not_flood() {
    let (old, new) = (Signer::p256(), Signer::p256());
    let documents = [jwks(&[&old]), jwks(&[&old, &new])];
    let fetched = AtomicUsize::new(0);
    let upstream = Upstream::answering(move |_, _| {
        let number = fetched.fetch_add(1, Ordering::Relaxed);
        (200, documents[number.min(1)].clone())
    })
    .await;
    let authenticator = asking(&cluster(KeySource::Upstream), &upstream.reviewer());
    let start = SystemTime::now();
    let at = async |second: u64, token: &str| {
        let (name, value) = bearer(token);
        let parts = request("/", &[(name, &value)]);
        let now = start + Duration::from_secs(second);
        let judgement = authenticator.authenticate(&parts, None, now).await;
        (judgement.is_ok(), upstream.asked().len())
    };
    let tokens = [old.sign(&ci_bot(&json!({}))), new.sign(&ci_bot(&json!({})))];
    let made_up = Signer::p256().sign(&ci_bot(&json!({})));
    let together = tokio::join!(at(0, &tokens[0]), at(0, &tokens[0]), at(0, &tokens[0]));
    assert_eq!([together.0.0, together.1.0, together.2.0], [true; 3]);
    assert_eq!(upstream.asked().len(), 1);
    assert_eq!(upstream.asked()[0].path, "/openid/v1/jwks");
    for _ in 0..50 {
        assert_eq!(at(5, &made_up).await, (false, 1));
    }
    assert_eq!(at(5, &tokens[1]).await, (false, 1));
    assert_eq!(at(11, &tokens[1]).await, (true, 2));
    assert_eq!(at(12, &made_up).await, (false, 2));
    assert_eq!(at(300, &tokens[0]).await, (true, 2));
    // Old keys are fetched again although they suffice, and nobody waits for it.
    assert!(at(700, &tokens[0]).await.0);
    upstream.wait_for(3).await;
}

#[tokio::test]
async fn keys_outlive_an_issuer_that_is_out_of_reach() {
    let signer = Signer::p256();
    let document = jwks(&[&signer]);
    let fetched = AtomicUsize::new(0);
    let upstream = Upstream::answering(move |_, _| match fetched.fetch_add(1, Ordering::Relaxed) {
        0 => (200, document.clone()),
        _ => (503, json!({})),
    })
    .await;
    let authenticator = asking(&cluster(KeySource::Upstream), &upstream.reviewer());
    let (name, value) = bearer(&signer.sign(&ci_bot(&json!({}))));
    let parts = request("/", &[(name, &value)]);
    for (second, fetches) in [(0, 1), (700, 2), (705, 2), (720, 3)] {
        let now = SystemTime::now() + Duration::from_secs(second);
        let judgement = authenticator.authenticate(&parts, None, now).await;
        assert!(judgement.is_ok(), "{second}");
        upstream.wait_for(fetches).await;
    }
}

#[tokio::test]
async fn keys_are_read_from_certificates_and_bare_rsa_keys_too() {
    let signer = Signer::rsa();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("keys.pem");
    for content in [signer.certificate_pem(), signer.bare_pem()] {
        std::fs::write(&path, content).unwrap();
        let authenticator = authenticator(&cluster(KeySource::Files(vec![path.clone()])));
        let token = signer.sign(&ci_bot(&json!({})));
        assert_eq!(judged(&authenticator, &token).await, CI_BOT);
    }
}
