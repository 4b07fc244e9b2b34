//! What the webhook answers, and why.
//!
//! The API server ignores the text of an answer, but prints it to nobody either: the reasons here are for the person who
//! tries the webhook with curl. Whatever is not 200 is sent again, four more times, and then dropped for good; a 429 or 503
//! with a whole number of seconds in `Retry-After` is first repeated up to ten times within each of the five.

use std::time::Duration;

use bytes::Bytes;
use http::header::{self, HeaderName};
use http::{HeaderValue, Method, Response, StatusCode};
use http_body_util::Full;

/// Why a request was refused.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub(super) enum Refusal {
    #[error("nothing is here; audit events go to {0}")]
    Path(String),
    /// The method, and those that are allowed.
    #[error("method {} is not allowed here; use {}", cut(.0.as_str()), first(.1))]
    Method(Method, &'static str),
    #[error("a valid bearer token is needed")]
    Token,
    #[error("the client certificate's name is not on the list of allowed names")]
    Name,
    #[error("content type must be application/json")]
    ContentType,
    #[error("content encoding must be gzip or identity")]
    Encoding,
    #[error("the body is larger than {0} bytes")]
    TooLarge(u64),
    #[error("the body holds more than {0} events")]
    TooMany(usize),
    #[error("the body did not arrive within {} seconds", .0.as_secs())]
    SlowBody(Duration),
    #[error("the body ended early")]
    BrokenBody,
    #[error("the body is not gzip as its header says")]
    NotGzip,
    #[error("{0}")]
    Payload(String),
    #[error("too many bodies are being received; try again")]
    Memory,
    #[error("too many events are waiting to be written; try again")]
    Busy,
    /// Holds the reason, which is for the log only.
    #[error("events cannot be written at the moment; try again")]
    Storage(String),
    #[error("shutting down; try again")]
    Stopping,
}

impl Refusal {
    pub(super) fn status(&self) -> StatusCode {
        match self {
            Self::Path(_) => StatusCode::NOT_FOUND,
            Self::Method(..) => StatusCode::METHOD_NOT_ALLOWED,
            Self::Token => StatusCode::UNAUTHORIZED,
            Self::Name => StatusCode::FORBIDDEN,
            Self::Encoding => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::TooLarge(_) | Self::TooMany(_) => StatusCode::PAYLOAD_TOO_LARGE,
            Self::SlowBody(_) => StatusCode::REQUEST_TIMEOUT,
            Self::ContentType | Self::BrokenBody | Self::NotGzip | Self::Payload(_) => {
                StatusCode::BAD_REQUEST
            }
            Self::Memory | Self::Busy => StatusCode::TOO_MANY_REQUESTS,
            Self::Storage(_) | Self::Stopping => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    /// Header fields that belong to the answer.
    fn header(&self) -> Option<(HeaderName, HeaderValue)> {
        let (name, value) = match self {
            Self::Memory | Self::Busy | Self::Stopping => (header::RETRY_AFTER, "1"),
            Self::Storage(_) => (header::RETRY_AFTER, "5"),
            Self::Method(_, allowed) => (header::ALLOW, *allowed),
            Self::Token => (header::WWW_AUTHENTICATE, "Bearer realm=\"audit\""),
            Self::Encoding => (header::ACCEPT_ENCODING, "gzip, identity"),
            _ => return None,
        };
        Some((name, HeaderValue::from_static(value)))
    }

    /// Whether the connection is closed because what remains of the body cannot be waited for.
    fn ends_connection(&self) -> bool {
        matches!(
            self,
            Self::TooLarge(_) | Self::SlowBody(_) | Self::BrokenBody | Self::Stopping
        )
    }

    /// The answer. `may_close` says that the protocol has a `Connection` header (HTTP/1.1).
    pub(super) fn response(&self, may_close: bool) -> Response<Full<Bytes>> {
        let mut response = plain(self.status(), &format!("{self}\n"));
        if let Some((name, value)) = self.header() {
            response.headers_mut().insert(name, value);
        }
        if may_close && self.ends_connection() {
            let close = HeaderValue::from_static("close");
            response.headers_mut().insert(header::CONNECTION, close);
        }
        response
    }
}

/// The batch is durable: 200 with an empty body and no content type, which the API server takes for success.
pub(super) fn accepted() -> Response<Full<Bytes>> {
    Response::new(Full::default())
}

/// The answer to a health check.
pub(super) fn health(good: bool) -> Response<Full<Bytes>> {
    if good {
        plain(StatusCode::OK, "ok\n")
    } else {
        plain(StatusCode::SERVICE_UNAVAILABLE, "not ready\n")
    }
}

fn plain(status: StatusCode, text: &str) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::from(text.to_owned()));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    let text_type = HeaderValue::from_static("text/plain; charset=utf-8");
    headers.insert(header::CONTENT_TYPE, text_type);
    headers.insert(
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    );
    response
}

fn first(methods: &str) -> &str {
    methods.split(',').next().unwrap_or(methods)
}

/// The first characters of a text from outside.
fn cut(text: &str) -> String {
    text.chars().take(20).collect()
}
