//! What an alert says about its event: which one it was, and who did what.

use kubevigil_audit::event::{EventView, Outcome};
use kubevigil_audit::json::PathScratch;
use serde::{Deserialize, Serialize};

use crate::identity::EventDigest;

/// What every alert about one event has in common.
#[derive(Clone, Debug)]
pub struct EventSummary {
    /// Which event it was.
    pub event: EventReference,
    /// Who did what.
    pub request: Request,
    /// What became of the request.
    pub outcome: Outcome,
}

/// Which event an alert is about, for finding it again. Texts are cut at [`crate::bounds::SHORT_TEXT`] bytes.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(default)]
pub struct EventReference {
    /// The event's auditID: chosen by the client, so neither unique nor to be trusted.
    pub audit_id: String,
    /// The event's stage (`ResponseComplete`).
    pub stage: String,
    /// The log file that the event came from.
    pub file: Option<String>,
    /// The line in `file`, counted from 1.
    pub line: Option<u64>,
    /// The event's place in the journal.
    pub place: Option<u64>,
    /// The digest of the event's bytes.
    pub digest: EventDigest,
}

/// Who did what: the parts of an event that people ask for first. Absent where the event says nothing. Texts are cut at
/// [`crate::bounds::SHORT_TEXT`] bytes.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(default)]
pub struct Request {
    /// The authenticated user.
    pub user: Option<String>,
    /// The user that the authenticated one acted as.
    pub impersonated_user: Option<String>,
    /// The verb (`create`).
    pub verb: Option<String>,
    /// The resource (`pods`).
    pub resource: Option<String>,
    /// The subresource (`exec`).
    pub subresource: Option<String>,
    /// The namespace.
    pub namespace: Option<String>,
    /// The object's name.
    pub name: Option<String>,
    /// The request's URI.
    pub uri: Option<String>,
    /// The address of the last hop: the one that the API server saw itself.
    pub address: Option<String>,
    /// The client's name for itself.
    pub user_agent: Option<String>,
    /// The HTTP status of the answer.
    pub code: Option<i64>,
}

impl EventSummary {
    /// Reads an event: one JSON object. Whatever the bytes are, there is a summary; of what cannot be read it has the digest
    /// alone. Where the event came from is for the caller to fill in.
    ///
    /// ```
    /// use kubevigil_alerts::EventSummary;
    ///
    /// let raw = br#"{"auditID":"1","stage":"ResponseComplete","verb":"list","user":{"username":"mallory"},
    ///     "objectRef":{"resource":"secrets"},"responseStatus":{"code":403}}"#;
    /// let summary = EventSummary::read(raw, &mut Default::default());
    /// assert_eq!(summary.request.user.as_deref(), Some("mallory"));
    /// assert_eq!(summary.outcome.as_str(), "denied");
    /// ```
    pub fn read(raw: &[u8], scratch: &mut PathScratch) -> Self {
        let digest = EventDigest::of(raw);
        match EventView::read_with(raw, scratch) {
            Ok(view) => Self {
                event: EventReference {
                    digest,
                    ..EventReference::of(&view)
                },
                request: Request::of(&view),
                outcome: view.outcome(),
            },
            Err(_) => Self {
                event: EventReference {
                    digest,
                    ..EventReference::default()
                },
                request: Request::default(),
                outcome: Outcome::Started,
            },
        }
    }
}

impl EventReference {
    fn of(view: &EventView<'_>) -> Self {
        Self {
            audit_id: view.audit_id().map(String::from).unwrap_or_default(),
            stage: view
                .stage()
                .map(|stage| stage.as_str().to_owned())
                .unwrap_or_default(),
            ..Self::default()
        }
    }
}

impl Request {
    fn of(view: &EventView<'_>) -> Self {
        let object = view.object_ref().unwrap_or_default();
        Self {
            user: view.user().and_then(|user| user.name()).map(String::from),
            impersonated_user: view
                .impersonated_user()
                .and_then(|user| user.name())
                .map(String::from),
            verb: view.verb().map(String::from),
            resource: object.resource.map(String::from),
            subresource: object.subresource.map(String::from),
            namespace: object.namespace.map(String::from),
            name: object.name.map(String::from),
            uri: view.request_uri().map(String::from),
            address: view.last_hop().map(String::from),
            user_agent: view.user_agent().map(String::from),
            code: view.response_status().and_then(|status| status.code),
        }
    }
}
