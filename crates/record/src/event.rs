//! The event that a request leaves (`audit.k8s.io/v1`, spec 2.1).
//!
//! Fields stand in the order in which they are written. Texts are valid UTF-8: what came in as anything else was
//! replaced when the request was read, as the server does when it writes. Bodies are kept as bytes that many events may
//! share, so that cloning an event costs its metadata only.

use std::collections::BTreeMap;

use bytes::Bytes;
use kubevigil_audit::event::{Level, Stage};
use kubevigil_audit::time::Timestamp;

/// The name of whoever shows no credentials.
pub(crate) const ANONYMOUS: &str = "system:anonymous";

/// Annotations of an event, sorted by key as they are written.
pub type Annotations = BTreeMap<String, String>;

/// One audit event. [`crate::encode`] writes it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct AuditEvent {
    /// How much the policy records.
    pub level: Level,
    /// What all events of one request share; chosen by the client if it likes.
    pub audit_id: String,
    /// Where in its life the request is.
    pub stage: Stage,
    /// Path and query.
    pub request_uri: String,
    /// The verb; may be empty.
    pub verb: String,
    /// Who asked; empty when nobody was recognised.
    pub user: UserInfo,
    /// Whom the request was carried out as.
    pub impersonated_user: Option<UserInfo>,
    /// The constrained-impersonation verb used, if any (`authenticationMetadata.impersonationConstraint`).
    pub impersonation_constraint: Option<String>,
    /// Addresses, the client's claims first, the peer last (spec 2.6).
    pub source_ips: Vec<String>,
    /// What the client calls itself.
    pub user_agent: String,
    /// The object; absent for requests that are about no resource.
    pub object_ref: Option<ObjectReference>,
    /// How it ended (spec 2.5).
    pub response_status: Option<ResponseStatus>,
    /// The body of the request, one JSON value; from level Request up.
    pub request_object: Option<Bytes>,
    /// The body of the response, one JSON value; at level RequestResponse.
    pub response_object: Option<Bytes>,
    /// When the request came in; `None` is written as `null`.
    pub request_received: Option<Timestamp>,
    /// When the stage was reached; `None` is written as `null`.
    pub stage_time: Option<Timestamp>,
    /// What else is known (spec 7).
    pub annotations: Annotations,
}

/// A user as events name it. What is empty is not written.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct UserInfo {
    /// The name.
    pub username: String,
    /// The id.
    pub uid: String,
    /// The groups.
    pub groups: Vec<String>,
    /// What the authenticator knows besides.
    pub extra: BTreeMap<String, Vec<String>>,
}

/// The object that a request is about. What is empty is not written.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct ObjectReference {
    /// The resource, plural.
    pub resource: String,
    /// The namespace.
    pub namespace: String,
    /// The name.
    pub name: String,
    /// The id of the object.
    pub uid: String,
    /// The API group, empty for the core group.
    pub api_group: String,
    /// The version of the group.
    pub api_version: String,
    /// The version of the object that the client had.
    pub resource_version: String,
    /// The subresource.
    pub subresource: String,
}

/// How a request ended: Kubernetes' `Status`. What is empty or 0 is not written.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct ResponseStatus {
    /// `Success` or `Failure`; absent where the answer was an object.
    pub status: String,
    /// For people.
    pub message: String,
    /// For programs (`NotFound`).
    pub reason: String,
    /// Compact JSON of the details, as the server sent them.
    pub details: Option<Bytes>,
    /// The HTTP status code.
    pub code: u16,
}

impl Default for AuditEvent {
    /// The zero event: nothing is known, level and stage are empty texts.
    fn default() -> Self {
        Self {
            level: Level::Other(Box::default()),
            audit_id: String::new(),
            stage: Stage::Other(Box::default()),
            request_uri: String::new(),
            verb: String::new(),
            user: UserInfo::default(),
            impersonated_user: None,
            impersonation_constraint: None,
            source_ips: Vec::new(),
            user_agent: String::new(),
            object_ref: None,
            response_status: None,
            request_object: None,
            response_object: None,
            request_received: None,
            stage_time: None,
            annotations: Annotations::new(),
        }
    }
}

impl AuditEvent {
    /// Whether the level allows bodies, so that leaving them out makes the event smaller.
    pub fn may_have_bodies(&self) -> bool {
        matches!(self.level, Level::Request | Level::RequestResponse)
    }
}
