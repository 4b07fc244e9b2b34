//! Events as an API server writes them, and as nobody does.

use proptest::prelude::*;
use serde_json::{Value as Any, json};

/// Words of which rules and events are made, few, so that they meet.
pub(crate) const WORDS: &[&str] = &[
    "get",
    "create",
    "LIST",
    "pods",
    "secrets",
    "alice",
    "system:",
    "admin",
    "kube-system",
    "nginx",
    "registry.corp/",
    "-c",
    "/bin/sh",
    "curl",
    "a",
    "b",
    "Ä",
    "ä",
    "\u{212a}",
    "k",
    "10.0.0.7",
    "403",
    "true",
    " ",
    "\n",
];

/// Whole values that a modifier looks for.
const VALUES: &[&str] = &[
    "",
    "403",
    "0403",
    "-7",
    "1.5",
    "4e2",
    "True",
    "10.0.0.7",
    "10.255.0.1",
    "::ffff:10.1.1.1",
    "fd00::1",
    "not an address",
    // No leap second: the evaluator stumbles over it.
    "2024-02-29T23:59:59Z",
    "2024-01-02T03:04:05Z",
    "2026-11-23T22:30:00.123456Z",
    "2024-12-31T23:30:00-01:00",
    "null",
    "*",
];

/// A text in an event.
pub(crate) fn text() -> BoxedStrategy<String> {
    let word = || prop::sample::select(WORDS).prop_map(str::to_owned);
    let piece = prop_oneof![8 => word(), 1 => prop::sample::select(vec!["*", "?", "\\", "%"]).prop_map(str::to_owned)];
    prop_oneof![
        4 => word(),
        3 => prop::collection::vec(piece, 2..4).prop_map(|pieces| pieces.concat()),
        2 => prop::sample::select(VALUES).prop_map(str::to_owned),
    ]
    .boxed()
}

pub(crate) fn number() -> impl Strategy<Value = Any> {
    prop::sample::select(vec![
        json!(403),
        json!(403.0),
        json!(0),
        json!(-7),
        json!(1.5),
        json!(1),
        json!(22),
    ])
}

fn scalar() -> BoxedStrategy<Any> {
    prop_oneof![
        7 => text().prop_map(Any::from),
        3 => number(),
        1 => any::<bool>().prop_map(Any::from),
        1 => Just(Any::Null),
    ]
    .boxed()
}

/// Keys of objects where none should be.
const KEYS: &[&str] = &[
    "image",
    "name",
    "verbs",
    "resources",
    "io/decision",
    "containers",
    "b",
    "b.c",
    "c",
];

/// A value, mostly one or a list of a few.
pub(crate) fn value() -> BoxedStrategy<Any> {
    scalar().prop_recursive(3, 8, 3, |inner| {
        prop_oneof![
            3 => prop::collection::vec(inner.clone(), 0..4).prop_map(Any::from),
            1 => prop::collection::hash_map(prop::sample::select(KEYS).prop_map(str::to_owned), inner, 0..3)
                .prop_map(|map| map.into_iter().collect()),
        ]
    })
    .boxed()
}

fn sometimes() -> BoxedStrategy<Option<Any>> {
    prop::option::weighted(0.8, prop_oneof![3 => scalar(), 1 => value()]).boxed()
}

/// An object of those of the fields that are there.
fn object<const N: usize>(fields: [(&str, Option<Any>); N]) -> Any {
    let present = fields
        .into_iter()
        .filter_map(|(name, value)| Some((name.to_owned(), value?)));
    Any::Object(present.collect())
}

prop_compose! {
    fn element()(name in sometimes(), image in sometimes(), privileged in sometimes(), verbs in sometimes(), resources in sometimes(), odd in 0..12, other in value()) -> Any {
        match odd {
            0 => other,
            1 => Any::Null,
            _ => object([
                ("name", name), ("image", image), ("securityContext", Some(object([("privileged", privileged)]))), ("verbs", verbs), ("resources", resources),
            ]),
        }
    }
}

prop_compose! {
    /// An event of an API server, with a value of any type anywhere.
    pub(crate) fn event()(
        verb in sometimes(), uri in sometimes(), agent in sometimes(), ips in sometimes(), username in sometimes(), groups in sometimes(), pod in sometimes(),
        resource in sometimes(), name in sometimes(), code in sometimes(),
        (decision, time, replicas, containers, rules, odd, other) in
            (sometimes(), sometimes(), sometimes(), prop::collection::vec(element(), 0..3), prop::collection::vec(element(), 0..3), 0..16, value()),
    ) -> Any {
        let mut event = object([
            ("verb", verb), ("requestURI", uri), ("userAgent", agent), ("sourceIPs", ips), ("stageTimestamp", time),
            ("user", Some(object([
                ("username", username), ("groups", groups),
                ("extra", Some(object([("authentication.kubernetes.io/pod-name", pod)]))),
            ]))),
            ("objectRef", Some(object([("resource", resource), ("name", name)]))),
            ("responseStatus", Some(object([("code", code)]))),
            ("annotations", Some(object([("authorization.k8s.io/decision", decision)]))),
            ("requestObject", Some(object([
                ("spec", Some(object([("replicas", replicas), ("containers", Some(containers.into()))]))),
                ("rules", Some(rules.into())),
            ]))),
        ]);
        match odd {
            0 => event["user"] = json!([event["user"].clone(), {"groups": other}]),
            1 => event["objectRef"] = other,
            2 => event["objectRef.resource"] = other,
            3 => event["requestObject"] = json!([event["requestObject"].clone(), other]),
            4 => event["requestObject"]["spec"]["containers.image"] = other,
            5 => event["annotations"] = json!({"authorization": {"k8s.io/decision": other, "k8s": {"io/decision": "a"}}}),
            6 => event["requestObject"]["spec"]["containers"] = other,
            7 => event["annotations.authorization"] = json!({"k8s.io": {"decision": other}}),
            _ => {}
        }
        event
    }
}
