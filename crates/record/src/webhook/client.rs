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

use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE};
use http::{Method, Request};
use kubevigil_diagnostics::with_causes;
use kubevigil_kubeconfig::{Access, AccessError, Client};
use reqwest::{Response, Url};

/// What the API server adds to the URL: the longest that a request takes, for which it has no flag. So long the client waits, too.
const QUERY: &str = "timeout=30s";

const KIND: &str = "application/json";
const WANTED: &str = "application/json, */*";

/// Who takes events: whom a kubeconfig names.
pub(super) struct Receiver(Client);

impl Receiver {
    /// Whom an access leads to, with its credentials.
    ///
    /// # Errors
    ///
    /// When no HTTP client can be made of it.
    pub(super) fn of(access: &Access) -> Result<Self, AccessError> {
        Ok(Self(access.following_client()?))
    }

    /// Whether an answer from this URL is the receiver's own, and not of one that it redirects to.
    pub(super) fn is_at(&self, reached: &Url) -> bool {
        let named = &self.0.access().server;
        let path = |url: &Url| url.path().trim_end_matches('/').to_owned();
        named.origin() == reached.origin() && path(named) == path(reached)
    }

    /// Posts a list; what kept it from being answered if it was not.
    pub(super) async fn post(&self, list: Bytes) -> Result<Response, String> {
        let request = Request::builder()
            .method(Method::POST)
            .uri(format!("/?{QUERY}"))
            .header(CONTENT_TYPE, KIND)
            .header(ACCEPT, WANTED)
            .body(list)
            .map_err(|error| with_causes(&error))?;
        let answer = self.0.send(request).await;
        answer.map_err(|error| with_causes(&error))
    }
}
