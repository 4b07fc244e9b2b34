//! Tokens that the gateway verifies itself.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use kubevigil_gateway::identity::{
    Authenticator, IdentityConfig, KeySource, Method, OidcConfig, ServiceAccountConfig,
    SigningAlgorithm,
};
use serde_json::{Value, json};

use crate::authority::{Authority, stranger};
use crate::issuer::{CLUSTER, Signer, bearer, ci_bot, jwks, seconds};
use crate::request::{asking, authenticator, judge, request, said};
use crate::upstream::Upstream;

const CI_BOT: &str = "system:serviceaccount:dev:ci-bot|431faed7-294a-4eb1-9b20-63129b8b9c9a|\
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

async fn judged(authenticator: &Authenticator, token: &str) -> String {
    let (name, value) = bearer(token);
    said(&judge(authenticator, &[(name, &value)], &stranger()).await)
}

/// Files that hold the keys, and the folder that holds the files.
fn files(signers: &[&Signer]) -> (tempfile::TempDir, Vec<PathBuf>) {
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

/// A token with a header, claims and signature of one's own.
fn forged(header: &Value, claims: &Value, signature: &str) -> String {
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    format!("{}.{}.{signature}", part(header), part(claims))
}

#[tokio::test]
async fn no_way_leads_from_a_public_key_to_a_token() {
    let (rsa, p256, p384, stranger) =
        (Signer::rsa(), Signer::p256(), Signer::p384(), Signer::rsa());
    let (folder, mut keys) = files(&[&rsa, &p256, &p384]);
    // A document with a secret for HMAC: it is no key.
    let secret = json!({"keys": [{"kty": "oct", "kid": "secret", "alg": "HS256", "k": URL_SAFE_NO_PAD.encode("secret")},
        jwks(&[&rsa])["keys"][0].clone()]});
    let document = folder.path().join("jwks.json");
    std::fs::write(&document, secret.to_string()).unwrap();
    keys.push(document);
    let authenticator = authenticator(&cluster(KeySource::Files(keys)));

    let claims = ci_bot(&json!({}));
    let good = rsa.sign(&claims);
    let (signed, signature) = good.rsplit_once('.').unwrap();
    let hmac = |secret: &[u8], kid: &str| {
        let mut header = Header::new(Algorithm::HS256);
        header.kid = Some(kid.to_owned());
        encode(&header, &claims, &EncodingKey::from_secret(secret)).unwrap()
    };
    let named = |algorithm, signer: &Signer| Header {
        kid: Some(signer.id.clone()),
        ..Header::new(algorithm)
    };
    let mut masters = claims.clone();
    masters["sub"] = json!("system:serviceaccount:kube-system:admin");
    let tampered = forged(&json!({"alg": "RS256", "kid": rsa.id}), &masters, signature);
    let cases = [
        ("none", forged(&json!({"alg": "none"}), &claims, "")),
        (
            "none, named",
            forged(&json!({"alg": "none", "kid": rsa.id}), &claims, ""),
        ),
        (
            "None",
            forged(&json!({"alg": "None", "kid": rsa.id}), &claims, signature),
        ),
        (
            "no algorithm",
            forged(&json!({"kid": rsa.id}), &claims, signature),
        ),
        (
            "the PEM text as HMAC secret",
            hmac(rsa.public_pem().as_bytes(), &rsa.id),
        ),
        (
            "the PEM text of an EC key",
            hmac(p256.public_pem().as_bytes(), &p256.id),
        ),
        ("the secret of the document", hmac(b"secret", "secret")),
        (
            "an EC key said to be RSA",
            forged(&json!({"alg": "RS256", "kid": p256.id}), &claims, signature),
        ),
        (
            "an RSA key said to be EC",
            forged(&json!({"alg": "ES256", "kid": rsa.id}), &claims, signature),
        ),
        (
            "P-384 said to be P-256",
            p384.sign_with(&named(Algorithm::ES384, &p256), &claims),
        ),
        (
            "another's key under this name",
            stranger.sign_with(&named(Algorithm::RS256, &rsa), &claims),
        ),
        (
            "another's key without a name",
            stranger.sign_with(&Header::new(Algorithm::RS256), &claims),
        ),
        ("claims changed", tampered),
        (
            "signature cut",
            format!("{signed}.{}", &signature[..signature.len() - 4]),
        ),
        ("signature empty", format!("{signed}.")),
        (
            "signature zero",
            format!(
                "{}.{}",
                p256.sign(&claims).rsplit_once('.').unwrap().0,
                URL_SAFE_NO_PAD.encode([0; 64])
            ),
        ),
        (
            "key in the token",
            forged(
                &json!({"alg": "RS256", "jwk": jwks(&[&stranger])["keys"][0]}),
                &claims,
                signature,
            ),
        ),
        (
            "not in the list",
            rsa.sign_with(&named(Algorithm::RS512, &rsa), &claims),
        ),
        (
            "crit",
            forged(
                &json!({"alg": "RS256", "kid": rsa.id, "crit": ["exp"]}),
                &claims,
                signature,
            ),
        ),
        ("nonsense", "a.b.c".to_owned()),
        ("empty parts", "..".to_owned()),
    ];
    assert_eq!(judged(&authenticator, &good).await, CI_BOT);
    for (what, token) in cases {
        assert_eq!(judged(&authenticator, &token).await, "401", "{what}");
    }
}

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
    let fetched = std::sync::atomic::AtomicUsize::new(0);
    let upstream = Upstream::answering(move |_, _| {
        let number = fetched.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
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
    let fetched = std::sync::atomic::AtomicUsize::new(0);
    let upstream = Upstream::answering(move |_, _| {
        match fetched.fetch_add(1, std::sync::atomic::Ordering::Relaxed) {
            0 => (200, document.clone()),
            _ => (503, json!({})),
        }
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
