//! All methods together, in the order of kube-apiserver.

use std::borrow::Cow;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use http::header::{HeaderMap, HeaderName, HeaderValue};
use http::request::Parts;
use kubevigil_record::event::UserInfo;
use kubevigil_record::request::refusal;
use kubevigil_tls::{Authorities, CredentialsError};

use super::account;
use super::bearer;
use super::cache::Keyed;
use super::certificate::Vouchers;
use super::config::{IdentityConfig, IdentityMode, KeySource};
use super::front_proxy::FrontProxy;
use super::issuer::Issuer;
use super::keys::{KeySourceError, Source};
use super::refused::Refused;
use super::renewal::{Renewal, Renewing};
use super::reviewer::Reviewer;
use super::token_review::TokenReviews;
use super::tokens::Tokens;
use crate::Peer;

/// The headers by which proxies name callers, whatever else the configuration calls them.
const PROXY_HEADERS: [&str; 3] = ["x-remote-user", "x-remote-uid", "x-remote-group"];
const PROXY_EXTRA: &str = "x-remote-extra-";

/// Finds out who asks.
pub struct Authenticator {
    front_proxy: Option<FrontProxy>,
    certificates: Option<Vouchers>,
    tokens: Tokens,
    config: IdentityConfig,
    /// Held while authorities are renewed: what agrees must go in force together.
    renewing: Mutex<()>,
}

/// Somebody who was recognised.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Identity {
    /// Who.
    pub user: UserInfo,
    /// How.
    pub by: Method,
}

/// What somebody was recognised by.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Method {
    /// The headers of a proxy in front.
    FrontProxy,
    /// A client certificate.
    Certificate,
    /// A bearer token in the `Authorization` header.
    Bearer,
    /// A bearer token among the subprotocols of a WebSocket.
    Subprotocol,
    /// Nothing.
    Anonymous,
}

/// What a request without a caller is answered with.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Refusal {
    /// The HTTP status: 401, or 429 when there were too many unknown tokens.
    pub status: u16,
    /// What was attempted (spec 6.4).
    pub message: String,
}

/// A configuration with which nobody could be recognised as meant.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// A certificate cannot be passed on.
    #[error(
        "identity.{0} needs identity.mode: impersonate, because a certificate cannot be passed through to the upstream"
    )]
    NeedsImpersonation(&'static str),
    /// There is nobody to ask.
    #[error("identity.{0} needs an upstream with credentials of the gateway's own")]
    NeedsUpstream(&'static str),
    /// Nothing is meant for nobody.
    #[error("identity.{setting}: {problem}")]
    Setting {
        /// Which setting.
        setting: &'static str,
        /// What is wrong with it, and what to write.
        problem: String,
    },
    /// Authorities cannot be read.
    #[error("identity.{setting}: {error}")]
    Authorities {
        /// Which setting.
        setting: &'static str,
        /// Why.
        error: CredentialsError,
    },
    /// Keys cannot be read.
    #[error("identity.{setting}: {error}")]
    Keys {
        /// Which setting.
        setting: &'static str,
        /// Why.
        error: KeySourceError,
    },
    /// The system gives no randomness.
    #[error("the system gives no randomness")]
    Randomness,
}

impl Authenticator {
    /// Reads the files that the configuration names. `upstream` is asked about tokens and keys.
    ///
    /// # Errors
    ///
    /// When a file cannot be read, or settings contradict each other.
    pub fn new(
        config: &IdentityConfig,
        upstream: Option<&Arc<dyn Reviewer>>,
    ) -> Result<Self, IdentityError> {
        if config.mode == IdentityMode::Passthrough {
            let unusable = [
                (config.client_ca.is_some(), "client_ca"),
                (config.front_proxy.is_some(), "front_proxy"),
            ];
            if let Some((_, setting)) = unusable.into_iter().find(|(is_set, _)| *is_set) {
                return Err(IdentityError::NeedsImpersonation(setting));
            }
        }
        let front_proxy = front_proxy(config)?;
        let certificates = config.client_ca.clone();
        let certificates = certificates.map(|path| vouchers("client_ca", path));
        let authenticator = Self {
            front_proxy,
            certificates: certificates.transpose()?,
            tokens: tokens(config, upstream)?,
            config: config.clone(),
            renewing: Mutex::default(),
        };
        if let Some(advice) = authenticator.renewing().judge()? {
            tracing::warn!("{advice}");
        }
        Ok(authenticator)
    }

    /// Reads authorities again, and puts in force what changed: each file for itself, but nothing that would let clients pass for the front
    /// proxy. What is wrong is told when it changes; with `insist`, in any case. Blocks while it reads.
    pub fn reload(&self, insist: bool) -> Renewal {
        let _alone = self.renewing.lock().unwrap_or_else(PoisonError::into_inner);
        self.renewing().renew(insist)
    }

    /// Finds out who asks at the time `now`. The first method that recognises somebody decides.
    ///
    /// # Errors
    ///
    /// When credentials were presented that no method accepts, or none where some are needed.
    pub async fn authenticate(
        &self,
        parts: &Parts,
        peer: Option<&Peer>,
        now: SystemTime,
    ) -> Result<Identity, Refusal> {
        let judgement = self.judge(parts, peer, now).await;
        judgement.map_err(|refused| {
            match &refused {
                Refused::Unasked(_) => tracing::warn!(reason = %refused, "a caller was refused"),
                _ => tracing::debug!(reason = %refused, "a caller was refused"),
            }
            let has_certificate = peer.is_some_and(|peer| !peer.certificates.is_empty());
            let target = parts
                .uri
                .path_and_query()
                .map_or("/", |target| target.as_str());
            Refusal {
                status: refused.status(),
                message: match refused {
                    Refused::Flood => "too many unknown tokens, please try again later".to_owned(),
                    _ => refusal(&parts.headers, target, has_certificate),
                },
            }
        })
    }

    /// Removes every credential from the headers but the one by which the caller was recognised, if it may go on.
    pub(super) fn tidy(&self, headers: &mut HeaderMap, by: Option<Method>) {
        let keep = match (self.config.mode, by) {
            (IdentityMode::Passthrough, Some(Method::Bearer)) => {
                bearer::authorization(headers).and_then(bearer::header)
            }
            (IdentityMode::Passthrough, Some(Method::Subprotocol)) => {
                let token = bearer::subprotocol(headers).ok().flatten();
                token.and_then(|token| bearer::header(token.as_bytes()))
            }
            _ => None::<HeaderValue>,
        };
        bearer::tidy(headers, keep);
        let names = headers.keys().filter(|name| self.names_caller(name));
        let names: Vec<HeaderName> = names.cloned().collect();
        for name in names {
            headers.remove(name);
        }
    }

    async fn judge(
        &self,
        parts: &Parts,
        peer: Option<&Peer>,
        now: SystemTime,
    ) -> Result<Identity, Refused> {
        let mut first_refusal = None;
        for method in [
            Method::FrontProxy,
            Method::Certificate,
            Method::Bearer,
            Method::Subprotocol,
        ] {
            match self.attempt(method, parts, peer, now).await {
                Ok(Some(user)) if user.username.is_empty() => {
                    first_refusal.get_or_insert(Refused::Nameless);
                }
                Ok(Some(user)) => {
                    let user = account::complete(user);
                    return Ok(Identity { user, by: method });
                }
                Ok(None) => {}
                Err(refused) => {
                    first_refusal.get_or_insert(refused);
                }
            }
        }
        first_refusal.map_or_else(|| self.nobody(parts), Err)
    }

    /// What one method makes of the request; `None` when there is nothing for it in there.
    async fn attempt(
        &self,
        method: Method,
        parts: &Parts,
        peer: Option<&Peer>,
        now: SystemTime,
    ) -> Result<Option<UserInfo>, Refused> {
        let chain = peer.map_or(&[][..], |peer| &peer.certificates);
        let token = match (method, &self.front_proxy, &self.certificates) {
            (Method::FrontProxy, Some(proxy), _) => {
                return proxy.identify(&parts.headers, chain, now);
            }
            (Method::Certificate, _, Some(vouchers)) if !chain.is_empty() => {
                return Ok(vouchers.verify(chain, now)?.user());
            }
            (Method::Bearer, ..) => bearer::authorization(&parts.headers).map(Cow::Borrowed),
            (Method::Subprotocol, ..) => {
                let token = bearer::subprotocol(&parts.headers)?;
                token.map(|token| Cow::Owned(token.into_bytes()))
            }
            _ => None,
        };
        match token {
            Some(token) => {
                let address = peer.map(|peer| peer.address.ip());
                let user = self.tokens.identify(&token, address, now).await?;
                Ok(Some(Arc::unwrap_or_clone(user)))
            }
            None => Ok(None),
        }
    }

    /// A request without credentials. A token in the query is none to kube-apiserver, but to other upstreams it is, and passed
    /// through it would act for somebody whom no event names.
    fn nobody(&self, parts: &Parts) -> Result<Identity, Refused> {
        let passes = self.config.mode == IdentityMode::Passthrough;
        if passes && bearer::has_query_token(parts.uri.query()) {
            return Err(Refused::QueryToken);
        }
        if !self.config.anonymous {
            return Err(Refused::Anonymous);
        }
        Ok(Identity {
            user: account::anonymous(),
            by: Method::Anonymous,
        })
    }

    fn renewing(&self) -> Renewing<'_> {
        let proxy = self.front_proxy.as_ref();
        Renewing {
            proxies: proxy.map(FrontProxy::vouchers),
            clients: self.certificates.as_ref(),
            any_name: proxy.is_some_and(FrontProxy::takes_any_name),
        }
    }

    /// Whether a header names callers to whoever trusts a proxy, or could be taken for one that does.
    fn names_caller(&self, name: &HeaderName) -> bool {
        let name = name.as_str();
        // Most headers cannot be meant: no need to write them anew.
        if !name.contains('_') {
            return self.is_proxy_header(name);
        }
        self.is_proxy_header(&name.replace('_', "-"))
    }

    fn is_proxy_header(&self, name: &str) -> bool {
        let usual = PROXY_HEADERS.contains(&name) || name.starts_with(PROXY_EXTRA);
        let proxy = self.front_proxy.as_ref();
        usual || proxy.is_some_and(|proxy| proxy.names_caller(name))
    }
}

fn keyed() -> Result<Keyed, IdentityError> {
    Keyed::new().ok_or(IdentityError::Randomness)
}

fn vouchers(setting: &'static str, path: PathBuf) -> Result<Vouchers, IdentityError> {
    let file = Authorities::follow(path);
    let file = file.map_err(|error| IdentityError::Authorities { setting, error })?;
    Ok(Vouchers::new(file, keyed()?))
}

fn front_proxy(config: &IdentityConfig) -> Result<Option<FrontProxy>, IdentityError> {
    let Some(config) = &config.front_proxy else {
        return Ok(None);
    };
    let vouchers = vouchers("front_proxy.ca", config.ca.clone())?;
    let proxy = FrontProxy::new(config, vouchers).map_err(|_| IdentityError::Setting {
        setting: "front_proxy",
        problem: "a header is no name of one; expected for example X-Remote-User".to_owned(),
    })?;
    Ok(Some(proxy))
}

fn tokens(
    config: &IdentityConfig,
    upstream: Option<&Arc<dyn Reviewer>>,
) -> Result<Tokens, IdentityError> {
    let mut issuers = Vec::new();
    if let Some(accounts) = &config.service_accounts {
        meant("service_accounts.issuers", &accounts.issuers)?;
        let source = source("service_accounts", &accounts.keys, upstream, None)?;
        let issuer = Issuer::of_service_accounts(accounts, source);
        issuers.push(loaded("service_accounts.keys", issuer)?);
    }
    for provider in &config.oidc {
        meant("oidc.audiences", &provider.audiences)?;
        let source = source("oidc", &provider.keys, upstream, provider.ca_file.as_ref())?;
        let checked = source.check(&provider.issuer);
        checked.map_err(|error| IdentityError::Keys {
            setting: "oidc.issuer",
            error,
        })?;
        let issuer = Issuer::of_oidc(provider, source);
        issuers.push(loaded("oidc.keys", issuer)?);
    }
    let reviews = config.token_review.as_ref().map(|review| {
        let upstream = upstream.ok_or(IdentityError::NeedsUpstream("token_review"))?;
        Ok(TokenReviews::new(review, Arc::clone(upstream), keyed()?))
    });
    Ok(Tokens::new(issuers, reviews.transpose()?, keyed()?))
}

/// An issuer whose keys are read, if they are in files.
fn loaded(setting: &'static str, issuer: Issuer) -> Result<Issuer, IdentityError> {
    let read = issuer.keys().load_files(SystemTime::now());
    read.map_err(|error| IdentityError::Keys { setting, error })?;
    Ok(issuer)
}

fn source(
    setting: &'static str,
    keys: &KeySource,
    upstream: Option<&Arc<dyn Reviewer>>,
    authorities: Option<&PathBuf>,
) -> Result<Source, IdentityError> {
    Source::new(keys, upstream, authorities).map_err(|error| IdentityError::Keys { setting, error })
}

/// Without an issuer nothing is recognised; without an audience every token of the issuer would be, whomever it is meant for.
fn meant(setting: &'static str, values: &[String]) -> Result<(), IdentityError> {
    if values.is_empty() || values.iter().any(String::is_empty) {
        let problem = "at least one is needed, and none may be empty".to_owned();
        return Err(IdentityError::Setting { setting, problem });
    }
    Ok(())
}
