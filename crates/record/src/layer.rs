//! A tower layer that audits any HTTP service with Kubernetes-style URLs, as an API server audits itself (spec 6).
//!
//! ```
//! use std::sync::Arc;
//!
//! use axum::{Router, body::Body, http::Request, routing::get};
//! use kubevigil_audit::policy::PolicyFile;
//! use kubevigil_record::auditing::Auditing;
//! use kubevigil_record::layer::AuditLayer;
//! use kubevigil_record::log::{LogOptions, LogSink};
//! # use tower::ServiceExt as _;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let folder = tempfile::tempdir()?;
//! # let path = folder.path().join("audit.log");
//! let file = PolicyFile::read("policy.yaml", "apiVersion: audit.k8s.io/v1\nkind: Policy\nrules: [{level: Metadata}]\n");
//! let policy = file.policy.ok_or("the policy has mistakes")?;
//! let log = LogSink::open(&LogOptions::new(&path), Arc::default())?;
//! let auditing = Auditing::new(policy, Arc::new(log));
//!
//! let orders = "/apis/shop.example.com/v1/namespaces/{namespace}/orders/{name}";
//! let service = Router::new()
//!     .route(orders, get(async || "one order"))
//!     .layer(AuditLayer::new(Arc::clone(&auditing)));
//! // In earnest: axum::serve(listener, service).
//! let request = Request::get("/apis/shop.example.com/v1/namespaces/dev/orders/7").body(Body::empty())?;
//! service.oneshot(request).await?;
//!
//! auditing.drain().await;
//! let line = std::fs::read_to_string(&path)?;
//! assert!(line.contains(r#""objectRef":{"resource":"orders","namespace":"dev","name":"7","apiGroup":"shop.example.com""#));
//! # Ok(())
//! # }
//! ```
//!
//! # What it promises
//!
//! - **An answered request has its events.** The last byte of an answer goes out when the sink has taken the last event, and a
//!   sink of a mode that waits has written it by then. No other byte waits.
//! - **Every request ends with an event**, whatever happens: a service that panics or fails (`Panic`), a client that goes away before or in the
//!   middle of the answer (`ResponseComplete`, with what is known: no code if there was no answer), a connection that breaks while events are being kept. Only a
//!   runtime that is shut down before [`Auditing::drain`] can lose some; they are counted.
//! - **Nothing that passes is changed**, but for the header `Audit-ID` of the answer. Bodies pass frame by frame with their trailers and their
//!   back-pressure.
//! - **Memory is bounded** by [`Limits`](crate::auditing::Limits), for one body and for all together. An event whose body did not fit is marked with
//!   `audit.k8s.io/truncated`.
//!
//! A request is refused with 500 and does not reach the service when the sink refuses its first event; only sinks in mode
//! `blocking-strict` and `durable` do. Later events that are refused are ignored, as an API server does it, unless the sink
//! [must keep](crate::sink::Sink::must_keep) them: then the answer breaks off, or becomes a 500 if its head is not out yet. An answer of
//! HTTP/1.0 without a length is the exception, which no client can tell from a whole one.
//!
//! # What outer services tell it
//!
//! In the extensions of the request, all of it optional: [`Caller`], without which everybody is `system:anonymous`, [`PeerAddress`], and
//! [`Arrived`] if the head was read before. A request that [`RequestHead::read`] does not understand is answered with 500 or 400
//! and leaves no event.
//!
//! The id of the request's events is the client's header `Audit-ID`, byte for byte, or a random UUID. The layer sets it on the answer, also where
//! nothing is recorded, unless there is an [`Arrived`]: then that is the business of whoever made it.
//!
//! # What inner services tell it
//!
//! A [`Recording`] is in the extensions of every request that leaves events. A service that upgrades a connection takes a
//! [`Hold`] before it answers with 101, and keeps it for as long as the connection lasts; without one the request is over with its answer.
//!
//! Of a request's body is recorded what came by in whole; an answer's body if it is JSON, plain or compressed with gzip. The body of an
//! answer to `HEAD` is not looked at.

mod answer_body;
mod arrival;
mod body_copy;
mod emission;
mod ending;
mod panic;
mod recording;
mod request_body;
mod service;

use std::net::IpAddr;
use std::sync::Arc;

use kubevigil_audit::time::Timestamp;
use tower_layer::Layer;

use crate::auditing::Auditing;
use crate::event::UserInfo;
use crate::request::RequestHead;

pub use crate::layer::answer_body::AuditedBody;
pub use crate::layer::recording::{Hold, Recording};
pub use crate::layer::request_body::AuditedRequestBody;
pub use crate::layer::service::AuditService;

/// What errors of bodies become.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Audits everything inside of it.
#[derive(Clone)]
pub struct AuditLayer {
    auditing: Arc<Auditing>,
}

impl AuditLayer {
    /// Records what the policy of `auditing` says.
    pub fn new(auditing: Arc<Auditing>) -> Self {
        Self { auditing }
    }
}

impl<S> Layer<S> for AuditLayer {
    type Service = AuditService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        AuditService::new(inner, Arc::clone(&self.auditing))
    }
}

/// Who asks: an extension of the request that an outer service puts there. The layer leaves it for the inner ones.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Caller {
    /// Somebody who was recognised, or is anonymous.
    Known(UserInfo),
    /// Nobody, so that the request leaves one event. The inner service has to answer it; the layer only records.
    Refused {
        /// What the request is to be answered with: 401, or 400 for a bad `timeout` parameter.
        status: u16,
        /// What is known of the credentials, see [`crate::request::refusal`]; an error object in the answer replaces it.
        message: String,
    },
}

/// Where the request comes from: an extension of the request that an outer service puts there.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct PeerAddress(pub IpAddr);

/// A request whose head an outer service has read: an extension of the request. The layer takes it out.
///
/// Who puts it there also takes or makes the `Audit-ID` and sets it on the answer; without it the layer does all that.
#[derive(Clone, Debug)]
pub struct Arrived {
    /// The head, with an audit id. Its user does not matter, [`Caller`] does.
    pub head: RequestHead,
    /// When the request came in.
    pub at: Timestamp,
}
