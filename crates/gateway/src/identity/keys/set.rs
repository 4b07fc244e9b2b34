//! Public keys, as JWKS documents and PEM files hold them.
//!
//! Only RSA and elliptic-curve keys become keys here, each with the algorithms that fit it, so that an HMAC secret in a document
//! is no key at all, and a public key cannot be taken for a secret. What cannot be used is skipped, as one provider's document
//! may hold keys for many purposes.

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, DecodingKey, crypto};
use serde::Deserialize;
use serde_json::Value;
use x509_parser::certificate::X509Certificate;
use x509_parser::oid_registry::{OID_EC_P256, OID_NIST_EC_P384};
use x509_parser::pem::Pem;
use x509_parser::prelude::FromDer as _;
use x509_parser::public_key::{PublicKey, RSAPublicKey};
use x509_parser::x509::SubjectPublicKeyInfo;

use super::super::config::SigningAlgorithm;
use super::super::jwt::Jwt;

/// Most keys of one source: a token without a key's name is tried with each.
const MOST: usize = 100;

const RSA: &[SigningAlgorithm] = &[
    SigningAlgorithm::RS256,
    SigningAlgorithm::RS384,
    SigningAlgorithm::RS512,
    SigningAlgorithm::PS256,
    SigningAlgorithm::PS384,
    SigningAlgorithm::PS512,
];
const P256: &[SigningAlgorithm] = &[SigningAlgorithm::ES256];
const P384: &[SigningAlgorithm] = &[SigningAlgorithm::ES384];

/// The keys of an issuer.
#[derive(Default)]
pub(crate) struct KeySet {
    keys: Vec<PublicKeyOf>,
}

/// A public key and what it may verify.
struct PublicKeyOf {
    id: Option<String>,
    key: DecodingKey,
    fits: &'static [SigningAlgorithm],
    /// The one algorithm that the document allows, if it names one.
    only: Option<String>,
}

/// What became of a signature.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Verdict {
    /// One of the keys made it.
    Good,
    /// None of the keys that could have made it did.
    Bad,
    /// There is no key that could have made it; there may be one later.
    NoKey,
}

/// Why keys cannot be read.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum KeyError {
    /// Neither PEM nor JSON.
    #[error("expected public keys or certificates in PEM form, or a JWKS document: {0}")]
    Unreadable(String),
    /// A private key, which has no business here.
    #[error("holds a private key; only its public half is needed: `openssl pkey -in FILE -pubout`")]
    Private,
    /// Nothing that can verify a token.
    #[error("holds no RSA, P-256 or P-384 public key")]
    Empty,
}

#[derive(Deserialize)]
struct Document {
    keys: Vec<Value>,
}

/// A key of a document (RFC 7517, RFC 7518 section 6).
#[derive(Deserialize)]
struct Jwk {
    kty: String,
    kid: Option<String>,
    alg: Option<String>,
    #[serde(rename = "use")]
    purpose: Option<String>,
    crv: Option<String>,
    n: Option<String>,
    e: Option<String>,
    x: Option<String>,
    y: Option<String>,
}

impl KeySet {
    /// Reads a JWKS document or PEM text.
    pub(crate) fn read(content: &[u8]) -> Result<Self, KeyError> {
        let is_json = content.trim_ascii_start().starts_with(b"{");
        let mut keys = if is_json {
            jwks(content)?
        } else {
            pem(content)?
        };
        keys.truncate(MOST);
        if keys.is_empty() {
            return Err(KeyError::Empty);
        }
        Ok(Self { keys })
    }

    /// The keys of several sources.
    pub(crate) fn join(sets: impl IntoIterator<Item = Self>) -> Self {
        let keys = sets.into_iter().flat_map(|set| set.keys).take(MOST);
        Self {
            keys: keys.collect(),
        }
    }

    /// Whether one of the keys made a token's signature, with one of the allowed algorithms.
    pub(crate) fn verify(&self, jwt: &Jwt<'_>, allowed: &[SigningAlgorithm]) -> Verdict {
        let Some(algorithm) = jwt.algorithm.filter(|one| allowed.contains(one)) else {
            return Verdict::Bad;
        };
        let mut verdict = Verdict::NoKey;
        for key in self
            .keys
            .iter()
            .filter(|key| key.may_have_made(jwt, algorithm))
        {
            let signed = jwt.signed.as_bytes();
            let is_good = crypto::verify(jwt.signature, signed, &key.key, algorithm.into());
            if is_good.unwrap_or(false) {
                return Verdict::Good;
            }
            verdict = Verdict::Bad;
        }
        // Without a name, the key that made it may be one that is not known yet.
        match verdict {
            Verdict::Bad if jwt.key_id.is_none() => Verdict::NoKey,
            verdict => verdict,
        }
    }
}

impl PublicKeyOf {
    fn may_have_made(&self, jwt: &Jwt<'_>, algorithm: SigningAlgorithm) -> bool {
        let is_named = jwt.key_id.is_none() || jwt.key_id == self.id;
        let is_allowed = |only: &String| *only == format!("{algorithm:?}");
        is_named && self.fits.contains(&algorithm) && self.only.as_ref().is_none_or(is_allowed)
    }
}

fn jwks(content: &[u8]) -> Result<Vec<PublicKeyOf>, KeyError> {
    let document: Document =
        serde_json::from_slice(content).map_err(|error| KeyError::Unreadable(error.to_string()))?;
    let keys = document.keys.into_iter();
    let keys = keys.filter_map(|key| serde_json::from_value(key).ok());
    Ok(keys.filter_map(jwk).collect())
}

fn jwk(jwk: Jwk) -> Option<PublicKeyOf> {
    if jwk.purpose.is_some_and(|purpose| purpose != "sig") {
        return None;
    }
    let (fits, key) = match (jwk.kty.as_str(), jwk.crv.as_deref()) {
        ("RSA", _) => (RSA, DecodingKey::from_rsa_components(&jwk.n?, &jwk.e?)),
        ("EC", Some("P-256")) => (P256, DecodingKey::from_ec_components(&jwk.x?, &jwk.y?)),
        ("EC", Some("P-384")) => (P384, DecodingKey::from_ec_components(&jwk.x?, &jwk.y?)),
        _ => return None,
    };
    Some(PublicKeyOf {
        id: jwk.kid,
        key: key.ok()?,
        fits,
        only: jwk.alg,
    })
}

fn pem(content: &[u8]) -> Result<Vec<PublicKeyOf>, KeyError> {
    let mut keys = Vec::new();
    for block in Pem::iter_from_buffer(content) {
        let block = block.map_err(|error| KeyError::Unreadable(error.to_string()))?;
        match block.label.as_str() {
            "PUBLIC KEY" => keys.extend(public_key(&block.contents)),
            "RSA PUBLIC KEY" => {
                keys.extend(with_algorithm(&block.contents).and_then(|der| public_key(&der)));
            }
            "CERTIFICATE" => {
                let certificate = X509Certificate::from_der(&block.contents);
                let (_, certificate) =
                    certificate.map_err(|error| KeyError::Unreadable(error.to_string()))?;
                keys.extend(public_key(certificate.public_key().raw));
            }
            label if label.ends_with("PRIVATE KEY") => return Err(KeyError::Private),
            _ => {}
        }
    }
    Ok(keys)
}

/// A key with its algorithm (RFC 5280, 4.1).
fn public_key(der: &[u8]) -> Option<PublicKeyOf> {
    let (_, info) = SubjectPublicKeyInfo::from_der(der).ok()?;
    let (fits, key) = match info.parsed().ok()? {
        PublicKey::RSA(key) => (RSA, rsa(&key)),
        PublicKey::EC(point) => {
            let curve = info.algorithm.parameters.as_ref()?.as_oid().ok()?;
            let fits = match curve {
                curve if curve == OID_EC_P256 => P256,
                curve if curve == OID_NIST_EC_P384 => P384,
                _ => return None,
            };
            (fits, DecodingKey::from_ec_der(point.data()))
        }
        _ => return None,
    };
    Some(PublicKeyOf {
        id: Some(key_id(der)),
        key,
        fits,
        only: None,
    })
}

/// An RSA key alone (PKCS #1), with its algorithm written around it: its name is the hash of both.
fn with_algorithm(key: &[u8]) -> Option<Vec<u8>> {
    const RSA_ENCRYPTION: [u8; 15] = [
        0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01, 0x05, 0x00,
    ];
    let bits = der(0x03, &[&[0], key].concat())?;
    der(0x30, &[&RSA_ENCRYPTION, bits.as_slice()].concat())
}

fn der(tag: u8, content: &[u8]) -> Option<Vec<u8>> {
    let [high, low] = u16::try_from(content.len()).ok()?.to_be_bytes();
    let head = match (high, low) {
        (0, 0..=0x7f) => vec![tag, low],
        (0, _) => vec![tag, 0x81, low],
        _ => vec![tag, 0x82, high, low],
    };
    Some([head.as_slice(), content].concat())
}

fn rsa(key: &RSAPublicKey<'_>) -> DecodingKey {
    let bare = |number: &[u8]| -> Vec<u8> {
        let digits = number.iter().skip_while(|byte| **byte == 0);
        digits.copied().collect()
    };
    DecodingKey::from_rsa_raw_components(&bare(key.modulus), &bare(key.exponent))
}

/// The name that Kubernetes gives a key: the hash of how it is written.
fn key_id(der: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(digest(&SHA256, der))
}

impl From<SigningAlgorithm> for Algorithm {
    fn from(algorithm: SigningAlgorithm) -> Self {
        match algorithm {
            SigningAlgorithm::RS256 => Self::RS256,
            SigningAlgorithm::RS384 => Self::RS384,
            SigningAlgorithm::RS512 => Self::RS512,
            SigningAlgorithm::PS256 => Self::PS256,
            SigningAlgorithm::PS384 => Self::PS384,
            SigningAlgorithm::PS512 => Self::PS512,
            SigningAlgorithm::ES256 => Self::ES256,
            SigningAlgorithm::ES384 => Self::ES384,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn reading_never_panics(content in proptest::collection::vec(any::<u8>(), 0..300), label in "(PUBLIC KEY|RSA PUBLIC KEY|CERTIFICATE)") {
            let _ = KeySet::read(&content);
            let text = base64::engine::general_purpose::STANDARD.encode(&content);
            let pem = format!("-----BEGIN {label}-----\n{text}\n-----END {label}-----\n");
            let _ = KeySet::read(pem.as_bytes());
        }

        #[test]
        fn documents_of_any_shape_are_keys_or_an_error(kty in "(RSA|EC|oct|OKP)", crv in "(P-256|P-384|P-521|x)", n in "[A-Za-z0-9_-]{0,90}", e in ".{0,5}") {
            let key = serde_json::json!({"kty": kty, "crv": crv, "n": n, "e": e, "x": n, "y": e, "k": n, "kid": "k"});
            let document = serde_json::json!({"keys": [key, 7, null, {}]}).to_string();
            if let Ok(set) = KeySet::read(document.as_bytes()) {
                let token = "eyJhbGciOiJFUzI1NiJ9.e30.AAAA";
                if let Some(jwt) = Jwt::read(token) {
                    let all = [SigningAlgorithm::RS256, SigningAlgorithm::ES256];
                    prop_assert_ne!(set.verify(&jwt, &all), Verdict::Good);
                }
            }
        }
    }
}
