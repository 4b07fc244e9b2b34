//! What an answer tells of how far the server got with a request.
//!
//! The server records a request's body when its handler has decoded it. What is refused before, by authentication,
//! authorization, flow control, negotiation or the decoder itself, has none; what is refused after it, by admission, validation or
//! storage, has one. The handlers write their refusals as `Status`, the filters before them mostly as plain text, and the few
//! `Status` of filters and decoders have words of their own: those are listed here, and whatever else is refused is taken
//! for decoded. The other way round, listing what comes after decoding, is no list at all: admission webhooks say what they like.
//!
//! Messages quote text of the requests. It must not make a body disappear, so words are only looked for where the server
//! itself writes them, at the beginning; in doubt the body is recorded.

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

    /// Whether it says in the server's form that something went wrong.
    pub(super) fn is_failure(&self) -> bool {
        let status = self.status.as_ref();
        status.is_some_and(|status| status.status == "Failure")
    }

    /// When the client accepts none of the formats of API objects, the server writes its refusal, in JSON, without its audit looking on.
    /// A handler with formats of its own names those, and its refusal is recorded.
    pub(super) fn is_unnegotiated(&self, code: u16) -> bool {
        let status = self.status.as_ref().filter(|_| code == 406);
        status.is_some_and(|status| {
            status
                .message
                .contains("application/vnd.kubernetes.protobuf")
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

/// Whether the server has recorded the body of a request, whose verb this is, when it answers so.
pub(super) fn decodes_body(status: &ResponseStatus, verb: &str) -> bool {
    let message = status.message.as_str();
    match status.code {
        401 | 405 | 406 | 413 | 415 => false,
        // The server's time-out, and a gateway's lost connection, come whenever they like: the body may be carried out all the same.
        502 | 504 => true,
        400 | 403 | 429 | 500.. if message.is_empty() => false,
        400 => !is_of_a_filter(message) && (verb == "patch" || !is_of_the_decoder(message)),
        403 => !is_denied_by_authorizer(message),
        404 => member_of(status, "name").is_some(),
        422 => !is_about_options(status),
        _ => true,
    }
}

/// What is refused with 400 before any handler: a bad `timeout` parameter, groups to impersonate without a name.
fn is_of_a_filter(message: &str) -> bool {
    let impersonation = message.starts_with("requested ");
    message.starts_with("invalid timeout specified in the request URL")
        || impersonation && message.contains(" without impersonating a user")
}

/// What creates and updates are refused with before they are recorded. Patches are recorded before they are decoded.
///
/// `Secret in version "v1" cannot be handled as a ConfigMap: …`, and the same without a kind. An update of a whole collection
/// has no name, and deletions have a decoder of their own for their options.
fn is_of_the_decoder(message: &str) -> bool {
    let head = message.split_once(": ").map_or(message, |(head, _)| head);
    message == "name must be provided"
        || message.starts_with("no kind \"")
        || message.starts_with("the object provided is unrecognized (must be of type ")
        || message.starts_with("the API version in the data (")
        || head.contains(" in version \"") && head.contains("\" cannot be handled as a ")
}

/// `pods is forbidden: User "jane" cannot create resource "pods" …`, where admission says `pods "web" is forbidden: …`.
fn is_denied_by_authorizer(message: &str) -> bool {
    let reason = message.split_once("forbidden: ").map(|(_, reason)| reason);
    reason.is_some_and(|reason| reason.starts_with("User \"") && reason.contains("\" cannot "))
}

/// Options in the query (`dryRun`, `fieldValidation`) are validated before the body is read.
fn is_about_options(status: &ResponseStatus) -> bool {
    member_of(status, "kind").is_some_and(|kind| {
        matches!(
            kind.as_str(),
            "CreateOptions" | "UpdateOptions" | "PatchOptions"
        )
    })
}

/// A text among the details of a `Status`. A path that nothing serves is not found either, but then nothing is named.
fn member_of(status: &ResponseStatus, name: &str) -> Option<String> {
    let details = Json::first_in(status.details.as_ref()?)?;
    let member = details.last_member(name)?;
    (member.kind() == JsonKind::String).then(|| text(&member.text()))
}
