//! Tokens that nobody signed who may.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use kubevigil_gateway::identity::{Authenticator, KeySource};
use serde_json::{Value, json};

use crate::issuer::{Signer, ci_bot, jwks};
use crate::request::authenticator;
use crate::tokens::{CI_BOT, cluster, files, judged};

/// An issuer with keys of all kinds, and a document that holds a secret for HMAC, too.
struct Issuer {
    rsa: Signer,
    p256: Signer,
    p384: Signer,
    authenticator: Authenticator,
}

impl Issuer {
    fn new() -> Self {
        let (rsa, p256, p384) = (Signer::rsa(), Signer::p256(), Signer::p384());
        let (folder, mut keys) = files(&[&rsa, &p256, &p384]);
        let mut document = jwks(&[&rsa]);
        let secret = json!({"kty": "oct", "kid": "secret", "alg": "HS256", "k": URL_SAFE_NO_PAD.encode("secret")});
        document["keys"].as_array_mut().unwrap().push(secret);
        keys.push(folder.path().join("jwks.json"));
        std::fs::write(keys.last().unwrap(), document.to_string()).unwrap();
        Self {
            authenticator: authenticator(&cluster(KeySource::Files(keys))),
            rsa,
            p256,
            p384,
        }
    }

    async fn refuses(&self, what: &str, token: &str) {
        assert_eq!(judged(&self.authenticator, token).await, "401", "{what}");
    }
}

fn named(algorithm: Algorithm, name: &str) -> Header {
    let mut header = Header::new(algorithm);
    header.kid = Some(name.to_owned());
    header
}

#[tokio::test]
async fn a_header_of_ones_own_does_not_make_another_signature_good() {
    let issuer = Issuer::new();
    let claims = ci_bot(&json!({}));
    let good = issuer.rsa.sign(&claims);
    assert_eq!(judged(&issuer.authenticator, &good).await, CI_BOT);
    let (_, signature) = good.rsplit_once('.').unwrap();
    let (rsa, p256) = (&issuer.rsa.id, &issuer.p256.id);
    let own_key = jwks(&[&issuer.p256])["keys"][0].clone();
    let headers = [
        json!({"alg": "none"}),
        json!({"alg": "none", "kid": rsa}),
        json!({"alg": "None", "kid": rsa}),
        json!({"alg": "", "kid": rsa}),
        json!({"kid": rsa}),
        json!({"alg": "RS256", "kid": p256}),
        json!({"alg": "ES256", "kid": rsa}),
        json!({"alg": "ES256", "kid": p256}),
        json!({"alg": "RS256", "kid": rsa, "crit": ["exp"]}),
        json!({"alg": "ES256", "jwk": own_key}),
        json!({"alg": "RS256", "kid": 7}),
    ];
    let encode = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    for header in headers {
        for signature in ["", signature] {
            let token = format!("{}.{}.{signature}", encode(&header), encode(&claims));
            issuer.refuses(&header.to_string(), &token).await;
        }
    }
}

#[tokio::test]
async fn a_public_key_is_no_secret_and_a_secret_is_no_key() {
    let issuer = Issuer::new();
    let claims = ci_bot(&json!({}));
    let (rsa, p256) = (issuer.rsa.public_pem(), issuer.p256.public_pem());
    for algorithm in [Algorithm::HS256, Algorithm::HS384, Algorithm::HS512] {
        let keys: [(&[u8], &str); 4] = [
            (rsa.as_bytes(), &issuer.rsa.id),
            (p256.as_bytes(), &issuer.p256.id),
            (b"secret", "secret"),
            (b"", &issuer.rsa.id),
        ];
        for (secret, name) in keys {
            let key = EncodingKey::from_secret(secret);
            let token = encode(&named(algorithm, name), &claims, &key).unwrap();
            issuer.refuses(name, &token).await;
        }
    }
}

#[tokio::test]
async fn signatures_of_others_and_broken_ones_are_refused() {
    let issuer = Issuer::new();
    let (rsa, stranger) = (&issuer.rsa, Signer::rsa());
    let claims = ci_bot(&json!({}));
    let with =
        |signer: &Signer, algorithm, name: &str| signer.sign_with(&named(algorithm, name), &claims);
    let good = rsa.sign(&claims);
    let (signed, signature) = good.rsplit_once('.').unwrap();
    let (head, _) = signed.split_once('.').unwrap();
    let other = URL_SAFE_NO_PAD.encode(ci_bot(&json!({"jti": "other"})).to_string());
    let elliptic = issuer.p256.sign(&claims);
    let (elliptic, _) = elliptic.rsplit_once('.').unwrap();
    let zero = URL_SAFE_NO_PAD.encode([0; 64]);
    let cases = [
        (
            "P-384 under the name of P-256",
            with(&issuer.p384, Algorithm::ES384, &issuer.p256.id),
        ),
        (
            "a stranger's under our name",
            with(&stranger, Algorithm::RS256, &rsa.id),
        ),
        (
            "a stranger's without a name",
            stranger.sign_with(&Header::new(Algorithm::RS256), &claims),
        ),
        (
            "an algorithm that is not in the list",
            with(rsa, Algorithm::RS512, &rsa.id),
        ),
        ("other claims", format!("{head}.{other}.{signature}")),
        (
            "cut",
            format!("{signed}.{}", &signature[..signature.len() - 4]),
        ),
        ("longer", format!("{good}AAAA")),
        ("empty", format!("{signed}.")),
        ("zero", format!("{elliptic}.{zero}")),
        ("nonsense", "a.b.c".to_owned()),
        ("nothing", "..".to_owned()),
    ];
    for (what, token) in cases {
        issuer.refuses(what, &token).await;
    }
}
