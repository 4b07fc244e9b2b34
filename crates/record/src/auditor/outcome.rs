//! What an answer tells of how far the server got with a request.
//!
//! The server records a request's body when its handler decodes it. What is refused before, by authentication,
//! authorization, flow control or negotiation, has none; what is refused after it, by admission, validation or storage, has one. The
//! answer tells them apart in everything that was recorded. Where it does not, as with most that is answered with 400, the
//! body is left out.

use bytes::Bytes;
use kubevigil_audit::json::{Json, JsonKind};

use crate::body;
use crate::event::ResponseStatus;
use crate::request::text;

/// An API object that was the answer.
#[derive(Clone, Debug)]
pub(super) struct Answer {
    /// Its compact JSON.
    pub(super) object: Bytes,
    /// How it ended, if the object says it: without the code.
    pub(super) status: Option<ResponseStatus>,
}

impl Answer {
    /// Reads a body; `None` unless it is one JSON object with a kind.
    pub(super) fn read(body: &[u8], omit_managed_fields: bool) -> Option<Self> {
        let object = Json::first_in(body)?;
        let kind = object.last_member("kind")?;
        // The list of versions at `/api` has a kind, but no version.
        if kind.kind() != JsonKind::String {
            return None;
        }
        let object = body::compact(body, omit_managed_fields).ok()?;
        let is_status = kind.text().as_ref() == b"Status";
        let status = is_status.then(|| status(&object)).flatten();
        Some(Self {
            object: object.into(),
            status,
        })
    }
}

fn status(object: &[u8]) -> Option<ResponseStatus> {
    let object = Json::first_in(object)?;
    let member = |name: &str| match object.last_member(name) {
        Some(value) if value.kind() == JsonKind::String => text(&value.text()),
        _ => String::new(),
    };
    let details = object
        .last_member("details")
        .filter(|details| details.kind() == JsonKind::Object);
    Some(ResponseStatus {
        status: member("status"),
        message: member("message"),
        reason: member("reason"),
        details: details.map(|details| Bytes::copy_from_slice(details.raw())),
        code: 0,
    })
}

/// Whether the server decodes the body of a request before it answers so.
pub(super) fn decodes_body(status: &ResponseStatus) -> bool {
    match status.code {
        400 => is_of_a_decoded_object(&status.message),
        401 | 405 | 406 | 413 | 415 | 429 => false,
        403 => !is_denied_by_authorizer(&status.message),
        404 => status
            .details
            .as_ref()
            .is_some_and(|details| names_object(details)),
        _ => true,
    }
}

/// `pods is forbidden: User "jane" cannot create resource "pods" …`, where admission says `pods "web" is forbidden: …`.
fn is_denied_by_authorizer(message: &str) -> bool {
    let behind = message.split_once("forbidden: User \"");
    behind.is_some_and(|(_, rest)| rest.contains("\" cannot ")) || message.is_empty()
}

/// The checks of namespace and name against the URL, the first that the server makes behind decoding.
fn is_of_a_decoded_object(message: &str) -> bool {
    message.contains(" does not match the name")
}

/// A path that nothing serves is not found either, but then nothing is named.
fn names_object(details: &[u8]) -> bool {
    let details = Json::first_in(details);
    details.is_some_and(|details| details.last_member("name").is_some())
}
