//! Issuers that sign tokens.

use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::jwk::{Jwk, JwkSet};
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use rcgen::{KeyPair, PublicKeyData as _, SignatureAlgorithm};
use serde_json::{Value, json};

pub(crate) const CLUSTER: &str = "https://kubernetes.default.svc.cluster.local";

/// A key pair of an issuer.
pub(crate) struct Signer {
    pair: KeyPair,
    key: EncodingKey,
    algorithm: Algorithm,
    /// The name that Kubernetes gives the key.
    pub(crate) id: String,
}

impl Signer {
    pub(crate) fn rsa() -> Self {
        Self::new(&rcgen::PKCS_RSA_SHA256, Algorithm::RS256)
    }

    pub(crate) fn p256() -> Self {
        Self::new(&rcgen::PKCS_ECDSA_P256_SHA256, Algorithm::ES256)
    }

    pub(crate) fn p384() -> Self {
        Self::new(&rcgen::PKCS_ECDSA_P384_SHA384, Algorithm::ES384)
    }

    fn new(kind: &'static SignatureAlgorithm, algorithm: Algorithm) -> Self {
        let pair = KeyPair::generate_for(kind).unwrap();
        let pem = pair.serialize_pem();
        let key = match algorithm {
            Algorithm::RS256 => EncodingKey::from_rsa_pem(pem.as_bytes()),
            _ => EncodingKey::from_ec_pem(pem.as_bytes()),
        };
        let id = URL_SAFE_NO_PAD.encode(digest(&SHA256, &pair.subject_public_key_info()));
        Self {
            pair,
            key: key.unwrap(),
            algorithm,
            id,
        }
    }

    /// A token with the key's name.
    pub(crate) fn sign(&self, claims: &Value) -> String {
        let mut header = Header::new(self.algorithm);
        header.kid = Some(self.id.clone());
        self.sign_with(&header, claims)
    }

    pub(crate) fn sign_with(&self, header: &Header, claims: &Value) -> String {
        encode(header, claims, &self.key).unwrap()
    }

    pub(crate) fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    pub(crate) fn public_pem(&self) -> String {
        self.pair.public_key_pem()
    }

    pub(crate) fn private_pem(&self) -> String {
        self.pair.serialize_pem()
    }

    /// A certificate of the key.
    pub(crate) fn certificate_pem(&self) -> String {
        let params = rcgen::CertificateParams::new(vec![]).unwrap();
        params.self_signed(&self.pair).unwrap().pem()
    }

    /// An RSA key without its algorithm (PKCS #1).
    pub(crate) fn bare_pem(&self) -> String {
        let text = base64::engine::general_purpose::STANDARD.encode(self.pair.public_key_raw());
        format!("-----BEGIN RSA PUBLIC KEY-----\n{text}\n-----END RSA PUBLIC KEY-----\n")
    }

    /// A file with the public key.
    pub(crate) fn file(&self, folder: &Path) -> PathBuf {
        let path = folder.join(format!("{}.pem", self.id));
        std::fs::write(&path, self.public_pem()).unwrap();
        path
    }

    fn jwk(&self) -> Jwk {
        let mut jwk = Jwk::from_encoding_key(&self.key, self.algorithm).unwrap();
        jwk.common.key_id = Some(self.id.clone());
        jwk
    }
}

/// The document with the public keys of signers.
pub(crate) fn jwks(signers: &[&Signer]) -> Value {
    let keys = signers.iter().map(|signer| signer.jwk()).collect();
    serde_json::to_value(JwkSet { keys }).unwrap()
}

pub(crate) fn seconds() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap()
        .as_secs()
}

/// The claims of a token of the service account `dev/ci-bot`, changed as told.
pub(crate) fn ci_bot(changes: &Value) -> Value {
    let now = seconds();
    let mut claims = json!({
        "aud": [CLUSTER],
        "exp": now + 3600,
        "iat": now,
        "nbf": now,
        "iss": CLUSTER,
        "jti": "a7a1bda6-990c-42e6-a6dc-40431906c7b1",
        "kubernetes.io": {
            "namespace": "dev",
            "serviceaccount": {"name": "ci-bot", "uid": "431faed7-294a-4eb1-9b20-63129b8b9c9a"},
        },
        "sub": "system:serviceaccount:dev:ci-bot",
    });
    for (name, value) in changes.as_object().unwrap() {
        claims[name] = value.clone();
    }
    claims
}

/// An `Authorization` header.
pub(crate) fn bearer(token: &str) -> (&'static str, String) {
    ("authorization", format!("Bearer {token}"))
}
