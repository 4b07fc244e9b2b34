//! Users of OpenID Connect providers, as the claims of their tokens have them.
//!
//! Claims that are kept elsewhere (distributed claims) are not fetched: a token with such groups has none here.

use std::collections::BTreeMap;

use kubevigil_record::event::UserInfo;
use serde_json::Value;

use super::super::account::CREDENTIAL_ID;
use super::super::config::OidcConfig;
use super::super::jwt::Jwt;

const EMAIL: &str = "email";
const EMAIL_VERIFIED: &str = "email_verified";
const NO_PREFIX: &str = "-";

/// Which claims mean what.
pub(crate) struct Oidc {
    username_claim: String,
    username_prefix: String,
    groups_claim: Option<String>,
    groups_prefix: String,
    required: BTreeMap<String, String>,
}

impl Oidc {
    pub(super) fn new(config: &OidcConfig) -> Self {
        let prefix = match config.username_prefix.as_deref() {
            None | Some("") if config.username_claim != EMAIL => format!("{}#", config.issuer),
            None | Some(NO_PREFIX) => String::new(),
            Some(prefix) => prefix.to_owned(),
        };
        Self {
            username_claim: config.username_claim.clone(),
            username_prefix: prefix,
            groups_claim: config.groups_claim.clone(),
            groups_prefix: config.groups_prefix.clone().unwrap_or_default(),
            required: config.required_claims.clone(),
        }
    }

    /// The user of a verified token.
    pub(super) fn user(&self, jwt: &Jwt<'_>) -> Result<UserInfo, String> {
        for (claim, wanted) in &self.required {
            if jwt.text(claim) != Some(wanted) {
                return Err(format!("claim {claim} is not {wanted:?}"));
            }
        }
        let name = self.name(jwt)?;
        let credential = jwt.text("jti").map(|id| vec![format!("JTI={id}")]);
        let extra = credential.map(|credential| (CREDENTIAL_ID.to_owned(), credential));
        Ok(UserInfo {
            username: format!("{}{name}", self.username_prefix),
            uid: String::new(),
            groups: self.groups(jwt)?,
            extra: extra.into_iter().collect(),
        })
    }

    fn name<'j>(&self, jwt: &'j Jwt<'_>) -> Result<&'j str, String> {
        let claim = &self.username_claim;
        let name = jwt.text(claim).filter(|name| !name.is_empty());
        let name = name.ok_or_else(|| format!("claim {claim} names nobody"))?;
        let is_verified = jwt
            .claims
            .get(EMAIL_VERIFIED)
            .is_none_or(|it| *it == Value::Bool(true));
        if claim == EMAIL && !is_verified {
            return Err("the e-mail address is not verified".to_owned());
        }
        Ok(name)
    }

    fn groups(&self, jwt: &Jwt<'_>) -> Result<Vec<String>, String> {
        let claim = self.groups_claim.as_deref().unwrap_or_default();
        let group = |value: &Value| {
            let text = value
                .as_str()
                .ok_or_else(|| format!("claim {claim} is no list of texts"))?;
            Ok(format!("{}{text}", self.groups_prefix))
        };
        match jwt.claims.get(claim) {
            None | Some(Value::Null) => Ok(Vec::new()),
            Some(Value::Array(groups)) => groups.iter().map(group).collect(),
            Some(one) => Ok(vec![group(one)?]),
        }
    }
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;

    use super::*;

    fn user(config: &OidcConfig, claims: &str) -> Result<String, String> {
        let encode = |text: &str| URL_SAFE_NO_PAD.encode(text);
        let token = format!("{}.{}.x", encode(r#"{"alg":"RS256"}"#), encode(claims));
        let user = Oidc::new(config).user(&Jwt::read(&token).unwrap())?;
        Ok(format!("{} {}", user.username, user.groups.join(",")))
    }

    fn config(change: impl FnOnce(&mut OidcConfig)) -> OidcConfig {
        let mut config = OidcConfig::new("https://id.example", "kubernetes");
        change(&mut config);
        config
    }

    #[test]
    fn names_get_the_prefix_that_kube_apiserver_gives_them() {
        let email = r#"{"sub":"s","email":"a@b.c"}"#;
        let some = |text: &str| Some(text.to_owned());
        let cases = [
            ("sub", None, "https://id.example#s "),
            ("sub", some(""), "https://id.example#s "),
            ("sub", some("-"), "s "),
            ("sub", some("oidc:"), "oidc:s "),
            ("email", None, "a@b.c "),
            ("email", some("oidc:"), "oidc:a@b.c "),
        ];
        for (claim, prefix, expected) in cases {
            let config = config(|config| {
                config.username_claim = claim.to_owned();
                config.username_prefix.clone_from(&prefix);
            });
            assert_eq!(
                user(&config, email).as_deref(),
                Ok(expected),
                "{claim} {prefix:?}"
            );
        }
    }

    #[test]
    fn claims_become_groups_or_a_refusal() {
        let config = config(|config| {
            config.username_claim = EMAIL.to_owned();
            config.groups_claim = Some("roles".to_owned());
            config.groups_prefix = Some("g:".to_owned());
            config
                .required_claims
                .insert("hd".to_owned(), "b.c".to_owned());
        });
        let cases = [
            (r#"{"email":"a","hd":"b.c"}"#, Some("a ")),
            (
                r#"{"email":"a","hd":"b.c","roles":["x","y"]}"#,
                Some("a g:x,g:y"),
            ),
            (r#"{"email":"a","hd":"b.c","roles":"x"}"#, Some("a g:x")),
            (r#"{"email":"a","hd":"b.c","roles":[1]}"#, None),
            (r#"{"email":"a","hd":"b.c","roles":{}}"#, None),
            (
                r#"{"email":"a","hd":"b.c","email_verified":true}"#,
                Some("a "),
            ),
            (r#"{"email":"a","hd":"b.c","email_verified":false}"#, None),
            (r#"{"email":"a","hd":"b.c","email_verified":"true"}"#, None),
            (r#"{"email":"a","hd":"x"}"#, None),
            (r#"{"email":"a","hd":["b.c"]}"#, None),
            (r#"{"email":"a"}"#, None),
            (r#"{"email":"","hd":"b.c"}"#, None),
            (r#"{"hd":"b.c"}"#, None),
        ];
        for (claims, expected) in cases {
            assert_eq!(user(&config, claims).ok().as_deref(), expected, "{claims}");
        }
    }
}
