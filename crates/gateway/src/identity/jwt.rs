//! Tokens that say themselves whose they are (JWT in its compact form, RFC 7519).
//!
//! What a token says of itself decides only which issuer's keys are asked; nothing of it is believed before the signature is
//! verified. The algorithm is one of the issuer's list and must fit the key, and no list can hold `none` or HMAC: there is no
//! way from a public key to a signature. Times are compared with the clock of the caller.

use std::time::{Duration, SystemTime};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::config::SigningAlgorithm;

/// A token that has the form of a JWT. Nothing of it is verified.
#[derive(Debug)]
pub(super) struct Jwt<'t> {
    pub(super) algorithm: Option<SigningAlgorithm>,
    /// The name of the key, if the token names one.
    pub(super) key_id: Option<String>,
    /// What is signed: header and claims as they came.
    pub(super) signed: &'t str,
    pub(super) signature: &'t str,
    pub(super) claims: Map<String, Value>,
}

#[derive(Deserialize)]
struct Header {
    alg: String,
    #[serde(default)]
    kid: Option<String>,
    /// Extensions that a reader must understand; none is understood here (RFC 7515, 4.1.11).
    #[serde(default)]
    crit: Option<Value>,
}

/// Why the times of a token do not fit.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub(super) enum TimeError {
    #[error("it has expired")]
    Expired,
    #[error("it is not valid yet")]
    NotYet,
    #[error("it was issued in the future")]
    Future,
    #[error("it has no expiry")]
    Endless,
}

impl<'t> Jwt<'t> {
    /// Reads a token; `None` when it is no JWT.
    pub(super) fn read(token: &'t str) -> Option<Self> {
        let (signed, signature) = token.rsplit_once('.')?;
        let (header, claims) = signed.split_once('.')?;
        let decode = |part: &str| URL_SAFE_NO_PAD.decode(part).ok();
        let header: Header = serde_json::from_slice(&decode(header)?).ok()?;
        let claims: Map<String, Value> = serde_json::from_slice(&decode(claims)?).ok()?;
        let is_plain = header.crit.is_none() && !signature.contains('.');
        is_plain.then(|| Self {
            algorithm: SigningAlgorithm::parse(&header.alg),
            key_id: header.kid.filter(|kid| !kid.is_empty()),
            signed,
            signature,
            claims,
        })
    }

    /// Who issued it, by its own account.
    pub(super) fn issuer(&self) -> &str {
        self.text("iss").unwrap_or_default()
    }

    /// A claim that is a text.
    pub(super) fn text(&self, claim: &str) -> Option<&str> {
        self.claims.get(claim)?.as_str()
    }

    /// Whether it is meant for one of the audiences.
    pub(super) fn is_for(&self, audiences: &[String]) -> bool {
        let wanted = |audience: &Value| {
            let audience = audience.as_str();
            audiences
                .iter()
                .any(|wanted| Some(wanted.as_str()) == audience)
        };
        match self.claims.get("aud") {
            Some(Value::Array(list)) => list.iter().any(wanted),
            Some(one) => wanted(one),
            None => false,
        }
    }

    /// When it expires; a token without an expiry is not taken. `leeway` is for clocks that differ.
    pub(super) fn check_times(
        &self,
        now: SystemTime,
        leeway: &Leeway,
    ) -> Result<SystemTime, TimeError> {
        let seconds = now
            .duration_since(SystemTime::UNIX_EPOCH)
            .unwrap_or_default();
        let now = seconds.as_secs_f64();
        let expiry = self.seconds("exp").ok_or(TimeError::Endless)?;
        if now - leeway.after.as_secs_f64() >= expiry {
            return Err(TimeError::Expired);
        }
        let soon = now + leeway.before.as_secs_f64();
        if self.seconds("nbf").is_some_and(|start| soon < start) {
            return Err(TimeError::NotYet);
        }
        if leeway.checks_issue && self.seconds("iat").is_some_and(|issued| soon < issued) {
            return Err(TimeError::Future);
        }
        // Later than 2106 is never: a clock cannot add to every time that a token can name.
        let expiry = expiry.clamp(0.0, f64::from(u32::MAX));
        Ok(SystemTime::UNIX_EPOCH + Duration::from_secs_f64(expiry))
    }

    /// A time, in seconds since 1970. A time that is no number is a time that has passed, or has not come.
    fn seconds(&self, claim: &str) -> Option<f64> {
        let value = self.claims.get(claim)?;
        let unusable = if claim == "exp" {
            f64::NEG_INFINITY
        } else {
            f64::INFINITY
        };
        Some(value.as_f64().unwrap_or(unusable))
    }
}

/// How far clocks may differ.
#[derive(Clone, Copy, Debug)]
pub(super) struct Leeway {
    /// After the expiry.
    pub(super) after: Duration,
    /// Before the beginning.
    pub(super) before: Duration,
    /// Whether a token from the future is refused.
    pub(super) checks_issue: bool,
}

impl SigningAlgorithm {
    fn parse(name: &str) -> Option<Self> {
        Some(match name {
            "RS256" => Self::RS256,
            "RS384" => Self::RS384,
            "RS512" => Self::RS512,
            "PS256" => Self::PS256,
            "PS384" => Self::PS384,
            "PS512" => Self::PS512,
            "ES256" => Self::ES256,
            "ES384" => Self::ES384,
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn token(header: &str, claims: &str) -> String {
        let encode = |text: &str| URL_SAFE_NO_PAD.encode(text);
        format!("{}.{}.c2ln", encode(header), encode(claims))
    }

    #[test]
    fn what_is_no_plain_jwt_is_none() {
        let good = r#"{"alg":"RS256","kid":"k"}"#;
        let cases = [
            (token(good, r#"{"iss":"a"}"#), true),
            (token(r#"{"alg":"none"}"#, "{}"), true),
            (token(good, "[]"), false),
            (token(good, "{"), false),
            (token("{}", "{}"), false),
            (
                token(r#"{"alg":"RS256","crit":["b64"],"b64":false}"#, "{}"),
                false,
            ),
            (token(r#"{"alg":"RS256","alg":"RS384"}"#, "{}"), false),
            (token(good, "{}") + ".x", false),
            (r#"{"payload":"","signatures":[]}"#.to_owned(), false),
            ("a.b".to_owned(), false),
            (String::new(), false),
        ];
        for (token, expected) in cases {
            assert_eq!(Jwt::read(&token).is_some(), expected, "{token}");
        }
    }

    #[test]
    fn no_algorithm_without_a_public_key_has_a_name() {
        for name in [
            "none", "None", "", "HS256", "HS384", "HS512", "EdDSA", "rs256", "ES512",
        ] {
            assert_eq!(SigningAlgorithm::parse(name), None, "{name}");
        }
    }

    #[test]
    fn times_are_compared_with_the_clock_that_is_given() {
        let leeway = Leeway {
            after: Duration::from_secs(10),
            before: Duration::from_secs(60),
            checks_issue: true,
        };
        let cases: [(&str, Result<(), TimeError>); 12] = [
            (r#"{"exp":1001}"#, Ok(())),
            (r#"{"exp":991}"#, Ok(())),
            (r#"{"exp":990}"#, Err(TimeError::Expired)),
            (r#"{"exp":990.5}"#, Ok(())),
            (r#"{"exp":"1001"}"#, Err(TimeError::Expired)),
            (r#"{"exp":null}"#, Err(TimeError::Expired)),
            (r#"{"exp":1e300}"#, Ok(())),
            (r#"{}"#, Err(TimeError::Endless)),
            (r#"{"exp":2000,"nbf":1060}"#, Ok(())),
            (r#"{"exp":2000,"nbf":1061}"#, Err(TimeError::NotYet)),
            (r#"{"exp":2000,"nbf":"x"}"#, Err(TimeError::NotYet)),
            (r#"{"exp":2000,"iat":1061}"#, Err(TimeError::Future)),
        ];
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1000);
        for (claims, expected) in cases {
            let token = token(r#"{"alg":"RS256"}"#, claims);
            let found = Jwt::read(&token).unwrap().check_times(now, &leeway);
            assert_eq!(found.map(drop), expected, "{claims}");
        }
    }

    #[test]
    fn one_audience_of_several_is_enough() {
        let audiences = ["a".to_owned(), "b".to_owned()];
        let cases = [
            (r#"{"aud":"a"}"#, true),
            (r#"{"aud":["x","b"]}"#, true),
            (r#"{"aud":["x"]}"#, false),
            (r#"{"aud":[]}"#, false),
            (r#"{"aud":[1,null]}"#, false),
            (r#"{}"#, false),
        ];
        for (claims, expected) in cases {
            let token = token(r#"{"alg":"RS256"}"#, claims);
            assert_eq!(
                Jwt::read(&token).unwrap().is_for(&audiences),
                expected,
                "{claims}"
            );
        }
    }

    proptest! {
        #[test]
        fn reading_never_panics(token in ".{0,200}", claims in ".{0,100}") {
            let _ = Jwt::read(&token);
            let _ = Jwt::read(&self::token(r#"{"alg":"RS256"}"#, &claims));
        }
    }
}
