//! Requests to a server, each with the credentials of the moment.
//!
//! `reqwest` sends the name that is in the URL to TLS servers, and has no way to send another. So where a kubeconfig has `tls-server-name`,
//! requests go to that name, at the addresses of the real host: the server is asked for the right certificate, and `Host` is that name
//! too, unlike client-go's. Through a proxy the host must stay in the URL, and only the check of the certificate knows the name. The rejected
//! alternative was a client of our own, with redirects and proxies.

use std::env;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use bytes::Bytes;
use http::StatusCode;
use http::header::AUTHORIZATION;
use http::uri::PathAndQuery;
use rustls_pki_types::ServerName;
use url::Url;

use crate::access::{Access, AccessError};
use crate::credentials::CredentialError;
use crate::resolver::Renamed;
use crate::server::is_this_machine;
use crate::tls;

/// How long a request may take with its answer's body.
const PATIENCE: Duration = Duration::from_secs(30);

/// How often a connection is asked whether it still lives, and for how long it may be silent; client-go's figures. A server that is gone
/// without a word would otherwise swallow requests until the system gives its connection up, a quarter of an hour later.
const PING: Duration = Duration::from_secs(30);
const PONG: Duration = Duration::from_secs(15);

/// What a server reads of who asks.
const AGENT: &str = concat!("kubevigil/", env!("CARGO_PKG_VERSION"));

/// Where requests may end up besides the server that is named.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Course {
    /// Nowhere: neither a redirect nor a proxy of the environment may see what is asked, nor answer it.
    Straight,
    /// Where redirects lead, by the environment's proxy, as Go does it.
    AsGo,
}

/// An HTTP client of one server, that proves itself with each request.
pub struct Client {
    access: Access,
    course: Course,
    /// The client, and the version of the client certificate that its connections may speak for.
    current: ArcSwap<(u64, reqwest::Client)>,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// There are no credentials.
    #[error(transparent)]
    Credentials(#[from] CredentialError),
    /// The connection or the request failed.
    #[error(transparent)]
    Request(#[from] reqwest::Error),
    /// The HTTP client cannot be made anew with another client certificate.
    #[error(transparent)]
    Access(#[from] AccessError),
}

impl Client {
    pub(crate) fn new(access: Access, course: Course) -> Result<Self, AccessError> {
        let version = access.credentials.certificate_version();
        let client = http_client(&access, course)?;
        Ok(Self {
            access,
            course,
            current: ArcSwap::from_pointee((version, client)),
        })
    }

    /// Sends a request and waits for the answer's head. Path and query of its URI are put behind the server's path, where `/` is nothing;
    /// `Authorization` is added. After an answer of 401 the next request looks for newer credentials.
    ///
    /// # Errors
    ///
    /// When there are no credentials, or there is no answer within 30 s. Answers of any status are answers.
    pub async fn send(
        &self,
        request: http::Request<Bytes>,
    ) -> Result<reqwest::Response, ClientError> {
        let authorization = self.access.credentials.authorization().await?;
        let (parts, body) = request.into_parts();
        let url = self.url(parts.uri.path_and_query());
        let mut builder = self
            .current()?
            .request(parts.method, url.clone())
            .headers(parts.headers)
            .body(body);
        if let Some(header) = &authorization {
            builder = builder.header(AUTHORIZATION, header.clone());
        }
        let response = builder.send().await?;
        if *response.url() != url {
            let to = response.url();
            tracing::warn!(%url, %to, "the server redirects; whatever was posted may be lost on the way: name the other address");
        }
        if response.status() == StatusCode::UNAUTHORIZED {
            self.access.credentials.refused(authorization.as_ref());
        }
        Ok(response)
    }

    /// The server and how to reach it.
    pub fn access(&self) -> &Access {
        &self.access
    }

    /// The client; a new one if the client certificate is another, since its old connections would speak for the old one.
    fn current(&self) -> Result<reqwest::Client, AccessError> {
        let version = self.access.credentials.certificate_version();
        let current = self.current.load();
        if current.0 == version {
            return Ok(current.1.clone());
        }
        let client = http_client(&self.access, self.course)?;
        self.current.store(Arc::new((version, client.clone())));
        Ok(client)
    }

    fn url(&self, target: Option<&PathAndQuery>) -> Url {
        let mut url = self.access.server.clone();
        let path = target.map_or("", PathAndQuery::path);
        if path != "/" {
            let base = url.path().trim_end_matches('/');
            let joined = format!("{base}{path}");
            url.set_path(&joined);
        }
        url.set_query(target.and_then(PathAndQuery::query));
        if let Some(name) = other_name(&self.access, self.course) {
            let _ = url.set_host(Some(&name));
        }
        url
    }
}

/// See [`Access::http_client`].
pub(crate) fn http_client(access: &Access, course: Course) -> Result<reqwest::Client, AccessError> {
    let mut config = match &access.tls {
        Some(_) => access.client_config(true)?,
        None => tls::config_for_any(),
    };
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let mut builder = reqwest::Client::builder()
        .user_agent(AGENT)
        .timeout(PATIENCE)
        .tcp_keepalive(PING)
        .http2_keep_alive_interval(PING)
        .http2_keep_alive_timeout(PONG)
        .http2_keep_alive_while_idle(true)
        .tls_backend_preconfigured(config);
    if course == Course::Straight {
        builder = builder.redirect(reqwest::redirect::Policy::none());
    }
    if let Some(proxy) = &access.proxy {
        let proxy = reqwest::Proxy::all(proxy.clone()).map_err(AccessError::Client)?;
        builder = builder.proxy(proxy);
    } else if ignores_environment(access, course) {
        builder = builder.no_proxy();
    }
    if let (Some(name), Some(host)) = (other_name(access, course), access.server.host_str()) {
        let host = host.trim_matches(['[', ']']).to_owned();
        builder = builder.dns_resolver(Renamed { name, host });
    }
    builder.build().map_err(AccessError::Client)
}

/// Whether no proxy of the environment is asked for the way; Go asks none for its own machine.
fn ignores_environment(access: &Access, course: Course) -> bool {
    course == Course::Straight || is_this_machine(&access.server)
}

/// The name to ask for instead of the host, if no proxy needs the host.
fn other_name(access: &Access, course: Course) -> Option<String> {
    let ServerName::DnsName(name) = access.tls.as_ref()?.server_name()? else {
        return None;
    };
    let is_direct = access.proxy.is_none() && (ignores_environment(access, course) || !has_proxy());
    let is_other = access.server.host_str() != Some(name.as_ref());
    (is_direct && is_other).then(|| name.as_ref().to_owned())
}

/// Whether the environment names a proxy.
fn has_proxy() -> bool {
    ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"]
        .iter()
        .any(|name| env::var_os(name).is_some_and(|value| !value.is_empty()))
}
