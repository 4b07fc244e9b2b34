//! With what an identity authenticated, and what a token is bound to.
//!
//! The API server writes these itself, from the credential that it has checked (spec 7); no client can choose them.

use kubevigil_audit::json::{Json, JsonKind};

use crate::derived::values::{input, text};
use crate::falco::fields::Entry;
use crate::field::{Inputs, Values};

pub(super) const ENTRIES: &[Entry] = &[
    Entry::made(
        "kv.credential",
        extra,
        &[&["user", "extra", "authentication.kubernetes.io/credential-id"]],
        "The identifier of the credential that was used: `JTI=…` for a token, `X509SHA256=…` for a certificate.",
    )
    .note("Written for tokens of service accounts since Kubernetes 1.30, for certificates since 1.32."),
    Entry::made(
        "kv.issuedCredential",
        issued,
        &[
            &["annotations", "authentication.kubernetes.io/issued-credential-id"],
            &["annotations", "authentication.k8s.io/issued-credential-id"],
        ],
        "The identifier of the token that the request made, in the words of kv.credential.",
    ),
    Entry::made(
        "kv.boundPod",
        extra,
        &[&["user", "extra", "authentication.kubernetes.io/pod-name"]],
        "The name of the pod that the token in use is bound to.",
    ),
    Entry::made(
        "kv.boundPodUid",
        extra,
        &[&["user", "extra", "authentication.kubernetes.io/pod-uid"]],
        "The unique id of the pod that the token in use is bound to.",
    ),
    Entry::made(
        "kv.boundNode",
        extra,
        &[&["user", "extra", "authentication.kubernetes.io/node-name"]],
        "The node of the pod that the token in use is bound to, or that the token itself is bound to.",
    ),
];

/// The first of an extra key's values.
fn extra<'e>(inputs: &Inputs<'_, 'e>) -> Values<'e> {
    let first = |value: Json<'e>| match value.kind() {
        JsonKind::Array => value.elements().next(),
        _ => Some(value),
    };
    Values::text(text(inputs.first(0).and_then(first)))
}

/// Version 1.29 spelt the key otherwise.
fn issued<'e>(inputs: &Inputs<'_, 'e>) -> Values<'e> {
    Values::text(input(inputs, 0).or_else(|| input(inputs, 1)))
}
