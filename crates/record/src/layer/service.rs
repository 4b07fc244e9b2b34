//! The filter itself: what happens to a request from its arrival to the beginning of its answer (spec 6.2).

use std::panic::resume_unwind;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use http_body::Body;
use tower_service::Service;

use crate::auditing::Auditing;
use crate::layer::BoxError;
use crate::layer::answer_body::AuditedBody;
use crate::layer::arrival::{AUDIT_ID, Arrival, not_stored, not_understood, own_audit_id};
use crate::layer::body_copy::content_length;
use crate::layer::panic::{Caught, message_of};
use crate::layer::recording::{ABORTED, Recording, Unfinished};
use crate::layer::request_body::AuditedRequestBody;

/// A service whose requests are audited. Made by [`AuditLayer`](crate::layer::AuditLayer).
#[derive(Clone)]
pub struct AuditService<S> {
    inner: S,
    auditing: Arc<Auditing>,
}

impl<S> AuditService<S> {
    pub(super) fn new(inner: S, auditing: Arc<Auditing>) -> Self {
        Self { inner, auditing }
    }
}

impl<S, B, RB> Service<Request<B>> for AuditService<S>
where
    S: Service<Request<AuditedRequestBody<B>>, Response = Response<RB>> + Clone + Send + 'static,
    S::Future: Send,
    S::Error: Send,
    B: Body<Data = Bytes> + Send + 'static,
    RB: Body<Data = Bytes> + Send + 'static,
    RB::Error: Into<BoxError>,
{
    type Response = Response<AuditedBody<RB>>;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, S::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        // The clone may not be ready, the one that was asked is.
        let next = self.inner.clone();
        let inner = std::mem::replace(&mut self.inner, next);
        Box::pin(serve(Arc::clone(&self.auditing), inner, request))
    }
}

async fn serve<S, B, RB>(
    auditing: Arc<Auditing>,
    mut inner: S,
    request: Request<B>,
) -> Result<Response<AuditedBody<RB>>, S::Error>
where
    S: Service<Request<AuditedRequestBody<B>>, Response = Response<RB>>,
    B: Body<Data = Bytes>,
    RB: Body<Data = Bytes>,
{
    let (mut parts, body) = request.into_parts();
    let audit_id = own_audit_id(&parts);
    let arrival = Arrival::of(&mut parts, audit_id.as_ref(), || auditing.now());
    let answer = match arrival {
        Err(error) => Ok(not_understood(&error)),
        Ok(arrival) => match begin(&auditing, arrival) {
            Some(recording) => audited(recording, inner, parts, body).await,
            None => {
                let request = Request::from_parts(parts, AuditedRequestBody::untouched(body));
                let answer = inner.call(request).await;
                answer.map(|answer| answer.map(AuditedBody::untouched))
            }
        },
    };
    let mut answer = answer?;
    if let Some(audit_id) = audit_id {
        answer.headers_mut().insert(AUDIT_ID, audit_id);
    }
    Ok(answer)
}

/// Puts a request to the policy; `None` when it leaves no event.
fn begin(auditing: &Arc<Auditing>, arrival: Arrival) -> Option<Recording> {
    let mut audit = auditing.begin(arrival.head, arrival.at)?;
    if let Some(refusal) = arrival.refusal {
        audit.refused(refusal);
    }
    Some(Recording::new(auditing, audit))
}

/// A request that leaves events.
async fn audited<S, B, RB>(
    recording: Recording,
    mut inner: S,
    mut parts: http::request::Parts,
    body: B,
) -> Result<Response<AuditedBody<RB>>, S::Error>
where
    S: Service<Request<AuditedRequestBody<B>>, Response = Response<RB>>,
    B: Body<Data = Bytes>,
    RB: Body<Data = Bytes>,
{
    let unfinished = Unfinished(recording.clone());
    if let Some(event) = recording.with(|audit| audit.received()).flatten()
        && let Err(error) = recording.tell(event).await
    {
        tracing::error!(%error, "a request is refused because its audit event was not kept");
        recording.auditing().counters().count_rejected();
        recording.forget();
        return Ok(not_stored());
    }
    let method = parts.method.clone();
    let body = AuditedRequestBody::new(body, &parts, &recording);
    parts.extensions.insert(recording.clone());
    let request = Request::from_parts(parts, body);
    let outcome = Caught {
        inner: async move { inner.call(request).await },
    };
    match outcome.await {
        Ok(Ok(answer)) => Ok(answered(&method, answer, unfinished).await),
        Ok(Err(error)) => {
            break_down(&recording, ABORTED).await;
            Err(error)
        }
        Err(panicked) => {
            break_down(&recording, message_of(&panicked)).await;
            resume_unwind(panicked)
        }
    }
}

async fn break_down(recording: &Recording, message: &str) {
    recording.panicked(message);
    if let Some(emission) = recording.end() {
        // There is no answer that could be kept from looking complete.
        drop(emission.await);
    }
}

/// The head of the answer is there.
async fn answered<RB>(
    method: &Method,
    answer: Response<RB>,
    unfinished: Unfinished,
) -> Response<AuditedBody<RB>>
where
    RB: Body<Data = Bytes>,
{
    let Unfinished(recording) = &unfinished;
    let auditing = Arc::clone(recording.auditing());
    let (now, code) = (auditing.now(), answer.status().as_u16());
    let started = recording.with(|audit| audit.response_started(code, now));
    if let Some(event) = started.flatten() {
        let kept = recording.tell(event).await;
        if kept.is_err() && auditing.must_keep() {
            auditing.counters().count_broken_off();
            break_down(recording, "failed to store audit event").await;
            return not_stored();
        }
    }
    let (parts, body) = answer.into_parts();
    if has_body(method, &parts) && !body.is_end_stream() {
        let body = AuditedBody::new(body, &parts, unfinished);
        return Response::from_parts(parts, body);
    }
    if let Some(emission) = recording.end()
        && emission.await.is_err()
        && auditing.must_keep()
    {
        auditing.counters().count_broken_off();
        return not_stored();
    }
    Response::from_parts(parts, AuditedBody::untouched(body))
}

/// Whether a body can go out behind this head (RFC 9112, section 6.3). If none can, nobody will ask for its end.
fn has_body(method: &Method, parts: &http::response::Parts) -> bool {
    let code = parts.status;
    let is_bare = code.is_informational()
        || matches!(code, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED)
        || *method == Method::HEAD
        || (*method == Method::CONNECT && code.is_success());
    !is_bare && content_length(&parts.headers) != Some(0)
}
