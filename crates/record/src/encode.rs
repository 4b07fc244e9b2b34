//! Events as bytes, exactly as the API server writes them (spec 2.4).
//!
//! Written by hand and not derived: the order of members, what is left out, the escapes of Go's encoder and the embedded bodies
//! together decide how long an event is, and lengths decide about truncation and rotation. A general serialiser would need a
//! second pass over every event for the escapes alone.
//!
//! An event whose body is not one JSON value cannot be written and is lost; in a list the server then loses the whole list. Here
//! bodies are checked when they are recorded, so that only an event made by other means can fail, and
//! [`event_list`] leaves out that one event alone.

mod legacy;
mod object;

use std::sync::Arc;

use kubevigil_audit::time::Timestamp;

pub use crate::body::NotOneValue;
use crate::body::compact_into;
use crate::encode::object::Object;
use crate::event::{AuditEvent, ObjectReference, ResponseStatus, UserInfo};

pub use crate::encode::legacy::legacy_line;
pub(crate) use crate::encode::object::quoted;

/// A list up to its items.
const LIST: &[u8] = br#"{"kind":"EventList","apiVersion":"audit.k8s.io/v1","metadata":{},"items":"#;

/// One event and a line feed: a line of the log.
///
/// # Errors
///
/// When a body is not one JSON value.
pub fn json_line(event: &AuditEvent) -> Result<Vec<u8>, NotOneValue> {
    let mut out = br#"{"kind":"Event","apiVersion":"audit.k8s.io/v1","#.to_vec();
    members(&mut out, event)?;
    out.push(b'\n');
    Ok(out)
}

/// One event as an item of a list: without kind and version, without a line feed.
///
/// # Errors
///
/// When a body is not one JSON value.
pub fn list_item(event: &AuditEvent) -> Result<Vec<u8>, NotOneValue> {
    let mut out = vec![b'{'];
    members(&mut out, event)?;
    Ok(out)
}

/// An `EventList` of [`list_item`]s and a line feed.
pub fn list_of<'i>(items: impl IntoIterator<Item = &'i [u8]>) -> Vec<u8> {
    let mut out = LIST.to_vec();
    for item in items {
        out.push(if out.len() == LIST.len() { b'[' } else { b',' });
        out.extend_from_slice(item);
    }
    end_list(&mut out);
    out
}

/// An `EventList` and a line feed: what a webhook is sent. Also how many events had to be left out because a body of theirs
/// is not one JSON value.
pub fn event_list(events: &[Arc<AuditEvent>]) -> (Vec<u8>, usize) {
    let mut out = LIST.to_vec();
    let mut lost = 0;
    for event in events {
        let length = out.len();
        out.push(if length == LIST.len() { b'[' } else { b',' });
        out.push(b'{');
        if members(&mut out, event).is_err() {
            out.truncate(length);
            lost += 1;
        }
    }
    end_list(&mut out);
    (out, lost)
}

/// A list without items is `null`.
fn end_list(out: &mut Vec<u8>) {
    let is_empty = out.len() == LIST.len();
    out.extend_from_slice(if is_empty { b"null" } else { b"]" });
    out.extend_from_slice(b"}\n");
}

/// The members of an event and the closing brace.
fn members(out: &mut Vec<u8>, event: &AuditEvent) -> Result<(), NotOneValue> {
    let mut object = Object::opened(out);
    object.text("level", event.level.as_str());
    object.text("auditID", &event.audit_id);
    object.text("stage", event.stage.as_str());
    object.text("requestURI", &event.request_uri);
    object.text("verb", &event.verb);
    user(object.key("user"), &event.user);
    if let Some(impersonated) = &event.impersonated_user {
        user(object.key("impersonatedUser"), impersonated);
    }
    if let Some(constraint) = &event.impersonation_constraint {
        let mut metadata = Object::open(object.key("authenticationMetadata"));
        metadata.some_text("impersonationConstraint", constraint);
        metadata.close();
    }
    object.some_texts("sourceIPs", &event.source_ips);
    object.some_text("userAgent", &event.user_agent);
    if let Some(reference) = &event.object_ref {
        object_ref(object.key("objectRef"), reference);
    }
    if let Some(status) = &event.response_status {
        response_status(object.key("responseStatus"), status)?;
    }
    for (key, body) in [
        ("requestObject", &event.request_object),
        ("responseObject", &event.response_object),
    ] {
        if let Some(body) = body {
            embedded(object.key(key), body)?;
        }
    }
    time(
        object.key("requestReceivedTimestamp"),
        event.request_received,
    );
    time(object.key("stageTimestamp"), event.stage_time);
    if !event.annotations.is_empty() {
        let mut annotations = Object::open(object.key("annotations"));
        for (key, value) in &event.annotations {
            annotations.text(key, value);
        }
        annotations.close();
    }
    object.close();
    Ok(())
}

fn user(out: &mut Vec<u8>, user: &UserInfo) {
    let mut object = Object::open(out);
    object.some_text("username", &user.username);
    object.some_text("uid", &user.uid);
    object.some_texts("groups", &user.groups);
    if !user.extra.is_empty() {
        let mut extra = Object::open(object.key("extra"));
        for (key, values) in &user.extra {
            extra.texts(key, values);
        }
        extra.close();
    }
    object.close();
}

fn object_ref(out: &mut Vec<u8>, reference: &ObjectReference) {
    let mut object = Object::open(out);
    object.some_text("resource", &reference.resource);
    object.some_text("namespace", &reference.namespace);
    object.some_text("name", &reference.name);
    object.some_text("uid", &reference.uid);
    object.some_text("apiGroup", &reference.api_group);
    object.some_text("apiVersion", &reference.api_version);
    object.some_text("resourceVersion", &reference.resource_version);
    object.some_text("subresource", &reference.subresource);
    object.close();
}

fn response_status(out: &mut Vec<u8>, status: &ResponseStatus) -> Result<(), NotOneValue> {
    let mut object = Object::open(out);
    object.key("metadata").extend_from_slice(b"{}");
    object.some_text("status", &status.status);
    object.some_text("message", &status.message);
    object.some_text("reason", &status.reason);
    if let Some(details) = &status.details {
        embedded(object.key("details"), details)?;
    }
    if status.code != 0 {
        let code = status.code.to_string();
        object.key("code").extend_from_slice(code.as_bytes());
    }
    object.close();
    Ok(())
}

/// A body; one without bytes is `null`.
fn embedded(out: &mut Vec<u8>, body: &[u8]) -> Result<(), NotOneValue> {
    if body.is_empty() {
        out.extend_from_slice(b"null");
        return Ok(());
    }
    compact_into(out, body, false)
}

/// UTC with six digits of the second, cut and not rounded.
fn time(out: &mut Vec<u8>, time: Option<Timestamp>) {
    let Some(time) = time else {
        out.extend_from_slice(b"null");
        return;
    };
    let (year, month, day, hour, minute, second, nanoseconds) = time.civil();
    let text = format!(
        "\"{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{:06}Z\"",
        nanoseconds / 1_000
    );
    out.extend_from_slice(text.as_bytes());
}
