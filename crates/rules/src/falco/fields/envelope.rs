//! Who asked for what, and how it went: fields that every event can have.

use super::query;
use super::readers::{each, flatten, members, skip};
use super::{ArgumentKind, Entry};
use crate::field::{Inputs, Values};

members! {
    SourceIps = ["sourceIPs"];
}

pub(super) const ENTRIES: &[Entry] = &[
    Entry::text("ka.auditid", &[&["auditID"]], "The identifier of the request; clients may choose it."),
    Entry::text("ka.stage", &[&["stage"]], "How far the request had come when the event was written."),
    Entry::text("ka.verb", &[&["verb"]], "The action that was asked for, such as `create` or `watch`."),
    Entry::text("ka.uri", &[&["requestURI"]], "The path and query that the client sent."),
    Entry::made(
        "ka.uri.param",
        query::parameter,
        &[&["requestURI"]],
        "The first value of a parameter of the query, decoded. Absent when any part of the query is malformed.",
    )
    .argument(ArgumentKind::Key),
    Entry::text("ka.useragent", &[&["userAgent"]], "What the client calls itself."),
    Entry::list(
        "ka.sourceips",
        flatten::<SourceIps>,
        &[&["requestObject", "rules"]],
        "The addresses that the request came through.",
    )
    .argument(ArgumentKind::Index)
    .note(
        "Defect: looks for `sourceIPs` in the rules of a role and so is absent in practice. With fixed fields: the \
         event's `sourceIPs`.",
    )
    .mended(source_ips, &[&["sourceIPs"]]),
    Entry::text("ka.user.name", &[&["user", "username"]], "The authenticated user."),
    Entry::list("ka.user.groups", each, &[&["user", "groups"]], "The groups of the authenticated user."),
    Entry::text(
        "ka.impuser.name",
        &[&["impersonatedUser", "username"]],
        "The user that the request impersonates.",
    ),
    Entry::text(
        "ka.auth.decision",
        &[&["annotations", "authorization.k8s.io/decision"]],
        "What authorization decided: `allow` or `forbid`.",
    ),
    Entry::text(
        "ka.auth.reason",
        &[&["annotations", "authorization.k8s.io/reason"]],
        "Why authorization decided so.",
    ),
    Entry::text(
        "ka.auth.openshift.decision",
        &[&["annotations", "authentication.openshift.io/decision"]],
        "What OpenShift's authentication decided.",
    ),
    Entry::text(
        "ka.auth.openshift.username",
        &[&["annotations", "authentication.openshift.io/username"]],
        "The user that OpenShift's authentication saw.",
    ),
    Entry::text(
        "ka.validations.admission.policy.failure",
        &[&["annotations", "validation.policy.admission.k8s.io/validation_failure"]],
        "What a validating admission policy found wrong with the request.",
    ),
    Entry::text(
        "ka.security.pod.violations",
        &[&["annotations", "pod-security.kubernetes.io/audit-violations"]],
        "How the pod violates the Pod Security Standards of its namespace.",
    ),
    Entry::text(
        "ka.cluster.name",
        &[&["annotations", "cluster_name"]],
        "The cluster; set where the log comes from Google Kubernetes Engine.",
    ),
    Entry::text("ka.response.code", &[&["responseStatus", "code"]], "The HTTP status code, as text."),
    Entry::text(
        "ka.response.reason",
        &[&["responseStatus", "reason"]],
        "Why the request failed, in a word such as `Forbidden`.",
    ),
    Entry::text(
        "ka.resp.name",
        &[&["responseObject", "metadata", "name"]],
        "The name of the object in the response; tells generated names.",
    ),
];

fn source_ips<'e>(inputs: &Inputs<'_, 'e>) -> Values<'e> {
    skip::<Itself>(inputs)
}

/// The element itself.
enum Itself {}

impl super::readers::Member for Itself {
    const KEYS: &'static [&'static str] = &[];
}
