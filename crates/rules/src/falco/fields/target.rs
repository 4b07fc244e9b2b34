//! What the request was about.

use super::Entry;
use super::readers::{text, value};
use crate::field::{Inputs, Values};

pub(super) const ENTRIES: &[Entry] = &[
    Entry::text(
        "ka.target.name",
        &[&["objectRef", "name"]],
        "The name of the object.",
    ),
    Entry::text(
        "ka.target.namespace",
        &[&["objectRef", "namespace"]],
        "The namespace of the object.",
    ),
    Entry::text(
        "ka.target.resource",
        &[&["objectRef", "resource"]],
        "The kind of object, such as `pods`.",
    ),
    Entry::text(
        "ka.target.subresource",
        &[&["objectRef", "subresource"]],
        "The part of the object, such as `exec`.",
    ),
    Entry::made(
        "ka.target.pod.name",
        pod_name,
        &[
            &["responseObject", "metadata", "name"],
            &["objectRef", "resource"],
            &["objectRef", "subresource"],
        ],
        "The name of the pod in the response, if the request was about a pod as a whole.",
    ),
];

fn pod_name<'e>(inputs: &Inputs<'_, 'e>) -> Values<'e> {
    let pods = inputs
        .first(1)
        .is_some_and(|resource| text(resource).as_ref() == b"pods");
    let whole = inputs
        .first(2)
        .is_none_or(|subresource| text(subresource).is_empty());
    match inputs.first(0) {
        Some(name) if pods && whole => Values::One(value(name)),
        _ => Values::Absent,
    }
}
