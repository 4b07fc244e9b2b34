//! What Sigma's words mean, one row for each: a detection, an event, and whether it holds.

#![expect(
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::unwrap_used,
    reason = "tests"
)]

#[path = "reference/mod.rs"]
mod reference;

use kubevigil_audit::time::Timestamp;
use kubevigil_rules::sigma::{Loader, Options};
use kubevigil_rules::{EventContext, Priority};

const ROWS: &[(&str, &str, bool)] = &[
    // Values are texts without letter case, in any script.
    ("s: {verb: CREATE}", r#"{"verb":"create"}"#, true),
    ("s: {verb|cased: CREATE}", r#"{"verb":"create"}"#, false),
    ("s: {a: ÉTÉ}", r#"{"a":"été"}"#, true),
    ("s: {a: '403'}", r#"{"a":403}"#, true),
    ("s: {a: 403}", r#"{"a":"403"}"#, true),
    ("s: {a: 403}", r#"{"a":403.0}"#, true),
    ("s: {a: 007}", r#"{"a":"007"}"#, true),
    ("s: {a: 007}", r#"{"a":7}"#, true),
    ("s: {a: '007'}", r#"{"a":7}"#, false),
    ("s: {a: yes}", r#"{"a":true}"#, false),
    ("s: {a: true}", r#"{"a":"True"}"#, true),
    ("s: {a: 1}", r#"{"a":true}"#, false),
    // Absence.
    ("s: {a: ''}", r#"{}"#, false),
    ("s: {a: ''}", r#"{"a":""}"#, true),
    ("s: {a: null}", r#"{"a":[]}"#, false),
    ("s: {a: null}", r#"{"a":[1,null]}"#, true),
    ("s: {a|exists: true}", r#"{"a":null}"#, true),
    ("s: {a|exists: true}", r#"{"a":[]}"#, true),
    ("s: {a|exists|neq: true}", r#"{"a":1}"#, false),
    ("s: {a|neq: x}", r#"{}"#, true),
    ("s: {a: '*'}", r#"{"a":null}"#, false),
    ("s: {a: '*'}", r#"{"a":{}}"#, true),
    ("s: {a: '*x'}", r#"{"a":{}}"#, false),
    // The API server leaves out empty groups and subresources.
    (
        "s: {apiGroup: ''}",
        r#"{"objectRef":{"resource":"pods"}}"#,
        true,
    ),
    (
        "s: {apiGroup: ['', apps]}",
        r#"{"objectRef":{"apiGroup":"apps"}}"#,
        true,
    ),
    (
        "s: {apiGroup: ''}",
        r#"{"objectRef":{"apiGroup":"apps"}}"#,
        false,
    ),
    (
        "s: {objectRef.subresource: ''}",
        r#"{"objectRef":{"resource":"pods"}}"#,
        false,
    ),
    // Wildcards and modifiers.
    ("s: {a: 'a\\?b'}", r#"{"a":"a?b"}"#, true),
    ("s: {a: 'a\\?b'}", r#"{"a":"axb"}"#, false),
    ("s: {a|contains: 'b?d'}", r#"{"a":"abÄde"}"#, true),
    ("s: {a|startswith: ['x', 'b']}", r#"{"a":"bc"}"#, true),
    ("s: {a|contains|all: [b, d]}", r#"{"a":["ab","cd"]}"#, true),
    ("s: {a|re|i|m: '^B$'}", r#"{"a":"a\nb"}"#, true),
    ("s: {a|windash: '-x'}", r#"{"a":"―x"}"#, true),
    (
        "s: {a|base64offset|contains: secret}",
        r#"{"a":"eXlzZWNyZXR5eQ=="}"#,
        true,
    ),
    ("s: {a|cidr: 10.0.0.0/8}", r#"{"a":["x","10.1.1.1"]}"#, true),
    ("s: {a|lt: 5}", r#"{"a":"4.5"}"#, true),
    ("s: {t|hour: 22}", r#"{"t":"2026-01-01T22:30:00Z"}"#, true),
    (
        "s: {a|fieldref|cased|endswith: b}",
        r#"{"a":["xY","z"],"b":["q","Y"]}"#,
        true,
    ),
    // Keywords.
    ("k: xmrig", r#"{"a":[{"b":"docker.io/XMRig:1"}]}"#, true),
    ("k: b", r#"{"b":"x"}"#, false),
    ("k: ['x', {verb: get}]", r#"{"verb":"get"}"#, true),
    // Names.
    ("s: {a.b: 1}", r#"{"a.b":1}"#, true),
    ("s: {a.b.c: 1}", r#"{"a":[{"b.c":1}]}"#, true),
    ("s: {A: 1}", r#"{"a":1}"#, false),
    (
        "s: {hostPath: '*'}",
        r#"{"requestObject":{"spec":{"jobTemplate":{"spec":{"template":{"spec":{"volumes":[{"hostPath":{}}]}}}}}}}"#,
        true,
    ),
    // Brackets without Sigma 3 are characters.
    ("s: {'a[0]': x}", r#"{"a[0]":"x"}"#, true),
];

const BLOCKS: &[(&str, &str, bool)] = &[
    ("s: {'a[0]': x}", r#"{"a":["x","y"]}"#, true),
    ("s: {'a[-1].b': x}", r#"{"a":[{},{"b":"x"}]}"#, true),
    ("s: {'a\\[0\\]': x}", r#"{"a[0]":"x"}"#, true),
    (
        "s: {'a[any]': {b: 1, c: 2}}",
        r#"{"a":[{"b":1},{"c":2}]}"#,
        false,
    ),
    (
        "s: {'a[any]': {b: 1, c: 2}}",
        r#"{"a":[{"b":1,"c":2}]}"#,
        true,
    ),
    ("s: {'a[any]': {b: 1}}", r#"{"a":{"b":1}}"#, true),
    (
        "s: {'a[all]': {.|startswith: x}}",
        r#"{"a":["x1","x2"]}"#,
        true,
    ),
    ("s: {'a[all]': {.|startswith: x}}", r#"{"a":[]}"#, false),
    ("s: {'a[all_or_empty]': {.|startswith: x}}", r#"{}"#, true),
    (
        "s: {'a[none]': {b|exists: true}}",
        r#"{"a":[{"b":null}]}"#,
        false,
    ),
    (
        "s: {'a[any]': {f: {b: 1}, condition: not f}}",
        r#"{"a":[{"b":1},{}]}"#,
        true,
    ),
    (
        "s: {'a[any]': {'b[any]': {c: 1}}}",
        r#"{"a":[{"b":[{"c":2}]},{"b":[{"c":1}]}]}"#,
        true,
    ),
];

#[test]
fn every_row_holds_as_written() {
    ROWS.iter().for_each(|row| check(row, ""));
    BLOCKS
        .iter()
        .for_each(|row| check(row, "sigma-version: 3\n"));
}

fn check((detection, raw, expected): &(&str, &str, bool), version: &str) {
    let name = &detection[..1];
    let text = format!(
        "title: t\n{version}logsource: {{product: kubernetes, service: audit}}\ndetection:\n  {detection}\n  condition: {name}\n"
    );
    let mut loader = Loader::new(Options::default());
    loader.load_file("row.yml", &text);
    let loaded = loader.finish();
    assert!(
        loaded.successful(),
        "{detection}: {:?}",
        loaded.files[0].diagnostics
    );
    let event = EventContext {
        raw: raw.as_bytes(),
        number: 1,
        time: Timestamp::default(),
        first_time: Timestamp::default(),
    };
    assert_eq!(
        reference::holds(loaded.rules[0].condition().unwrap(), &event),
        *expected,
        "{detection} on {raw}"
    );
}

#[test]
fn levels_are_priorities() {
    for (level, priority) in [
        ("informational", Priority::Informational),
        ("low", Priority::Notice),
        ("medium", Priority::Warning),
        ("high", Priority::Error),
        ("critical", Priority::Critical),
        ("~", Priority::Informational),
    ] {
        let text = format!(
            "title: t\nlevel: {level}\nlogsource: {{service: audit}}\ndetection: {{s: {{a: b}}, condition: s}}\n"
        );
        let mut loader = Loader::new(Options::default());
        loader.load_file("level.yml", &text);
        assert_eq!(loader.finish().rules[0].priority, priority, "{level}");
    }
}
