//! Where events are posted to, and with which credentials (spec 11.1, 11.2).
//!
//! The kubeconfig is read as everywhere in kubevigil, with one difference that only the audit webhook knows: without a `current-context`, or
//! with one that leads to no cluster, an API server silently uses the service account of its own pod, if it has one.
//!
//! Only https receivers get credentials: with http, and so with an address without a scheme, no token is ever sent, and the log warns of it.
//! Without `proxy-url` the proxy of the environment is used (`HTTPS_PROXY`, `HTTP_PROXY`, `NO_PROXY`, and, unlike the server, `ALL_PROXY`), but
//! not for this machine. SOCKS proxies are refused.
//!
//! Redirects are followed as Go follows them: after 301, 302 and 303 the POST becomes a GET without a body, whose 200 counts as success. The
//! log says so, since the events are lost. Two things differ from the server: credentials do not follow a redirect to another host, and
//! with `tls-server-name` the header `Host` is that name.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE};
use http::{Method, Request};
use kubevigil_diagnostics::with_causes;
use kubevigil_kubeconfig::{Access, AccessError, InCluster, ServerError, server_url};
use reqwest::{Response, Url};

use super::WebhookSink;
use crate::sink::ErrorCounters;

/// The longest that a request takes; the server has no flag for it.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);

/// What the API server adds to the URL.
const QUERY: &str = "timeout=30s";

const KIND: &str = "application/json";
const WANTED: &str = "application/json, */*";

/// Who takes events.
pub(super) enum Receiver {
    /// A client that somebody else made, and the whole URL.
    Given { client: reqwest::Client, url: Url },
    /// Whom a kubeconfig names.
    Named(kubevigil_kubeconfig::Client),
}

impl WebhookSink {
    /// A sink that posts to whom a kubeconfig names (`--audit-webhook-config-file`), with its credentials, or with those of this pod, if the
    /// kubeconfig leads nowhere. Tokens and client certificates are renewed, authorities are those of the start.
    ///
    /// # Errors
    ///
    /// When the kubeconfig, or a file that it names, is missing or wrong: the API server would not start.
    pub fn from_kubeconfig(
        path: &Path,
        initial_backoff: Duration,
        counters: Arc<ErrorCounters>,
    ) -> Result<Self, AccessError> {
        let access = Access::load_or_in_cluster(path, &InCluster::from_environment())?;
        Self::from_access(&access, initial_backoff, counters)
    }

    /// A sink that posts to a server and its path.
    ///
    /// # Errors
    ///
    /// When no HTTP client can be made of it.
    pub fn from_access(
        access: &Access,
        initial_backoff: Duration,
        counters: Arc<ErrorCounters>,
    ) -> Result<Self, AccessError> {
        let receiver = Receiver::Named(access.following_client()?);
        Ok(Self::to(receiver, initial_backoff, counters))
    }
}

impl Receiver {
    /// Whether an answer from this URL is the receiver's own, and not of one that it redirects to.
    pub(super) fn is_at(&self, reached: &Url) -> bool {
        let named = match self {
            Self::Given { url, .. } => url,
            Self::Named(client) => &client.access().server,
        };
        let path = |url: &Url| url.path().trim_end_matches('/').to_owned();
        named.origin() == reached.origin() && path(named) == path(reached)
    }

    /// Posts a list; what kept it from being answered if it was not.
    pub(super) async fn post(&self, list: Bytes) -> Result<Response, String> {
        match self {
            Self::Given { client, url } => {
                let request = client
                    .post(url.clone())
                    .header(CONTENT_TYPE, KIND)
                    .header(ACCEPT, WANTED)
                    .timeout(REQUEST_TIMEOUT)
                    .body(list);
                request.send().await.map_err(|error| with_causes(&error))
            }
            Self::Named(client) => {
                let request = Request::builder()
                    .method(Method::POST)
                    .uri(format!("/?{QUERY}"))
                    .header(CONTENT_TYPE, KIND)
                    .header(ACCEPT, WANTED)
                    .body(list)
                    .map_err(|error| with_causes(&error))?;
                client
                    .send(request)
                    .await
                    .map_err(|error| with_causes(&error))
            }
        }
    }
}

/// The URL for the `server` of a kubeconfig's cluster: its path without a slash at the end, never its query, and the timeout
/// that the API server adds. Without a scheme it is `http://`.
///
/// # Errors
///
/// When the server is no URL, or has a path but no scheme.
pub fn endpoint_url(server: &str) -> Result<Url, ServerError> {
    let mut url = server_url(server)?;
    url.set_query(Some(QUERY));
    Ok(url)
}
