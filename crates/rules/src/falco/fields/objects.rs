//! Config maps and services in the request.

use super::readers::value;
use super::{ArgumentKind, Entry};
use crate::field::{Inputs, Values};

pub(super) const ENTRIES: &[Entry] = &[
    Entry::text(
        "ka.req.configmap.name",
        &[&["objectRef", "name"]],
        "The name of the config map.",
    )
    .note("Defect: the name of the object, whatever its kind."),
    Entry::text(
        "ka.req.configmap.obj",
        &[&["requestObject", "data"]],
        "The data of the config map as JSON.",
    ),
    Entry::text(
        "ka.req.service.type",
        &[&["requestObject", "spec", "type"]],
        "How the service is exposed, such as `NodePort`.",
    ),
    Entry::list(
        "ka.req.service.ports",
        ports,
        &[&["requestObject", "spec", "ports"]],
        "The ports of the service.",
    )
    .argument(ArgumentKind::Index)
    .note("Defect: a list of one element, the JSON of all ports; an index has no effect."),
];

fn ports<'e>(inputs: &Inputs<'_, 'e>) -> Values<'e> {
    Values::list(inputs.first(0).map(value).into_iter().collect())
}
