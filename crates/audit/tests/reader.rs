//! The reader of many paths against a plain reading by `serde_json`.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

#[path = "oracle/reader.rs"]
mod oracle;

use std::sync::LazyLock;

use kubevigil_audit::json::{Duplicates, PathScratch, PathsBuilder};
use proptest::prelude::*;

use oracle::Asked;

static ASKED: LazyLock<Asked> = LazyLock::new(Asked::new);

fn blank() -> impl Strategy<Value = String> {
    prop_oneof![8 => Just(""), 1 => Just(" "), 1 => Just("\n\t")].prop_map(String::from)
}

fn key() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => Just("a"),
        2 => Just("é"),
        1 => Just(r"\u0061"),
        1 => Just(r"\u00e9"),
        1 => Just(r"\\"),
        2 => Just("requestReceivedTimestamp"),
        1 => Just("requestReceivedXimestamp"),
        1 => Just("\\\""),
        1 => Just(""),
    ]
    .prop_map(|key| format!("\"{key}\""))
}

/// Strings whose quotes, escapes and brackets fall on every side of a block's border.
fn string() -> impl Strategy<Value = String> {
    let part = prop_oneof![
        4 => "[a-z ]{0,70}",
        2 => Just(r"\\".to_owned()),
        2 => Just("\\\"".to_owned()),
        1 => (1_usize..70).prop_map(|count| r"\\".repeat(count)),
        1 => "[{}\\[\\],:]{1,9}",
        1 => Just("ü😀".to_owned()),
    ];
    prop::collection::vec(part, 0..4).prop_map(|parts| format!("\"{}\"", parts.concat()))
}

fn json() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just("null".to_owned()),
        Just("true".to_owned()),
        any::<i64>().prop_map(|number| number.to_string()),
        Just("-1.5e3".to_owned()),
        string(),
    ];
    leaf.prop_recursive(
        6,
        60,
        6,
        |inner| prop_oneof![3 => object(inner.clone()), 1 => array(inner)],
    )
}

fn array(inner: impl Strategy<Value = String>) -> impl Strategy<Value = String> {
    let element = (blank(), inner, blank()).prop_map(|(a, value, b)| format!("{a}{value}{b}"));
    prop::collection::vec(element, 0..6).prop_map(|elements| format!("[{}]", elements.join(",")))
}

fn object(inner: impl Strategy<Value = String>) -> impl Strategy<Value = String> {
    let member = (blank(), key(), blank(), blank(), inner, blank())
        .prop_map(|(a, key, b, c, value, d)| format!("{a}{key}{b}:{c}{value}{d}"));
    prop::collection::vec(member, 0..6).prop_map(|members| format!("{{{}}}", members.join(",")))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn finds_what_serde_finds(text in object(json())) {
        ASKED.check(text.as_bytes());
    }

    #[test]
    fn survives_a_text_with_one_byte_changed(
        text in object(json()),
        at in any::<prop::sample::Index>(),
        byte in prop_oneof![any::<u8>(), prop::sample::select(br#"{}[]",:\ "#.to_vec())],
    ) {
        let mut text = text.into_bytes();
        let at = at.index(text.len());
        text[at] = byte;
        ASKED.check(&text);
    }

    #[test]
    fn survives_any_bytes(text in prop::collection::vec(
        prop_oneof![any::<u8>(), prop::sample::select(br#"{}[]",:\ a"#.to_vec())], 0..200,
    )) {
        ASKED.check(&text);
    }
}

#[test]
fn strings_and_escapes_may_straddle_blocks() {
    for before in 0..140 {
        for escapes in [
            r"\\", "\\\"", r"\\\\\\", "\\\\\\\"", r"\u005c", "}", "]\\\"{",
        ] {
            let text = format!(
                r#"{{"b":"{}{escapes}","a":{{"a":[1]}}}}"#,
                "x".repeat(before)
            );
            ASKED.check(text.as_bytes());
        }
    }
}

#[test]
fn an_object_of_any_depth_is_stepped_over() {
    let depth = 100_000;
    for (open, close) in [("{\"a\":", "}"), ("[", "]"), ("[{\"é\":", "}]")] {
        let body = format!("{}1{}", open.repeat(depth), close.repeat(depth));
        let text = format!(r#"{{"é":{body},"a":{{"é":{body}}},"\\":7}}"#);
        let mut scratch = PathScratch::default();
        let found = ASKED
            .paths
            .read(text.as_bytes(), Duplicates::Last, &mut scratch)
            .unwrap();
        let place =
            |keys: &[&str]| ASKED.ids[ASKED.keys.iter().position(|path| path == keys).unwrap()];
        assert_eq!(
            found.get(place(&["a", "é"])).unwrap().raw(),
            body.as_bytes()
        );
        assert_eq!(found.get(place(&["\\"])).unwrap().raw(), b"7");
        let mut places = Vec::new();
        ASKED
            .ids
            .iter()
            .for_each(|id| found.places(*id, &mut places));
    }
}

#[test]
fn errors_say_where_and_what() {
    let mut scratch = PathScratch::default();
    let cases: [(&[u8], &str); 14] = [
        (
            b"",
            "expected an object at byte 0, found the end of the text",
        ),
        (b" [1]", "expected an object at byte 1, found `[`"),
        (b"{\"a\" 1}", "expected a colon at byte 5, found `1`"),
        (b"{\"a\":}", "expected a value at byte 5, found `}`"),
        (
            b"{\"a\":1 \"b\":2}",
            "expected a comma or a closing brace at byte 7, found `\"`",
        ),
        (
            b"{\"a\":1,}",
            "expected a key in quotes at byte 7, found `}`",
        ),
        (b"{a:1}", "expected a key in quotes at byte 1, found `a`"),
        (
            b"{\"a\":1]",
            "expected a comma or a closing brace at byte 6, found `]`",
        ),
        (
            b"{\"a\":1}}",
            "expected the end of the text at byte 7, found `}`",
        ),
        (
            b"{\"a\":1}\n{}",
            "expected the end of the text at byte 8, found `{`",
        ),
        (
            b"{\"b\":[1",
            "the bracket at byte 5 is never closed; the text may have been cut off",
        ),
        (
            b"{\"a\":{",
            "expected a key in quotes at byte 6, found the end of the text",
        ),
        (
            b"{\"a\":\"b}",
            "the string at byte 5 never ends; the text may have been cut off",
        ),
        (b"{\"a\":\"\xff\"}", "byte 6 is not UTF-8"),
    ];
    for (text, message) in cases {
        let error = ASKED
            .paths
            .read(text, Duplicates::Last, &mut scratch)
            .unwrap_err();
        assert_eq!(
            error.to_string(),
            message,
            "{}",
            String::from_utf8_lossy(text)
        );
    }
}

#[test]
fn odd_bodies_that_nobody_asks_about_do_not_lose_the_event() {
    let mut scratch = PathScratch::default();
    for body in [
        "nan",
        "01",
        "[1 2]",
        "{\"a\"}",
        "[,]",
        "{:}",
        "\"\u{1}\"",
        "[}",
    ] {
        let text = format!("{{\"b\":{body},\"a\":1}}");
        let found = ASKED
            .paths
            .read(text.as_bytes(), Duplicates::Last, &mut scratch);
        assert!(found.is_ok(), "{text}: {found:?}");
    }
}

#[test]
fn the_same_keys_give_the_same_id() {
    let mut builder = PathsBuilder::new();
    let once = builder.add(&["user", "groups"]);
    assert_ne!(builder.add(&["user"]), once);
    assert_eq!(builder.add(&["user", "groups"]), once);
}
