//! The outermost service: what is known of a request before anybody asks who sent it (spec 6.1).
//!
//! The head is read once, here, and what the audit log says is asked for is made what is asked of the upstream, byte for
//! byte: a path that a kube-apiserver would write differently goes on as it would write it. Otherwise somebody could ask for
//! one thing and be recorded with another.
//!
//! | request | answer | event |
//! |---|---|---|
//! | `Host` missing or twice, transfer encodings but `chunked`, broken `%` in the path, CONNECT, target `*` | 400, plain text | none |
//! | more header lines than allowed | 431 | none |
//! | `OPTIONS *` | 200, empty | none |
//! | nothing behind `watch` or `proxy` | 500, plain text | none |
//! | unparsable `timeout` of a short request | 400, by [`crate::refuse`] | ResponseStarted |
//!
//! A kube-apiserver does the same, but for CONNECT and `*`, which it puts to its handlers as an empty path; there they are
//! refused.

mod body;
mod fields;
mod target;
mod timeout;

use std::convert::Infallible;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use http::header::CONNECTION;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode, Version};
use http_body_util::Either;
use kubevigil_audit::request_info::RequestInfoError;
use kubevigil_record::auditing::wall_clock;
use kubevigil_record::layer::{Arrived, Caller, PeerAddress};
use kubevigil_record::request::RequestHead;
use pin_project_lite::pin_project;
use tower_layer::Layer;
use tower_service::Service;
use uuid::Uuid;

use crate::answer::{self, OwnBody};
use crate::counters::{GatewayCounters, Malformed};
use crate::either::EitherFuture;
use crate::peer::Peer;

pub use self::body::{ArrivingBody, BodyStalled};

const AUDIT_ID: HeaderName = HeaderName::from_static("audit-id");

/// An extension of each request, and of its answer: how long the upstream may take until it begins to answer. `None` stands for a long-running
/// request, which may take as long as it takes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct TimeAllowed(pub Option<Duration>);

/// What arrivals are held to.
#[derive(Debug)]
pub struct ArrivalLimits {
    /// What a short request gets, unless its client asks for less.
    pub request_timeout: Duration,
    /// For how long the body of a short request may stand still.
    pub stall_timeout: Duration,
    /// Most header lines.
    pub max_headers: usize,
}

/// Reads heads, gives audit ids, and turns away what no API server would take. Expects [`Peer`] in the extensions.
#[derive(Clone)]
pub struct ArrivalLayer {
    limits: Arc<ArrivalLimits>,
    counters: Arc<GatewayCounters>,
}

impl ArrivalLayer {
    /// Holds arrivals to the limits.
    pub fn new(limits: ArrivalLimits, counters: Arc<GatewayCounters>) -> Self {
        let limits = Arc::new(limits);
        Self { limits, counters }
    }
}

impl<S> Layer<S> for ArrivalLayer {
    type Service = Arrival<S>;

    fn layer(&self, inner: S) -> Arrival<S> {
        let layer = self.clone();
        Arrival { layer, inner }
    }
}

/// See [`ArrivalLayer`].
#[derive(Clone)]
pub struct Arrival<S> {
    layer: ArrivalLayer,
    inner: S,
}

impl<S, B, RB> Service<Request<B>> for Arrival<S>
where
    S: Service<Request<ArrivingBody<B>>, Response = Response<RB>, Error = Infallible>,
{
    type Response = Response<Either<OwnBody, RB>>;
    type Error = Infallible;
    type Future = ArrivalFuture<S::Future>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        self.layer.counters.requests.add(1);
        match self.layer.read(&mut request) {
            Ok(audit_id) => {
                let allowed = request.extensions().get().copied();
                let request = self.layer.guard_body(request);
                ArrivalFuture {
                    future: EitherFuture::inner(self.inner.call(request)),
                    audit_id: Some(audit_id),
                    allowed,
                }
            }
            Err(turned_away) => {
                if let Some(reason) = turned_away.reason() {
                    self.layer.counters.malformed.count(reason);
                }
                let (answer, audit_id) = turned_away.answer(request.version());
                ArrivalFuture {
                    future: EitherFuture::own(answer),
                    audit_id,
                    allowed: None,
                }
            }
        }
    }
}

impl ArrivalLayer {
    /// Reads the head and leaves it in the extensions. The audit id, for the answer.
    fn read<B>(&self, request: &mut Request<B>) -> Result<HeaderValue, TurnedAway> {
        let at = wall_clock();
        if request.headers().len() > self.limits.max_headers {
            return Err(TurnedAway::TooManyHeaders);
        }
        target::check_framing(request)?;
        target::make_origin_form(request)?;
        fields::trim(request.headers_mut());
        let peer = request.extensions().get::<Peer>();
        let address = peer.map(|peer| peer.address.ip().to_canonical());
        let audit_id = take_audit_id(request.headers_mut());
        let head = match read_head(request, address) {
            Ok(head) => head,
            Err(error) => return Err(TurnedAway::not_understood(request, error, audit_id)),
        };
        target::make_recorded(request, &head.request_uri)?;
        let allowed = self.time_allowed(&head, request.uri().query());
        let extensions = request.extensions_mut();
        match allowed {
            Ok(allowed) => extensions.insert(allowed).map(drop),
            Err(refused) => extensions.insert(refused).map(drop),
        };
        if let Some(address) = address {
            extensions.insert(PeerAddress(address));
        }
        extensions.insert(Arrived { head, at });
        Ok(audit_id)
    }

    fn time_allowed(&self, head: &RequestHead, query: Option<&str>) -> Result<TimeAllowed, Caller> {
        if head.info.is_long_running() {
            return Ok(TimeAllowed(None));
        }
        let most = self.limits.request_timeout;
        match timeout::asked_for(query.unwrap_or_default()) {
            Ok(asked) => Ok(TimeAllowed(Some(
                asked.map_or(most, |asked| asked.min(most)),
            ))),
            Err(problem) => Err(Caller::Refused {
                status: 400,
                message: format!("invalid timeout specified in the request URL - {problem}"),
            }),
        }
    }

    fn guard_body<B>(&self, request: Request<B>) -> Request<ArrivingBody<B>> {
        let allowed = request.extensions().get::<TimeAllowed>();
        let is_short = allowed.is_some_and(|allowed| allowed.0.is_some());
        let stall_timeout = is_short.then_some(self.limits.stall_timeout);
        let counters = Arc::clone(&self.counters);
        request.map(|body| ArrivingBody::new(body, stall_timeout, counters))
    }
}

fn read_head<B>(
    request: &Request<B>,
    address: Option<IpAddr>,
) -> Result<RequestHead, RequestInfoError> {
    let target = request.uri().path_and_query();
    let target = target.map_or("/", |target| target.as_str());
    RequestHead::read(
        request.method().as_str(),
        target,
        request.headers(),
        address,
    )
}

/// The audit id that the client chose, or a new one. Exactly one remains in the headers, so that the upstream's log has the same.
fn take_audit_id(headers: &mut HeaderMap) -> HeaderValue {
    let chosen = headers.get(AUDIT_ID).filter(|chosen| !chosen.is_empty());
    let audit_id = match chosen {
        Some(chosen) => chosen.clone(),
        None => new_audit_id(),
    };
    headers.insert(AUDIT_ID, audit_id.clone());
    audit_id
}

fn new_audit_id() -> HeaderValue {
    let id = Uuid::new_v4().hyphenated().to_string();
    // A UUID is always a good header value.
    HeaderValue::try_from(id).unwrap_or(HeaderValue::from_static("0"))
}

/// Why a request goes no further, and leaves no event.
#[derive(Debug, Eq, PartialEq)]
enum TurnedAway {
    /// `OPTIONS *`, which Go's server answers itself.
    Options,
    /// What Go's server would not accept, and why.
    Malformed(Malformed, &'static str),
    TooManyHeaders,
    /// Nobody can tell what it is about.
    NotUnderstood {
        problem: String,
        audit_id: HeaderValue,
    },
}

impl TurnedAway {
    fn not_understood<B>(
        request: &Request<B>,
        error: RequestInfoError,
        audit_id: HeaderValue,
    ) -> Self {
        let RequestInfoError::NothingBehind { .. } = error else {
            return Self::Malformed(Malformed::Meaning, "");
        };
        let uri = request.uri();
        let problem = format!(
            "Internal Server Error: {:?}: failed to create RequestInfo: unable to determine kind and namespace from url, {uri}",
            uri.to_string()
        );
        let escaped = problem.replace('&', "&amp;");
        let problem = escaped.replace('<', "&lt;").replace('>', "&gt;");
        Self::NotUnderstood { problem, audit_id }
    }

    /// What it counts as; nothing, if the answer is no refusal.
    fn reason(&self) -> Option<Malformed> {
        match self {
            Self::Options => None,
            Self::Malformed(reason, _) => Some(*reason),
            Self::TooManyHeaders => Some(Malformed::TooLarge),
            Self::NotUnderstood { .. } => Some(Malformed::Meaning),
        }
    }

    /// The answer, and its audit id: a server gives one to all that reach its handlers.
    fn answer(self, version: Version) -> (Response<OwnBody>, Option<HeaderValue>) {
        match self {
            Self::Options => (Response::default(), None),
            Self::Malformed(_, problem) => {
                let mut answer = answer::malformed(problem);
                if version == Version::HTTP_2 {
                    answer.headers_mut().remove(CONNECTION);
                }
                (answer, None)
            }
            Self::TooManyHeaders => {
                let code = StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE;
                (answer::text(code, "too many header lines"), None)
            }
            Self::NotUnderstood { problem, audit_id } => {
                let code = StatusCode::INTERNAL_SERVER_ERROR;
                (answer::text(code, &problem), Some(audit_id))
            }
        }
    }
}

pin_project! {
    /// The answer, with the audit id set on it.
    pub struct ArrivalFuture<F> {
        #[pin]
        future: EitherFuture<F>,
        audit_id: Option<HeaderValue>,
        allowed: Option<TimeAllowed>,
    }
}

impl<F, RB> Future for ArrivalFuture<F>
where
    F: Future<Output = Result<Response<RB>, Infallible>>,
{
    type Output = Result<Response<Either<OwnBody, RB>>, Infallible>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let Ok(mut answer) = ready!(this.future.poll(context));
        if let Some(audit_id) = this.audit_id.take() {
            answer.headers_mut().insert(AUDIT_ID, audit_id);
        }
        if let Some(allowed) = *this.allowed {
            answer.extensions_mut().insert(allowed);
        }
        Poll::Ready(Ok(answer))
    }
}
