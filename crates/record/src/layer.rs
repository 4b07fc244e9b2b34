//! A tower layer that audits any HTTP service with Kubernetes-style URLs (spec 6).
//!
//! PLACEHOLDER
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
