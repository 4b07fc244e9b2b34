//! Rules over every modifier, chain and form of selection that the reference knows.

use proptest::prelude::*;
use serde_json::{Map, Value as Any, json};

use crate::events::{WORDS, number, text};

/// What stands for `%name%`.
pub(crate) fn placeholders() -> Any {
    json!({"admins": ["alice", "adm*", "a"], "one": ["get"]})
}

const FIELDS: &[&str] = &[
    "verb",
    "requestURI",
    "userAgent",
    "sourceIPs",
    "user.username",
    "user.groups",
    "user.extra.authentication.kubernetes.io/pod-name",
    "objectRef.resource",
    "objectRef.name",
    "responseStatus.code",
    "annotations.authorization.k8s.io/decision",
    "stageTimestamp",
    "requestObject.spec.replicas",
    "requestObject.spec.containers.image",
    "requestObject.spec.containers.securityContext.privileged",
    "requestObject.rules.verbs",
    "requestObject.rules.resources",
    "requestObject.spec.containers",
    "user",
    "Verb",
    "a.b.c",
];

/// In a block names begin at the element.
const ELEMENT_FIELDS: &[&str] = &[
    "image",
    "name",
    "securityContext.privileged",
    "verbs",
    "resources",
    "b.c",
    "b",
];

const BLOCKS: &[&str] = &[
    "requestObject.spec.containers",
    "requestObject.rules",
    "user.groups",
    "sourceIPs",
    "user",
    "annotations",
    "b",
];

/// A text with wildcards and escapes.
fn pattern() -> BoxedStrategy<String> {
    let word = || prop::sample::select(WORDS).prop_map(str::to_owned);
    let signs = vec!["*", "?", "\\*", "\\?", "\\", "\\\\", "\\\\*", "**", "%"];
    let piece = prop_oneof![2 => word(), 2 => prop::sample::select(signs).prop_map(str::to_owned)];
    prop_oneof![
        4 => text(),
        4 => prop::collection::vec(piece, 1..5).prop_map(|pieces| single_star(pieces.concat())),
        1 => Just("*".to_owned()),
    ]
    .boxed()
}

/// Several stars and nothing else are a star here, objects included; for the evaluator they are some text.
fn single_star(text: String) -> String {
    if !text.is_empty() && text.bytes().all(|byte| byte == b'*') {
        "*".to_owned()
    } else {
        text
    }
}

fn scalar() -> BoxedStrategy<Any> {
    prop_oneof![
        8 => pattern().prop_map(Any::from),
        2 => number(),
        1 => any::<bool>().prop_map(Any::from),
        1 => Just(Any::Null),
    ]
    .boxed()
}

fn one_or_more(value: impl Strategy<Value = Any> + Clone + 'static) -> BoxedStrategy<Any> {
    prop_oneof![2 => value.clone(), 1 => prop::collection::vec(value, 1..4).prop_map(Any::from)]
        .boxed()
}

fn select(values: &'static [&'static str]) -> impl Strategy<Value = Any> + Clone {
    prop::sample::select(values).prop_map(Any::from)
}

/// Behind a name: modifiers, and values that fit them.
fn chain() -> BoxedStrategy<(String, Any)> {
    let of = |chains: &'static [&'static str], value: BoxedStrategy<Any>| {
        (prop::sample::select(chains).prop_map(str::to_owned), value)
    };
    let texts = || one_or_more(pattern().prop_map(Any::from).boxed());
    let plain = || one_or_more(prop::sample::select(WORDS).prop_map(Any::from).boxed());
    prop_oneof![
        8 => of(&[""], one_or_more(scalar().boxed())),
        10 => of(&["|contains", "|startswith", "|endswith", "|cased", "|contains|cased", "|cased|endswith", "|windash", "|windash|contains", "|contains|windash", "|startswith|windash|cased"], texts()),
        2 => of(&["|expand", "|expand|contains", "|contains|expand", "|cased|expand"], one_or_more(select(&["%admins%", "x%admins%%one%", "%one%*", "%nobody%", "100%"]).boxed())),
        3 => of(&["|base64", "|base64offset", "|base64offset|contains", "|base64|startswith", "|wide|base64", "|utf16le|base64offset|contains", "|utf16be|base64", "|utf16|base64offset|contains"], plain()),
        3 => of(&["|re", "|re|i", "|re|m", "|re|s|i", "|re|ignorecase|multiline|dotall"], one_or_more(select(&["^get$", "a.b", "^[a-s]+$", "sec|pod", "ALICE", "^\\d+$", "^a$", "", "(", "a{2}", "[ä-ö]", "\\.corp/"]).boxed())),
        2 => of(&["|cidr"], one_or_more(select(&["10.0.0.0/8", "10.0.0.7", "10.0.0.7/8", "fd00::/8", "::ffff:0:0/96", "0.0.0.0/0", "x", "10.0.0.0/33"]).boxed())),
        4 => of(&["|gt", "|gte", "|lt", "|lte", "|hour", "|minute|gte", "|day", "|week|lte", "|month|gt", "|year", "|week", "|gt|hour"], one_or_more(prop_oneof![5 => number(), 1 => scalar()].boxed())),
        2 => of(&["|fieldref", "|fieldref|contains", "|startswith|fieldref", "|fieldref|endswith|cased"], one_or_more(select(FIELDS).boxed())),
        1 => of(&["|exists"], prop_oneof![4 => any::<bool>().prop_map(Any::from), 1 => scalar()].boxed()),
        1 => (prop::collection::vec(prop::sample::select(MODIFIERS), 1..4).prop_map(|words| format!("|{}", words.join("|"))), one_or_more(scalar().boxed())),
    ]
    .boxed()
}

/// For chains that may make no sense. Without `fieldref` and `wide`, since the evaluator passes over what stands beside the one and forgets
/// what stands behind the other; sensible chains of them are above.
const MODIFIERS: &[&str] = &[
    "contains",
    "startswith",
    "endswith",
    "cased",
    "exists",
    "re",
    "i",
    "m",
    "s",
    "cidr",
    "gt",
    "lte",
    "minute",
    "week",
    "base64",
    "base64offset",
    "windash",
    "expand",
    "contain",
    "equals",
];

/// The modifiers that stand beside all others.
fn around() -> impl Strategy<Value = (&'static str, &'static str)> {
    prop::sample::select(vec![
        ("", ""),
        ("", ""),
        ("", ""),
        ("", "|all"),
        ("|all", ""),
        ("", "|neq"),
        ("|neq", ""),
        ("|neq", "|all"),
    ])
}

fn item(fields: &'static [&'static str]) -> BoxedStrategy<(String, Any)> {
    (prop::sample::select(fields), chain(), around())
        .prop_map(|(field, (chain, value), (front, back))| {
            (format!("{field}{front}{chain}{back}"), value)
        })
        .boxed()
}

fn map(fields: &'static [&'static str]) -> BoxedStrategy<Any> {
    prop::collection::vec(item(fields), 1..3)
        .prop_map(|items| Any::Object(items.into_iter().collect::<Map<_, _>>()))
        .boxed()
}

fn keywords() -> BoxedStrategy<Any> {
    prop_oneof![
        2 => one_or_more(scalar().boxed()),
        2 => (chain(), around()).prop_map(|((chain, value), (front, back))| json!({format!("{front}{chain}{back}"): value})),
    ]
    .boxed()
}

/// A selection; with `blocks` also blocks for the elements of arrays.
fn selection(blocks: bool) -> BoxedStrategy<Any> {
    let flat = prop_oneof![
        6 => map(FIELDS),
        2 => keywords(),
        2 => prop::collection::vec(prop_oneof![4 => map(FIELDS), 1 => scalar()], 1..3).prop_map(Any::from),
    ];
    if !blocks {
        return flat.boxed();
    }
    prop_oneof![1 => flat, 3 => block(2)].boxed()
}

/// A map with blocks in it, `depth` levels of them.
fn block(depth: u32) -> BoxedStrategy<Any> {
    // Whether `.` is there for an element that is an object is not asked: for the evaluator it is missing, here it is the object.
    let words = prop::collection::vec(prop::sample::select(WORDS), 1..3);
    let chain = prop::sample::select(vec![".", ".|contains", ".|cased", ".|neq"]);
    let itself = (chain, words).prop_map(|(chain, words)| json!({chain: words}));
    let inner = prop_oneof![5 => map(ELEMENT_FIELDS), 1 => itself].boxed();
    let inner = if depth == 0 {
        return inner;
    } else {
        prop_oneof![3 => inner, 1 => block(depth - 1)].boxed()
    };
    let body = prop_oneof![
        3 => inner.clone(),
        1 => (inner.clone(), inner, condition()).prop_map(|(one, other, condition)| json!({"sel": one, "sel_b": other, "condition": condition})),
    ];
    let kind = prop::sample::select(vec!["any", "all", "none", "all_or_empty"]);
    let name = prop::sample::select(BLOCKS);
    (name, kind, body)
        .prop_map(|(name, kind, body)| json!({format!("{name}[{kind}]"): body}))
        .boxed()
}

/// An expression over `sel`, `sel_b`, `other` and `_hidden`, of which not all are always there.
fn condition() -> BoxedStrategy<String> {
    let leaf = prop::sample::select(vec![
        "sel",
        "sel_b",
        "sel",
        "sel_b",
        "1 of them",
        "all of them",
        "any of sel*",
        "all of sel*",
        "1 of *b",
        "1 of sel",
        "all of _h*",
        "other",
        "_hidden",
        "1 of nothing*",
    ])
    .prop_map(str::to_owned);
    let expression = leaf.prop_recursive(3, 8, 2, |inner| {
        prop_oneof![
            inner.clone().prop_map(|inner| format!("not {inner}")),
            inner.clone().prop_map(|inner| format!("({inner})")),
            (
                inner.clone(),
                prop::sample::select(vec!["and", "or"]),
                inner
            )
                .prop_map(|(one, word, other)| format!("{one} {word} {other}")),
        ]
    });
    let broken = prop::sample::select(vec![
        "sel sel_b",
        "sel and",
        "(sel",
        "sel)",
        "not",
        "sel AND sel_b",
        "sel | count() > 5",
        "1 of",
        "of sel",
        "",
    ])
    .prop_map(str::to_owned);
    prop_oneof![12 => expression, 1 => broken].boxed()
}

/// A rule document and its title, `rule`.
pub(crate) fn rule() -> BoxedStrategy<String> {
    any::<bool>().prop_flat_map(|blocks| {
        let others = prop::collection::vec(selection(blocks), 2..=2);
        let conditions = prop_oneof![6 => condition().prop_map(Any::from), 1 => prop::collection::vec(condition(), 1..3).prop_map(Any::from)];
        (selection(blocks), others, conditions).prop_map(move |(first, others, condition)| {
            let mut detection = Map::from_iter([("sel".to_owned(), first)]);
            detection.extend(["sel_b", "_hidden"].map(str::to_owned).into_iter().zip(others));
            detection.insert("condition".to_owned(), condition);
            let version = if blocks { "sigma-version: 3\n" } else { "" };
            document("rule", version, &Any::Object(detection))
        })
    })
    .boxed()
}

pub(crate) fn document(title: &str, more: &str, detection: &Any) -> String {
    format!(
        "title: {title}\nlogsource: {{product: kubernetes, service: audit}}\n{more}detection: {detection}\n"
    )
}
