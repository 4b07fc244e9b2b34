//! How the gateway finds out who asks. The doc comments are the user's reference.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub(crate) const AUTHENTICATION_KUBECONFIG: &str = "authentication_kubeconfig";
pub(crate) const AUTHORIZATION_KUBECONFIG: &str = "authorization_kubeconfig";

/// Who may ask, and how the upstream learns who asks.
///
/// The first method that recognises a caller decides, in the order of kube-apiserver: front proxy, client certificate, bearer
/// token. Credentials that no method accepts are answered with 401, also where anonymous requests are allowed.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct IdentityConfig {
    /// How the upstream learns who asks.
    pub mode: IdentityMode,
    /// Authorities of client certificates: the common name becomes the user, organisations become groups. Read again when it
    /// changes. Only with mode `impersonate`, because a certificate cannot be passed on.
    pub client_ca: Option<PathBuf>,
    /// A proxy in front that says who asks in `X-Remote-*` headers. Only with mode `impersonate`. Without it, and from anybody
    /// else, these headers are removed.
    pub front_proxy: Option<FrontProxyConfig>,
    /// Tokens of service accounts that the gateway verifies itself.
    pub service_accounts: Option<ServiceAccountConfig>,
    /// Providers of OpenID Connect tokens.
    pub oidc: Vec<OidcConfig>,
    /// Tokens that nothing above knows are put to the upstream, which says whose they are. The gateway's own credentials need
    /// the right to create `tokenreviews` (cluster role `system:auth-delegator`).
    pub token_review: Option<TokenReviewConfig>,
    /// A kubeconfig of the API server that is asked about tokens (`token_review`, keys from `upstream`) instead of the upstream. Extension
    /// API servers serve neither; they know such a server by `--authentication-kubeconfig`. Read again when it changes.
    pub authentication_kubeconfig: Option<PathBuf>,
    /// A kubeconfig of the API server that is asked who may impersonate whom instead of the upstream (`--authorization-kubeconfig` of
    /// extension API servers). Read again when it changes. Only with mode `impersonate`; in `passthrough` the upstream decides.
    pub authorization_kubeconfig: Option<PathBuf>,
    /// Whether requests without credentials are let through as `system:anonymous`. The upstream may still refuse them.
    pub anonymous: bool,
}

/// How the upstream learns who asks.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum IdentityMode {
    /// The caller's bearer token goes on to the upstream, which judges it once more. The gateway adds no rights of its own.
    #[default]
    Passthrough,
    /// The gateway asks with its own credentials in the name of the caller (`Impersonate-*` headers). They need the right to
    /// impersonate users, groups, uids and userextras, and to create `subjectaccessreviews`.
    Impersonate,
}

/// A proxy in front that has found out who asks (`--requestheader-*` of kube-apiserver).
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct FrontProxyConfig {
    /// Authorities of the proxy's client certificate. They must not be those of ordinary clients: whoever has a certificate of
    /// theirs can be anybody.
    pub ca: PathBuf,
    /// Common names that the proxy's certificate may bear; empty allows every certificate of `ca`.
    #[serde(default)]
    pub allowed_names: Vec<String>,
    /// Headers with the name of the caller; the first that is there decides.
    #[serde(default = "default_user_headers")]
    pub username_headers: Vec<String>,
    /// Headers with the uid of the caller; the first that is there decides.
    #[serde(default = "default_uid_headers")]
    pub uid_headers: Vec<String>,
    /// Headers with the groups, one a header line.
    #[serde(default = "default_group_headers")]
    pub group_headers: Vec<String>,
    /// Beginnings of headers with extra values; the rest of the header's name, percent-decoded, is the key.
    #[serde(default = "default_extra_prefixes")]
    pub extra_headers_prefixes: Vec<String>,
}

/// Tokens of service accounts, verified by signature (`--service-account-*` and `--api-audiences` of kube-apiserver).
///
/// A signature says nothing of what happened since: a token stays good until it expires, although its service account, pod or
/// secret was deleted. With mode `passthrough` the upstream still refuses it; with `impersonate` nobody does, so prefer
/// `token_review` there. Tokens of secrets (issuer `kubernetes/serviceaccount`) never expire and are left to `token_review`.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct ServiceAccountConfig {
    /// Issuers of the tokens, as their claim `iss` has it, for example `https://kubernetes.default.svc.cluster.local`.
    pub issuers: Vec<String>,
    /// Audiences of which a token must have one; by default the issuers.
    #[serde(default)]
    pub audiences: Vec<String>,
    /// The public keys.
    #[serde(default = "upstream_keys")]
    pub keys: KeySource,
}

/// A provider of OpenID Connect tokens (`--oidc-*` of kube-apiserver).
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct OidcConfig {
    /// The issuer, as the claim `iss` has it.
    pub issuer: String,
    /// Client ids of which the claim `aud` must name one.
    pub audiences: Vec<String>,
    /// The claim that names the user. With `email`, a claim `email_verified` must be true if it is there.
    #[serde(default = "default_username_claim")]
    pub username_claim: String,
    /// What is put before the name. By default the issuer and `#`, unless the claim is `email`; `-` puts nothing before it.
    #[serde(default)]
    pub username_prefix: Option<String>,
    /// The claim with the groups, a text or a list of texts; by default a token has no groups.
    #[serde(default)]
    pub groups_claim: Option<String>,
    /// What is put before each group.
    #[serde(default)]
    pub groups_prefix: Option<String>,
    /// Claims that must be there, and the text that each must hold.
    #[serde(default)]
    pub required_claims: BTreeMap<String, String>,
    /// Algorithms that signatures may use.
    #[serde(default = "default_algorithms")]
    pub signing_algorithms: Vec<SigningAlgorithm>,
    /// The public keys; by default found through the provider's discovery document.
    #[serde(default)]
    pub keys: KeySource,
    /// Authorities of the provider's HTTPS certificate; by default those of the system.
    #[serde(default)]
    pub ca_file: Option<PathBuf>,
}

/// Where public keys come from. Fetched keys are renewed every ten minutes, and when a token names an unknown one.
#[derive(Clone, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum KeySource {
    /// What the document `/.well-known/openid-configuration` of the issuer names.
    #[default]
    Discovery,
    /// The upstream's own keys, `/openid/v1/jwks`, asked with the gateway's credentials.
    Upstream,
    /// A JWKS document at this address; HTTPS, or this machine.
    Url(String),
    /// Files: public keys or certificates in PEM form (`--service-account-key-file`), or JWKS documents.
    Files(Vec<PathBuf>),
}

/// An algorithm of token signatures. There is no HMAC and no `none`: with them, whoever knows a public key could sign.
#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[expect(missing_docs, reason = "the names are those of RFC 7518")]
pub enum SigningAlgorithm {
    RS256,
    RS384,
    RS512,
    PS256,
    PS384,
    PS512,
    ES256,
    ES384,
}

/// Tokens put to the upstream (`TokenReview`).
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct TokenReviewConfig {
    /// Audiences of which a token must have one; by default those of the upstream.
    pub audiences: Vec<String>,
    /// Seconds for which a good answer is remembered, and so for which a revoked token may still be taken; at most a day.
    pub remember_seconds: u64,
    /// Seconds for which a refusal is remembered.
    pub remember_refusal_seconds: u64,
    /// Most answers that are remembered.
    pub most_remembered: usize,
    /// Most questions under way at once; further tokens wait. One address may have a quarter of them.
    pub most_at_once: usize,
    /// Most questions a second in the long run; twice as many may come at once. Beyond it, unknown tokens are answered with 429: a
    /// flood of bad tokens must not become a flood of questions. When half of it is used up, one address (of IPv6, one /64 network)
    /// has a quarter, so that a flood from one place leaves room for the others. Tokens that were good within the hour have as much
    /// for themselves.
    pub most_a_second: u32,
}

impl IdentityConfig {
    /// Whether anybody but anonymous callers can be recognised.
    pub fn recognises_somebody(&self) -> bool {
        self.client_ca.is_some()
            || self.front_proxy.is_some()
            || self.service_accounts.is_some()
            || self.token_review.is_some()
            || !self.oidc.is_empty()
    }

    /// Those that are asked about callers instead of the upstream: setting and kubeconfig.
    pub fn delegates(&self) -> impl Iterator<Item = (&'static str, &Path)> {
        let authentication = self.authentication_delegate().into_iter();
        authentication.chain(self.authorization_delegate())
    }

    pub(crate) fn authentication_delegate(&self) -> Option<(&'static str, &Path)> {
        let kubeconfig = self.authentication_kubeconfig.as_deref()?;
        Some((AUTHENTICATION_KUBECONFIG, kubeconfig))
    }

    pub(crate) fn authorization_delegate(&self) -> Option<(&'static str, &Path)> {
        let kubeconfig = self.authorization_kubeconfig.as_deref()?;
        Some((AUTHORIZATION_KUBECONFIG, kubeconfig))
    }

    /// Whether some API server is asked about tokens.
    pub fn asks_about_tokens(&self) -> bool {
        let accounts = self.service_accounts.iter().map(|accounts| &accounts.keys);
        let mut keys = accounts.chain(self.oidc.iter().map(|oidc| &oidc.keys));
        self.token_review.is_some() || keys.any(|keys| *keys == KeySource::Upstream)
    }
}

impl Default for IdentityConfig {
    fn default() -> Self {
        Self {
            mode: IdentityMode::default(),
            client_ca: None,
            front_proxy: None,
            service_accounts: None,
            oidc: Vec::new(),
            token_review: None,
            authentication_kubeconfig: None,
            authorization_kubeconfig: None,
            anonymous: true,
        }
    }
}

impl Default for TokenReviewConfig {
    fn default() -> Self {
        Self {
            audiences: Vec::new(),
            remember_seconds: 120,
            remember_refusal_seconds: 10,
            most_remembered: 10_000,
            most_at_once: 32,
            most_a_second: 100,
        }
    }
}

impl FrontProxyConfig {
    /// A proxy with a certificate of `ca` that uses the usual headers.
    pub fn new(ca: PathBuf) -> Self {
        Self {
            ca,
            allowed_names: Vec::new(),
            username_headers: default_user_headers(),
            uid_headers: default_uid_headers(),
            group_headers: default_group_headers(),
            extra_headers_prefixes: default_extra_prefixes(),
        }
    }
}

impl OidcConfig {
    /// A provider that has told its clients nothing special.
    pub fn new(issuer: impl Into<String>, audience: impl Into<String>) -> Self {
        Self {
            issuer: issuer.into(),
            audiences: vec![audience.into()],
            username_claim: default_username_claim(),
            username_prefix: None,
            groups_claim: None,
            groups_prefix: None,
            required_claims: BTreeMap::new(),
            signing_algorithms: default_algorithms(),
            keys: KeySource::default(),
            ca_file: None,
        }
    }
}

fn default_user_headers() -> Vec<String> {
    vec!["X-Remote-User".to_owned()]
}

fn default_uid_headers() -> Vec<String> {
    vec!["X-Remote-Uid".to_owned()]
}

fn default_group_headers() -> Vec<String> {
    vec!["X-Remote-Group".to_owned()]
}

fn default_extra_prefixes() -> Vec<String> {
    vec!["X-Remote-Extra-".to_owned()]
}

fn default_username_claim() -> String {
    "sub".to_owned()
}

fn default_algorithms() -> Vec<SigningAlgorithm> {
    vec![SigningAlgorithm::RS256]
}

fn upstream_keys() -> KeySource {
    KeySource::Upstream
}
