//! One request, from its header to its answer.
//!
//! The checks run from the cheapest to the dearest, and nothing of a body is looked at before its sender is known: path,
//! method, sender, content type, encoding, length, body. Only then is the body split and made durable.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_ENCODING, CONTENT_TYPE, EXPECT, HeaderMap};
use http::request::Parts;
use http::{Method, Request, Response, Version};
use http_body_util::Full;
use hyper::body::Body;
use kubevigil_connections::Throttle;
use tracing::warn;

use super::answer::{self, Refusal};
use super::body::{self, Budget, Limits, Received};
use super::config::WebhookConfig;
use super::counters::WebhookCounters;
use super::credentials::Credentials;
use super::deliver::Delivery;

/// Says whether the daemon can take events now.
pub type Readiness = Arc<dyn Fn() -> bool + Send + Sync>;

/// How long a refused body is read on, so that its sender sees the answer.
const LINGER: Duration = Duration::from_secs(5);

/// Who sent a request, as far as the connection tells.
#[derive(Clone, Copy, Debug)]
pub(super) struct Peer {
    pub(super) address: SocketAddr,
    /// Whether the name of its certificate is allowed; always so where none is asked for.
    pub(super) name_allowed: bool,
}

/// Answers requests; shared by all connections.
pub(super) struct Service {
    pub(super) config: Arc<WebhookConfig>,
    pub(super) credentials: Arc<Credentials>,
    pub(super) counters: Arc<WebhookCounters>,
    pub(super) budget: Budget,
    pub(super) delivery: Delivery,
    pub(super) ready: Readiness,
    pub(super) throttle: Throttle,
}

/// How a body is encoded.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Encoding {
    Identity,
    Gzip,
}

impl Service {
    /// Answers a request. Never fails: whatever went wrong is in the answer.
    pub(super) async fn answer<B>(&self, peer: Peer, request: Request<B>) -> Response<Full<Bytes>>
    where
        B: Body<Data = Bytes> + Unpin,
    {
        let (parts, mut body) = request.into_parts();
        if let Some(response) = self.answer_health(&parts) {
            return response;
        }
        let taken = self.take(peer, &parts, &mut body).await;
        let response = match &taken {
            Ok(()) => answer::accepted(),
            Err(refusal) => {
                self.report(peer, refusal);
                self.finish(&parts, body, refusal).await;
                refusal.response(parts.version < Version::HTTP_2)
            }
        };
        self.counters.answered(response.status());
        response
    }

    fn answer_health(&self, parts: &Parts) -> Option<Response<Full<Bytes>>> {
        let asks = matches!(parts.method, Method::GET | Method::HEAD);
        match parts.uri.path() {
            "/healthz" if asks => Some(answer::health(true)),
            "/readyz" if asks => Some(answer::health((self.ready)())),
            _ => None,
        }
    }

    async fn take<B>(&self, peer: Peer, parts: &Parts, body: &mut B) -> Result<(), Refusal>
    where
        B: Body<Data = Bytes> + Unpin,
    {
        self.check_target(parts)?;
        self.check_sender(peer, &parts.headers)?;
        check_content_type(&parts.headers)?;
        let encoding = encoding(&parts.headers)?;
        let announced = body.size_hint().exact();
        let received = body::receive(body, announced, self.limits(), &self.budget).await?;
        let received = match encoding {
            Encoding::Identity => received,
            Encoding::Gzip => self.decompress(received).await?,
        };
        self.delivery.deliver(received).await
    }

    fn check_target(&self, parts: &Parts) -> Result<(), Refusal> {
        let path = parts.uri.path();
        let known = |known: &String| without_slash(known) == without_slash(path);
        if matches!(path, "/healthz" | "/readyz") {
            Err(Refusal::Method(parts.method.clone(), "GET, HEAD"))
        } else if !self.config.paths.iter().any(known) {
            Err(Refusal::Path(self.config.paths.join(" or ")))
        } else if parts.method != Method::POST {
            Err(Refusal::Method(parts.method.clone(), "POST"))
        } else {
            Ok(())
        }
    }

    fn check_sender(&self, peer: Peer, headers: &HeaderMap) -> Result<(), Refusal> {
        let tokens = self.credentials.tokens();
        if tokens.is_some_and(|tokens| !tokens.allow(headers.get(AUTHORIZATION))) {
            return Err(Refusal::Token);
        }
        if peer.name_allowed {
            Ok(())
        } else {
            Err(Refusal::Name)
        }
    }

    async fn decompress(&self, received: Received) -> Result<Received, Refusal> {
        let compressed = received.bytes.clone();
        let result = body::decompress(received, self.config.max_body_bytes).await;
        if let Err(refusal @ Refusal::NotGzip) = &result {
            self.counters.source.problems.add(1);
            self.delivery.bury_body(compressed, refusal).await?;
        }
        result
    }

    fn limits(&self) -> Limits {
        Limits {
            bytes: self.config.max_body_bytes,
            time: self.config.body_timeout(),
        }
    }

    /// Reads on what the sender is still sending, unless there is nothing to wait for: one that asks with `Expect` sends
    /// nothing, and one that was too slow has had its time.
    async fn finish<B>(&self, parts: &Parts, mut body: B, refusal: &Refusal)
    where
        B: Body<Data = Bytes> + Unpin,
    {
        let had_its_time = matches!(refusal, Refusal::SlowBody(_) | Refusal::BrokenBody);
        if had_its_time || parts.headers.contains_key(EXPECT) {
            return;
        }
        let limits = Limits {
            bytes: self.config.max_body_bytes,
            time: LINGER,
        };
        body::discard(&mut body, limits).await;
    }

    fn report(&self, peer: Peer, refusal: &Refusal) {
        match refusal {
            Refusal::Token | Refusal::Name => self.counters.auth_failures.add(1),
            Refusal::TooLarge(_) | Refusal::TooMany(_) => self.counters.oversized.add(1),
            _ => {}
        }
        let Some(held_back) = self.throttle.pass() else {
            return;
        };
        let (peer, status) = (peer.address, refusal.status().as_u16());
        let advice = advice(refusal);
        let reason = refusal.to_string();
        // What a sender wrote is quoted, so that it cannot forge lines of the log.
        warn!(%peer, status, ?reason, held_back, advice, "refused a request");
    }
}

/// What the person who reads the log can do, if anything.
fn advice(refusal: &Refusal) -> Option<&str> {
    Some(match refusal {
        Refusal::TooLarge(_) => {
            "the body is lost after five tries of its sender: raise webhook.max_body_bytes, or lower the API server's \
             --audit-webhook-batch-max-size or --audit-webhook-truncate-max-batch-size"
        }
        Refusal::TooMany(_) => {
            "the body is kept as a dead letter: raise webhook.max_memory_bytes, or let the sender send smaller batches"
        }
        Refusal::Token => {
            "check the token in the kubeconfig of --audit-webhook-config-file; it is sent over https only"
        }
        Refusal::Memory => "raise webhook.max_memory_bytes if this lasts",
        Refusal::Storage(reason) => reason,
        _ => return None,
    })
}

fn without_slash(path: &str) -> &str {
    path.strip_suffix('/').unwrap_or(path)
}

/// Like Falco, a type that merely contains `application/json` is enough; unlike Falco, in any case.
fn check_content_type(headers: &HeaderMap) -> Result<(), Refusal> {
    let wanted = b"application/json";
    let value = headers
        .get(CONTENT_TYPE)
        .map_or(&[][..], |value| value.as_bytes());
    let found = value
        .windows(wanted.len())
        .any(|part| part.eq_ignore_ascii_case(wanted));
    if found {
        Ok(())
    } else {
        Err(Refusal::ContentType)
    }
}

fn encoding(headers: &HeaderMap) -> Result<Encoding, Refusal> {
    let mut values = headers.get_all(CONTENT_ENCODING).iter();
    let first = values
        .next()
        .map_or(&b"identity"[..], |value| value.as_bytes());
    let is = |name: &str| first.trim_ascii().eq_ignore_ascii_case(name.as_bytes());
    match values.next() {
        None if is("identity") || is("") => Ok(Encoding::Identity),
        None if is("gzip") || is("x-gzip") => Ok(Encoding::Gzip),
        _ => Err(Refusal::Encoding),
    }
}
