//! Where public keys are fetched from.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::ACCEPT;
use kubevigil_diagnostics::with_causes;
use kubevigil_kubeconfig::is_this_machine;
use reqwest::{Client, redirect};
use serde::Deserialize;
use url::Url;

use super::super::config::KeySource;
use super::super::reviewer::{ReviewError, Reviewer, whole_body};
use super::set::{KeyError, KeySet};

const PATIENCE: Duration = Duration::from_secs(10);
const DISCOVERY: &str = "/.well-known/openid-configuration";
const UPSTREAM_KEYS: &str = "/openid/v1/jwks";

/// A source of public keys.
pub(crate) enum Source {
    Files(Vec<PathBuf>),
    Upstream(Arc<dyn Reviewer>),
    Url(Client, Url),
    Discovery(Client),
}

/// Why keys could not be fetched.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum KeySourceError {
    /// A file cannot be read.
    #[error("{path}: {problem}", path = path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        problem: String,
    },
    /// What was fetched holds no keys.
    #[error("{from}: {problem}")]
    Keys {
        /// Where it came from.
        from: String,
        /// What is wrong with it.
        problem: KeyError,
    },
    /// An address that cannot be asked.
    #[error("{address}: {problem}")]
    Address {
        /// Which.
        address: String,
        /// Why.
        problem: String,
    },
    /// The upstream did not give its keys.
    #[error("{UPSTREAM_KEYS} of the upstream: {0}")]
    Upstream(ReviewError),
    /// Keys of the upstream, without an upstream.
    #[error("keys of the upstream need an upstream with credentials")]
    NoUpstream,
    /// No client can be made.
    #[error("no HTTP client: {0}")]
    Client(String),
}

/// What matters of a discovery document (OpenID Connect Discovery 1.0, 3).
#[derive(Deserialize)]
struct Discovered {
    issuer: String,
    jwks_uri: String,
}

impl Source {
    /// Makes a source. `authorities` are those of the HTTPS certificate, PEM.
    pub(crate) fn new(
        config: &KeySource,
        upstream: Option<&Arc<dyn Reviewer>>,
        authorities: Option<&PathBuf>,
    ) -> Result<Self, KeySourceError> {
        Ok(match config {
            KeySource::Files(paths) => Self::Files(paths.clone()),
            KeySource::Upstream => {
                let upstream = upstream.ok_or(KeySourceError::NoUpstream)?;
                Self::Upstream(Arc::clone(upstream))
            }
            KeySource::Url(address) => Self::Url(client(authorities)?, parse(address)?),
            KeySource::Discovery => Self::Discovery(client(authorities)?),
        })
    }

    /// Refuses an issuer that could never be asked for its keys.
    pub(crate) fn check(&self, issuer: &str) -> Result<(), KeySourceError> {
        match self {
            Self::Discovery(_) => parse(issuer).map(drop),
            Self::Files(_) | Self::Upstream(_) | Self::Url(..) => Ok(()),
        }
    }

    /// The keys, if they are in files.
    pub(crate) fn read_files(&self) -> Result<Option<KeySet>, KeySourceError> {
        let Self::Files(paths) = self else {
            return Ok(None);
        };
        let sets = paths.iter().map(|path| {
            let content = std::fs::read(path).map_err(|error| KeySourceError::File {
                path: path.clone(),
                problem: error.to_string(),
            })?;
            keys(&path.display().to_string(), &content)
        });
        let sets = sets.collect::<Result<Vec<_>, _>>()?;
        Ok(Some(KeySet::join(sets)))
    }

    /// The keys of `issuer`, now.
    pub(crate) async fn fetch(&self, issuer: &str) -> Result<KeySet, KeySourceError> {
        match self {
            Self::Files(_) => Ok(self.read_files()?.unwrap_or_default()),
            Self::Upstream(upstream) => {
                let content = upstream.read(UPSTREAM_KEYS).await;
                keys(UPSTREAM_KEYS, &content.map_err(KeySourceError::Upstream)?)
            }
            Self::Url(client, url) => keys(url.as_str(), &get(client, url).await?),
            Self::Discovery(client) => {
                let url = discover(client, issuer).await?;
                keys(url.as_str(), &get(client, &url).await?)
            }
        }
    }
}

fn keys(from: &str, content: &[u8]) -> Result<KeySet, KeySourceError> {
    KeySet::read(content).map_err(|problem| KeySourceError::Keys {
        from: from.to_owned(),
        problem,
    })
}

/// The address of the keys, as the issuer's own document has it. A document that speaks of another issuer is not believed.
async fn discover(client: &Client, issuer: &str) -> Result<Url, KeySourceError> {
    let address = format!("{}{DISCOVERY}", issuer.trim_end_matches('/'));
    let content = get(client, &parse(&address)?).await?;
    let problem = match serde_json::from_slice::<Discovered>(&content) {
        Ok(found) if found.issuer == issuer => return parse(&found.jwks_uri),
        Ok(found) => format!("the document is that of issuer {:?}", found.issuer),
        Err(error) => error.to_string(),
    };
    Err(KeySourceError::Address { address, problem })
}

fn parse(address: &str) -> Result<Url, KeySourceError> {
    let url = Url::parse(address).map_err(|error| KeySourceError::Address {
        address: address.to_owned(),
        problem: error.to_string(),
    })?;
    check(&url)?;
    Ok(url)
}

/// Over plain HTTP anybody on the way could put in keys of their own.
fn check(url: &Url) -> Result<(), KeySourceError> {
    let is_safe = url.scheme() == "https" || (url.scheme() == "http" && is_this_machine(url));
    is_safe
        .then_some(())
        .ok_or_else(|| KeySourceError::Address {
            address: url.to_string(),
            problem: "keys are fetched over https only, or from this machine".to_owned(),
        })
}

async fn get(client: &Client, url: &Url) -> Result<Bytes, KeySourceError> {
    let failed = |problem: String| KeySourceError::Address {
        address: url.to_string(),
        problem,
    };
    let answer = client
        .get(url.clone())
        .header(ACCEPT, "application/json")
        .send()
        .await;
    let answer = answer.map_err(|error| failed(with_causes(&error.without_url())))?;
    if !answer.status().is_success() {
        return Err(failed(format!("answered {}", answer.status())));
    }
    whole_body(answer)
        .await
        .map_err(|error| failed(error.to_string()))
}

fn client(authorities: Option<&PathBuf>) -> Result<Client, KeySourceError> {
    let mut builder = Client::builder()
        .redirect(redirect::Policy::none())
        .timeout(PATIENCE)
        .user_agent(concat!("kubevigil/", env!("CARGO_PKG_VERSION")));
    if let Some(path) = authorities {
        let file = |problem: String| KeySourceError::File {
            path: path.clone(),
            problem,
        };
        let pem = std::fs::read(path).map_err(|error| file(error.to_string()))?;
        let certificates = reqwest::Certificate::from_pem_bundle(&pem);
        let certificates = certificates.map_err(|error| file(error.to_string()))?;
        builder = builder.tls_certs_only(certificates);
    }
    builder
        .build()
        .map_err(|error| KeySourceError::Client(error.to_string()))
}
