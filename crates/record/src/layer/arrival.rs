//! What is known of a request when it reaches the layer.

use http::header::{CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS};
use http::request::Parts;
use http::{HeaderName, HeaderValue, Response, StatusCode};
use kubevigil_audit::request_info::RequestInfoError;
use kubevigil_audit::time::Timestamp;
use uuid::Uuid;

use crate::event::{ANONYMOUS, UserInfo};
use crate::layer::{Arrived, AuditedBody, Caller, PeerAddress};
use crate::request::{RequestHead, text};

/// Under what a client finds the events of its request.
pub(super) const AUDIT_ID: HeaderName = HeaderName::from_static("audit-id");

/// A request's head, completed.
pub(super) struct Arrival {
    pub(super) head: RequestHead,
    pub(super) at: Timestamp,
    /// Why the credentials were refused, if they were.
    pub(super) refusal: Option<String>,
}

impl Arrival {
    /// Reads what outer services left in the extensions and, failing that, the request itself.
    pub(super) fn of(
        parts: &mut Parts,
        audit_id: Option<&HeaderValue>,
        now: impl FnOnce() -> Timestamp,
    ) -> Result<Self, RequestInfoError> {
        let Arrived { mut head, at } = match parts.extensions.remove::<Arrived>() {
            Some(arrived) => arrived,
            None => Arrived {
                at: now(),
                head: read_head(parts)?,
            },
        };
        if let Some(audit_id) = audit_id {
            head.audit_id = text(audit_id.as_bytes());
        }
        let (user, refusal) = match parts.extensions.get() {
            Some(Caller::Known(user)) => (Some(user.clone()), None),
            Some(Caller::Refused { message, .. }) => (None, Some(message.clone())),
            None => (Some(anonymous()), None),
        };
        head.user = user;
        Ok(Self { head, at, refusal })
    }
}

/// The id that the layer has to give to the request and to set on the answer: the client's, byte for byte, or a new one. `None` when
/// an outer service does it.
pub(super) fn own_audit_id(parts: &Parts) -> Option<HeaderValue> {
    let arrived = parts.extensions.get::<Arrived>();
    if arrived.is_some_and(|arrived| !arrived.head.audit_id.is_empty()) {
        return None;
    }
    match parts.headers.get(AUDIT_ID) {
        // A header value has no line feed: nothing can be smuggled into the answer with it.
        Some(sent) if !sent.is_empty() => Some(sent.clone()),
        _ => HeaderValue::try_from(Uuid::new_v4().to_string()).ok(),
    }
}

fn read_head(parts: &Parts) -> Result<RequestHead, RequestInfoError> {
    let target = parts.uri.path_and_query();
    let target = target.map_or("/", |target| target.as_str());
    let peer = parts.extensions.get().map(|PeerAddress(address)| *address);
    RequestHead::read(parts.method.as_str(), target, &parts.headers, peer)
}

fn anonymous() -> UserInfo {
    UserInfo {
        username: ANONYMOUS.to_owned(),
        groups: vec!["system:unauthenticated".to_owned()],
        ..UserInfo::default()
    }
}

/// The answer to a request of which the server could not tell what it is about; it leaves no event.
pub(super) fn not_understood<B>(error: &RequestInfoError) -> Response<AuditedBody<B>> {
    match error {
        RequestInfoError::NothingBehind { .. } => plain(
            StatusCode::INTERNAL_SERVER_ERROR,
            "Internal Server Error: failed to create RequestInfo\n",
        ),
        RequestInfoError::Escape { .. } => plain(StatusCode::BAD_REQUEST, "400 Bad Request"),
    }
}

/// The answer to a request whose event the sink did not keep.
pub(super) fn not_stored<B>() -> Response<AuditedBody<B>> {
    plain(
        StatusCode::INTERNAL_SERVER_ERROR,
        "Internal Server Error: failed to store audit event\n",
    )
}

fn plain<B>(code: StatusCode, text: &'static str) -> Response<AuditedBody<B>> {
    let mut answer = Response::new(AuditedBody::own(text));
    *answer.status_mut() = code;
    let headers = answer.headers_mut();
    let content_type = HeaderValue::from_static("text/plain; charset=utf-8");
    headers.insert(CONTENT_TYPE, content_type);
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    answer
}
