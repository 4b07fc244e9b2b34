//! Why a request got no answer from the upstream, and what its client is told.
//!
//! The code says whether it is safe to ask again. 503, as kube-aggregator has it, is for requests that the upstream cannot have
//! seen, and comes with `Retry-After`, by which client-go asks again of its own accord. 502 is for requests that it may have
//! seen, and even carried out: no `Retry-After`, so that nothing is created twice. 504 has the words of kube-apiserver's own
//! time-out. Clients are told the kind of trouble; addresses and certificates stand in the gateway's log only.

use std::io;

use http::{Response, StatusCode};
use kubevigil_kubeconfig::CredentialError;
use tracing::{debug, warn};

use crate::answer::{OwnBody, detailed, soon};
use crate::impersonate::Unwritable;

/// Why there is no answer of the upstream's.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    #[error("the request's target is no path")]
    Target,
    #[error("the request's path has `.` or `..` as a segment")]
    Dots,
    #[error("nobody decided in whose name the request goes on")]
    NoUser,
    #[error(transparent)]
    Unwritable(#[from] Unwritable),
    #[error("the gateway has no valid credentials of its own: {0}")]
    Credentials(#[from] CredentialError),
    #[error(transparent)]
    Unreachable(#[from] Unreachable),
    #[error("the connection broke before the upstream answered: {0}")]
    Broken(hyper::Error),
    #[error("the upstream did not answer in time")]
    Late,
    #[error("the upstream changed the protocol, but nobody had asked for that")]
    UnaskedUpgrade,
    #[error(
        "the upstream is this gateway itself, or leads back to it: the server in its kubeconfig must be the API server's own"
    )]
    Loop,
    #[error("the request's body could not be read: {0}")]
    Body(hyper::Error),
}

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unreachable {
    #[error("{0}")]
    Io(#[from] io::Error),
    #[error("the connection was closed before the request was sent")]
    Closed,
    #[error("no connection in time")]
    Late,
    #[error("the TLS handshake failed: {0}")]
    Tls(io::Error),
    #[error("no connection by way of the proxy: {0}")]
    Http(#[from] hyper::Error),
    #[error("the proxy refused with {0}")]
    Proxy(StatusCode),
    #[error("the host's name cannot be sent to the proxy")]
    Name,
}

impl Failure {
    /// Whether the upstream may have carried the request out all the same, or may yet do so. A client can bring that about, by a
    /// `timeout` that is just too short, and must not pass for one that failed.
    pub(super) fn leaves_open(&self) -> bool {
        matches!(self, Self::Broken(_) | Self::Late)
    }

    /// What the client is told; the log is told more, and loudly unless it is the client who can bring it about.
    pub(super) fn told(&self) -> Response<OwnBody> {
        match self {
            Self::Target | Self::Dots | Self::Unwritable(_) | Self::Body(_) => {
                debug!(error = %self, "a request cannot be sent on");
            }
            _ => warn!(error = %self, "a request was not answered by the upstream"),
        }
        self.answer()
    }

    fn answer(&self) -> Response<OwnBody> {
        let (code, reason, message) = self.words();
        // The server's own has empty details, too.
        let details = matches!(self, Self::Late).then_some("{}");
        let answer = detailed(code, reason, message, details);
        match self {
            Self::Unreachable(_) | Self::Credentials(_) => soon(answer),
            _ => answer,
        }
    }

    fn words(&self) -> (StatusCode, &'static str, &'static str) {
        match self {
            Self::Target => (
                StatusCode::BAD_REQUEST,
                "BadRequest",
                "the request's target is no path",
            ),
            Self::Dots => (
                StatusCode::BAD_REQUEST,
                "BadRequest",
                "the request's path has `.` or `..` as a segment, which servers read in different ways",
            ),
            Self::Body(_) => (
                StatusCode::BAD_REQUEST,
                "BadRequest",
                "the request's body could not be read",
            ),
            Self::Unwritable(_) => (
                StatusCode::FORBIDDEN,
                "Forbidden",
                "the user's name, uid, groups or extra fields cannot be sent on in headers",
            ),
            Self::NoUser => (
                StatusCode::INTERNAL_SERVER_ERROR,
                "InternalError",
                "the request cannot be sent on in the name of its user",
            ),
            Self::Credentials(_) => (
                StatusCode::SERVICE_UNAVAILABLE,
                "ServiceUnavailable",
                "the gateway has no valid credentials of its own at present",
            ),
            Self::Unreachable(cause) => (
                StatusCode::SERVICE_UNAVAILABLE,
                "ServiceUnavailable",
                cause.words(),
            ),
            Self::Broken(_) => (
                StatusCode::BAD_GATEWAY,
                "BadGateway",
                "the API server broke the connection off before it answered; it may have carried the request out",
            ),
            Self::UnaskedUpgrade => (
                StatusCode::BAD_GATEWAY,
                "BadGateway",
                "the API server changed the protocol unasked",
            ),
            Self::Loop => (
                StatusCode::LOOP_DETECTED,
                "InternalError",
                "the gateway's upstream leads back to the gateway",
            ),
            Self::Late => (
                StatusCode::GATEWAY_TIMEOUT,
                "Timeout",
                "Timeout: request did not complete within the allotted timeout",
            ),
        }
    }
}

impl Unreachable {
    fn words(&self) -> &'static str {
        match self {
            Self::Io(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
                "the API server cannot be reached: connection refused"
            }
            Self::Late => "the API server cannot be reached: no connection in time",
            Self::Tls(_) => "the API server cannot be reached: no TLS session",
            Self::Http(_) | Self::Proxy(_) | Self::Name => {
                "the API server cannot be reached: the proxy opens no tunnel"
            }
            Self::Io(_) | Self::Closed => "the API server cannot be reached",
        }
    }
}
