//! What servers older than the list write otherwise, as far as it was seen: in front of a 1.20.
//!
//! The server's event is written as a server of the list's version would write it, with our words only where the older one had
//! none. What the older one says otherwise stays as it is, and is a difference.

use serde_json::{Map, Value};

use super::recorded::Event;

/// The minor version of which the list was recorded.
pub(super) const LISTED: u32 = 36;

/// Makes an older server's event what a newer one would have written.
pub(super) fn renew(event: &mut Event, ours: &Event, minor: u32) {
    if minor >= LISTED {
        return;
    }
    change(event, "requestObject", without_empty_times);
    if ours.get("verb") == "watch" {
        change(event, "responseStatus", ended_watch);
    }
    let said = ours.get("responseStatus");
    change(event, "responseStatus", |status| completed(status, &said));
    let sent = ours.get("requestObject");
    change(event, "requestObject", |object| {
        with_new_members(object, &sent)
    });
    times_of_requests(event, ours);
    if ours.text("requestURI").ends_with("/token") {
        adopt(event, ours, "requestObject");
    }
    if said["message"] == "406: Not Acceptable" {
        event.set("responseStatus", said.to_string());
        adopt(event, ours, "responseObject");
    }
}

/// What is missing is as we have it: token requests were not recorded, nor was the refusal of all formats, which we tell by its words today.
fn adopt(event: &mut Event, ours: &Event, member: &str) {
    let at = ours.members.iter().position(|(name, _)| name == member);
    if let (None, Some(at)) = (event.raw(member), at) {
        event.members.insert(at, ours.members[at].clone());
    }
}

fn change(event: &mut Event, member: &str, change: impl FnOnce(Value) -> Value) {
    let value = event.get(member);
    if !value.is_null() {
        event.set(member, change(value).to_string());
    }
}

/// An object that was never stored had `"creationTimestamp":null`.
fn without_empty_times(value: Value) -> Value {
    match value {
        Value::Object(members) => {
            let is_empty =
                |(name, value): &(String, Value)| name == "creationTimestamp" && value.is_null();
            let members = members.into_iter().filter(|member| !is_empty(member));
            let members = members.map(|(name, value)| (name, without_empty_times(value)));
            members.collect::<Map<_, _>>().into()
        }
        Value::Array(items) => items.into_iter().map(without_empty_times).collect(),
        other => other,
    }
}

/// A watch that had run its time ended with a status that says so.
fn ended_watch(mut status: Value) -> Value {
    let ended = status["status"] == "Success" && status["message"] == "Connection closed early";
    if let (true, Some(status)) = (ended, status.as_object_mut()) {
        status.shift_remove("status");
        status.shift_remove("message");
    }
    status
}

/// Message and details of a status were not recorded.
fn completed(status: Value, ours: &Value) -> Value {
    let (Some(members), Some(said)) = (status.as_object(), ours.as_object()) else {
        return status;
    };
    let is_new = |name: &str| ["message", "details"].contains(&name);
    let agree = members
        .iter()
        .all(|(name, value)| said.get(name) == Some(value));
    let missing = said.keys().filter(|name| !members.contains_key(*name));
    if agree && missing.clone().all(|name| is_new(name)) {
        ours.clone()
    } else {
        status
    }
}

/// Members that the server does not know yet are gone from what was sent.
fn with_new_members(object: Value, sent: &Value) -> Value {
    if is_part_of(&object, sent) {
        sent.clone()
    } else {
        object
    }
}

fn is_part_of(part: &Value, whole: &Value) -> bool {
    match (part, whole) {
        (Value::Object(part), Value::Object(whole)) => part
            .iter()
            .all(|(name, part)| whole.get(name).is_some_and(|whole| is_part_of(part, whole))),
        (Value::Array(part), Value::Array(whole)) => {
            part.len() == whole.len()
                && part
                    .iter()
                    .zip(whole)
                    .all(|(part, whole)| is_part_of(part, whole))
        }
        (part, whole) => part == whole,
    }
}

/// How long requests took was not recorded.
fn times_of_requests(event: &mut Event, ours: &Event) {
    let named = |event: &Event| {
        event
            .raw("annotations")
            .is_some_and(|it| it.contains("apiserver.latency."))
    };
    if named(event) || !named(ours) {
        return;
    }
    let mut annotations = event.get("annotations");
    let (Some(theirs), Value::Object(ours)) =
        (annotations.as_object_mut(), ours.get("annotations"))
    else {
        return;
    };
    theirs.extend(
        ours.into_iter()
            .filter(|(name, _)| name.starts_with("apiserver.latency.")),
    );
    theirs.sort_keys();
    event.set("annotations", annotations.to_string());
}
