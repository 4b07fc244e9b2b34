//! To the upstream and back.
//!
//! [`Forward`] is the innermost service: it sends a request on and gives the upstream's answer. It never fails: when there is no
//! answer, it makes one (see `failure`). Bodies are streamed both ways, each side as fast as the other takes it; nothing is
//! buffered whole.
//!
//! A request is sent a second time only if the upstream cannot have carried it out: if it was not sent at all, or if it was a
//! plain GET, HEAD or OPTIONS on a connection that turned out to be closed. An exec by WebSocket is a GET, too, and runs a
//! command: such requests never go twice.

mod acting;
mod download;
mod failure;
mod headers;
mod link;
mod names;
mod pool;
mod segments;
mod tunnel;
mod upload;
mod upstream;
mod way;

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use arc_swap::ArcSwap;
use bytes::Bytes;
use http::request::Parts;
use http::{HeaderValue, Method, Request, Response, StatusCode, Version};
use http_body::Body;
use hyper::body::Incoming;
use hyper::upgrade::OnUpgrade;
use kubevigil_audit::request_info::RequestInfo;
use kubevigil_kubeconfig::Access;
use kubevigil_record::auditor::OUTCOME;
use kubevigil_record::layer::Recording;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tower_service::Service;

pub use self::acting::UpstreamIdentity;
pub use self::download::{BrokenOff, ForwardBody};
pub use self::upstream::{Upstream, UpstreamError};

use self::failure::{Failure, Unreachable};
use self::link::{Broken, Link};
use self::pool::{Pool, PoolLimits};
use self::upload::Upload;
use self::way::Way;
use crate::answer::OwnBody;
use crate::arrival::TimeAllowed;
use crate::crowd::Inside;
use crate::identity::IdentityMode;
use crate::impersonate::ForwardAs;

/// Sends requests to one upstream. Clones share its connections.
#[derive(Clone)]
pub struct Forward(Arc<Shared>);

struct Shared {
    /// Where requests go; the same for all threads.
    way: Arc<ArcSwap<Way>>,
    limits: ForwardLimits,
    pool: Arc<Pool>,
    drain: CancellationToken,
    /// What this gateway puts into `Via`, so that it knows a request that it has sent itself.
    mark: HeaderValue,
}

/// How long what may take, and how much may wait.
#[derive(Clone, Copy, Debug)]
pub struct ForwardLimits {
    /// From nothing to a connection with its TLS handshake done; 503 after that.
    pub connect: Duration,
    /// How long a connection is kept for the next request; less than what the upstream keeps it (90 s), so that it is not
    /// closed under a request.
    pub idle: Duration,
    /// How many connections are kept for the next request.
    pub idle_connections: usize,
}

impl Default for ForwardLimits {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(10),
            idle: Duration::from_secs(45),
            idle_connections: 512,
        }
    }
}

impl ForwardLimits {
    fn pool(&self) -> Arc<Pool> {
        Pool::new(PoolLimits {
            connections: self.idle_connections,
            age: self.idle,
        })
    }
}

/// What has to be known of a request besides what is sent on.
struct Facts {
    /// How long the answer's head may take, and the upload may pause.
    patience: Option<Duration>,
    /// Sending it twice does no harm.
    may_repeat: bool,
    /// The API server passes it on to something else (`services/…/proxy`).
    is_proxied: bool,
    upgrade: Option<Upgrade>,
    /// What becomes of the request's events.
    recording: Option<Recording>,
    /// In whose name the request goes on, where the gateway says so.
    user: Option<ForwardAs>,
}

/// The other half of a request that wants to change the protocol.
struct Upgrade {
    client: OnUpgrade,
    inside: Option<Inside>,
}

impl Forward {
    /// A service that sends requests to `upstream`. `drain` ends its tunnels; ordinary requests go on.
    pub fn new(
        upstream: Upstream,
        identity: UpstreamIdentity,
        limits: ForwardLimits,
        drain: CancellationToken,
    ) -> Self {
        let way = Way::new(upstream, identity);
        Self(Arc::new(Shared {
            way: Arc::new(ArcSwap::from_pointee(way)),
            pool: limits.pool(),
            limits,
            drain,
            mark: mark(),
        }))
    }

    /// The same with connections of its own, for a thread that shares none with others.
    pub fn apart(&self) -> Self {
        Self(Arc::new(Shared {
            way: Arc::clone(&self.0.way),
            pool: self.0.limits.pool(),
            limits: self.0.limits,
            drain: self.0.drain.clone(),
            mark: self.0.mark.clone(),
        }))
    }

    /// A service that sends requests to where `access` leads, with its credentials in mode `impersonate` and without them in
    /// mode `passthrough`.
    ///
    /// # Errors
    ///
    /// When the server or its proxy cannot be used.
    pub fn to(
        access: &Access,
        mode: IdentityMode,
        limits: ForwardLimits,
        drain: CancellationToken,
    ) -> Result<Self, UpstreamError> {
        let (upstream, identity) = way::of(access, mode)?;
        Ok(Self::new(upstream, identity, limits, drain))
    }

    /// Sends requests to where `access` leads from now on, for all that [`apart`](Self::apart) made, too. Connections that were made before
    /// end with their request.
    ///
    /// # Errors
    ///
    /// As [`to`](Self::to); then nothing changes.
    pub fn lead_to(&self, access: &Access, mode: IdentityMode) -> Result<(), UpstreamError> {
        let (upstream, identity) = way::of(access, mode)?;
        let next = self.0.way.load().next(upstream, identity);
        self.0.way.store(Arc::new(next));
        Ok(())
    }
}

impl<B> Service<Request<B>> for Forward
where
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    type Response = Response<ForwardBody>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let shared = Arc::clone(&self.0);
        let (parts, body) = request.into_parts();
        let way = shared.way.load_full();
        let prepared = way.prepare(parts, Upload::new(body), &shared.mark);
        Box::pin(async move {
            let answer = shared.forward(&way, prepared).await;
            Ok(answer.unwrap_or_else(|failure| failure.told().map(ForwardBody::from)))
        })
    }
}

impl Shared {
    async fn forward(
        &self,
        way: &Way,
        prepared: Result<(Request<Upload>, Facts), Failure>,
    ) -> Result<Response<ForwardBody>, Failure> {
        let (mut request, facts) = prepared?;
        let own = way
            .identity
            .write(request.headers_mut(), facts.user.as_ref());
        let own = own.await?;
        let exchanged = self.exchange(way, request, &facts).await;
        let leaves_open = match &exchanged {
            Ok((answer, _)) => answer.status() == StatusCode::GATEWAY_TIMEOUT && !facts.is_proxied,
            Err(failure) => failure.leaves_open(),
        };
        if let Some(recording) = facts.recording.as_ref().filter(|_| leaves_open) {
            recording.annotate(OUTCOME, "unknown");
        }
        let (answer, link) = exchanged?;
        if answer.status() == StatusCode::UNAUTHORIZED {
            way.identity.refused(own.as_ref());
        }
        match facts.upgrade {
            Some(upgrade) if answer.status() == StatusCode::SWITCHING_PROTOCOLS => {
                Box::pin(self.tunnel(answer, *link, upgrade, facts.recording)).await
            }
            _ => self.answer(answer, link),
        }
    }

    /// Sends the request, on a connection that is there or on a new one.
    async fn exchange(
        &self,
        way: &Way,
        mut request: Request<Upload>,
        facts: &Facts,
    ) -> Result<(Response<Incoming>, Box<Link>), Failure> {
        // An upgrade may not be sent twice, so it does not risk a connection that may be dead.
        let idle = match &facts.upgrade {
            Some(_) => None,
            None => self.pool.take(way.version()).await,
        };
        if let Some(mut link) = idle {
            let spare = facts.may_repeat.then(|| copy(&request));
            match (link.send(request, facts.patience).await, spare) {
                (Ok(answer), _) => return Ok((answer, link)),
                (Err(Broken::Unsent(unsent)), _) => request = *unsent,
                (Err(Broken::Failed(_)), Some(spare)) => request = spare,
                (Err(broken), _) => return Err(broken.into()),
            }
        }
        // Boxed: few requests need it, and all would carry its room.
        let mut link = Box::pin(self.connect(way)).await?;
        let answer = link.send(request, facts.patience).await?;
        Ok((answer, link))
    }

    async fn connect(&self, way: &Way) -> Result<Box<Link>, Unreachable> {
        let version = way.version();
        let connect = async {
            let stream = way.upstream.connect().await?;
            Ok(Link::open(stream, version).await?)
        };
        match timeout(self.limits.connect, connect).await {
            Ok(link) => link,
            Err(_) => Err(Unreachable::Late),
        }
    }

    fn answer(
        &self,
        answer: Response<Incoming>,
        mut link: Box<Link>,
    ) -> Result<Response<ForwardBody>, Failure> {
        if answer.status() == StatusCode::SWITCHING_PROTOCOLS {
            return Err(Failure::UnaskedUpgrade);
        }
        let (mut parts, body) = answer.into_parts();
        headers::incoming(&mut parts.headers, false);
        if parts.version != Version::HTTP_11 {
            // Hyper would speak HTTP/1.0 from now on, which has no chunks, and so leave bodies of unknown length off.
            link.retire();
            parts.version = Version::HTTP_11;
        }
        let body = ForwardBody::of(body, link, &self.pool);
        Ok(Response::from_parts(parts, body))
    }

    async fn tunnel(
        &self,
        answer: Response<Incoming>,
        link: Link,
        upgrade: Upgrade,
        recording: Option<Recording>,
    ) -> Result<Response<ForwardBody>, Failure> {
        let upstream = link.into_parts().await.map_err(Failure::Broken)?;
        let upstream = upstream.ok_or(Failure::UnaskedUpgrade)?;
        let hold = recording.as_ref().map(Recording::hold);
        let held = (hold, upgrade.inside);
        tunnel::join(upgrade.client, upstream, self.drain.clone(), held);
        let (mut parts, _) = answer.into_parts();
        headers::incoming(&mut parts.headers, true);
        parts.version = Version::HTTP_11;
        let nothing = OwnBody::default();
        Ok(Response::from_parts(parts, ForwardBody::from(nothing)))
    }
}

impl Facts {
    /// Takes what is needed out of the extensions. A request that nobody set a time for is taken for a long-running one.
    fn of(parts: &mut Parts, body: &Upload, wants_upgrade: bool) -> Result<Self, Failure> {
        let allowed = parts.extensions.remove::<TimeAllowed>();
        let patience = allowed.and_then(|TimeAllowed(time)| time);
        let is_safe = matches!(parts.method, Method::GET | Method::HEAD | Method::OPTIONS);
        // Of most requests nothing more has to be known.
        let info = match patience {
            Some(_) => RequestInfo::default(),
            None => info(parts),
        };
        if !segments::are_settled(parts.uri.path(), &info) {
            return Err(Failure::Dots);
        }
        let looks_on = info.verb == "watch" && info.subresource.is_empty();
        let is_harmless = is_safe && (patience.is_some() || looks_on);
        Ok(Self {
            patience,
            may_repeat: is_harmless && body.is_empty() && !wants_upgrade,
            is_proxied: info.verb == "proxy" || info.subresource == "proxy",
            upgrade: wants_upgrade.then(|| Upgrade::of(parts)).flatten(),
            recording: parts.extensions.remove(),
            user: parts.extensions.remove(),
        })
    }
}

impl Upgrade {
    fn of(parts: &mut Parts) -> Option<Self> {
        Some(Self {
            client: parts.extensions.remove()?,
            inside: parts.extensions.remove(),
        })
    }
}

fn info(parts: &Parts) -> RequestInfo {
    let target = parts.uri.path_and_query().map_or("/", |path| path.as_str());
    RequestInfo::of(parts.method.as_str(), target).unwrap_or_default()
}

fn mark() -> HeaderValue {
    let instance = format!("1.1 kubevigil-{}", uuid::Uuid::new_v4().simple());
    HeaderValue::try_from(instance).unwrap_or_else(|_| HeaderValue::from_static("1.1 kubevigil"))
}

impl From<Broken> for Failure {
    fn from(broken: Broken) -> Self {
        match broken {
            Broken::Late => Self::Late,
            Broken::Failed(error) if error.is_user() => Self::Body(error),
            Broken::Failed(error) => Self::Broken(error),
            // It was sent on a new connection, which closed at once.
            Broken::Unsent(_) => Self::Unreachable(Unreachable::Closed),
        }
    }
}

/// A request without a body, again.
fn copy(request: &Request<Upload>) -> Request<Upload> {
    let mut copy = Request::new(Upload::Empty);
    copy.uri_mut().clone_from(request.uri());
    copy.method_mut().clone_from(request.method());
    copy.headers_mut().clone_from(request.headers());
    copy
}
