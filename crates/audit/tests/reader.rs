//! The reader of many paths against a plain reading by `serde_json`.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use std::borrow::Cow;
use std::fmt;

use kubevigil_audit::json::{Duplicates, Json, JsonKind, PathId, PathScratch, Paths, PathsBuilder};
use proptest::prelude::*;
use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};

const BOTH: [Duplicates; 2] = [Duplicates::First, Duplicates::Last];

/// JSON with all members of its objects, equal keys included.
#[derive(Clone, Debug, PartialEq)]
enum Tree {
    Object(Vec<(String, Tree)>),
    Array(Vec<Tree>),
    Scalar(serde_json::Value),
}

impl Tree {
    fn member(&self, key: &str, duplicates: Duplicates) -> Option<&Tree> {
        let Tree::Object(members) = self else {
            return None;
        };
        let mut equal = members
            .iter()
            .filter(|(name, _)| name == key)
            .map(|(_, value)| value);
        match duplicates {
            Duplicates::First => equal.next(),
            Duplicates::Last => equal.next_back(),
        }
    }

    /// All values at the path, arrays on the way taken apart.
    fn places<'t>(&'t self, keys: &[&str], duplicates: Duplicates, places: &mut Vec<&'t Tree>) {
        let [key, rest @ ..] = keys else {
            return places.push(self);
        };
        match self {
            Tree::Array(elements) => {
                elements
                    .iter()
                    .for_each(|element| element.places(keys, duplicates, places));
            }
            _ => {
                if let Some(value) = self.member(key, duplicates) {
                    value.places(rest, duplicates, places);
                }
            }
        }
    }

    /// The value at the path, through objects only.
    fn get(&self, keys: &[&str], duplicates: Duplicates) -> Option<&Tree> {
        keys.iter()
            .try_fold(self, |tree, key| tree.member(key, duplicates))
    }

    fn has_duplicates(&self, paths: &[Vec<&'static str>]) -> bool {
        let below = |key: &str| -> Vec<Vec<&'static str>> {
            let rest = paths.iter().filter(|path| path.first() == Some(&key));
            rest.map(|path| path[1..].to_vec()).collect()
        };
        let Tree::Object(members) = self else {
            return false;
        };
        members.iter().enumerate().any(|(at, (key, value))| {
            let below = below(key);
            let again = members[..at].iter().any(|(earlier, _)| earlier == key);
            !below.is_empty() && (again || value.has_duplicates(&below))
        })
    }
}

impl<'de> Deserialize<'de> for Tree {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Keep;
        impl<'de> Visitor<'de> for Keep {
            type Value = Tree;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("JSON")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Tree, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Tree::Object(members))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Tree, A::Error> {
                let mut elements = Vec::new();
                while let Some(element) = seq.next_element()? {
                    elements.push(element);
                }
                Ok(Tree::Array(elements))
            }
            fn visit_unit<E>(self) -> Result<Tree, E> {
                Ok(Tree::Scalar(serde_json::Value::Null))
            }
            fn visit_bool<E>(self, value: bool) -> Result<Tree, E> {
                Ok(Tree::Scalar(value.into()))
            }
            fn visit_i64<E>(self, value: i64) -> Result<Tree, E> {
                Ok(Tree::Scalar(value.into()))
            }
            fn visit_u64<E>(self, value: u64) -> Result<Tree, E> {
                Ok(Tree::Scalar(value.into()))
            }
            fn visit_f64<E>(self, value: f64) -> Result<Tree, E> {
                Ok(Tree::Scalar(value.into()))
            }
            fn visit_str<E>(self, value: &str) -> Result<Tree, E> {
                Ok(Tree::Scalar(value.into()))
            }
        }
        deserializer.deserialize_any(Keep)
    }
}

/// Every path of up to three of these keys.
struct Asked {
    paths: Paths,
    ids: Vec<PathId>,
    keys: Vec<Vec<&'static str>>,
}

impl Asked {
    fn new() -> Self {
        const KEYS: [&str; 4] = ["a", "é", "\\", "requestReceivedTimestamp"];
        let mut keys = vec![vec![]];
        for _ in 0..3 {
            let longer =
                |path: &Vec<&'static str>| KEYS.map(|key| [path.as_slice(), &[key]].concat());
            keys = keys.iter().flat_map(longer).chain([vec![]]).collect();
        }
        let mut builder = PathsBuilder::new();
        let ids = keys.iter().map(|path| builder.add(path)).collect();
        Self {
            paths: builder.build(),
            ids,
            keys,
        }
    }

    /// Holds the reader to the oracle for one text, which either may refuse.
    fn check(&self, text: &[u8]) -> Result<(), TestCaseError> {
        let tree = serde_json::from_slice::<Tree>(text).ok();
        if let Some(tree) = &tree {
            prop_assert_eq!(&rebuild(Json::first_in(text).unwrap()), tree);
        }
        for duplicates in BOTH {
            let mut scratch = PathScratch::default();
            let found = self.paths.read(text, duplicates, &mut scratch);
            let Some(tree @ Tree::Object(_)) = &tree else {
                continue;
            };
            prop_assert!(found.is_ok(), "refused {:?}: {:?}", text, found.err());
            let found = found.unwrap();
            prop_assert_eq!(found.has_duplicates(), tree.has_duplicates(&self.keys));
            for (id, keys) in self.ids.iter().zip(&self.keys) {
                let mut places = Vec::new();
                found.places(*id, &mut places);
                let mut wanted = Vec::new();
                tree.places(keys, duplicates, &mut wanted);
                let places: Vec<Tree> = places.into_iter().map(parse).collect();
                prop_assert_eq!(places.iter().collect::<Vec<_>>(), wanted, "{:?}", keys);
                let value = found.get(*id).map(parse);
                prop_assert_eq!(value.as_ref(), tree.get(keys, duplicates), "{:?}", keys);
            }
        }
        Ok(())
    }
}

fn parse(json: Json<'_>) -> Tree {
    serde_json::from_slice(json.raw()).unwrap()
}

/// The whole tree, by the members and elements of single values.
fn rebuild(json: Json<'_>) -> Tree {
    match json.kind() {
        JsonKind::Object => {
            let member = |(key, value): (Cow<'_, [u8]>, _)| {
                (String::from_utf8(key.into_owned()).unwrap(), rebuild(value))
            };
            Tree::Object(json.members().map(member).collect())
        }
        JsonKind::Array => Tree::Array(json.elements().map(rebuild).collect()),
        _ => parse(json),
    }
}

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
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn finds_what_serde_finds(text in object(json())) {
        Asked::new().check(text.as_bytes())?;
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
        Asked::new().check(&text)?;
    }

    #[test]
    fn survives_any_bytes(text in prop::collection::vec(
        prop_oneof![any::<u8>(), prop::sample::select(br#"{}[]",:\ a"#.to_vec())], 0..200,
    )) {
        Asked::new().check(&text)?;
    }
}

#[test]
fn strings_and_escapes_may_straddle_blocks() {
    let asked = Asked::new();
    for before in 0..140 {
        for escapes in [
            r"\\", "\\\"", r"\\\\\\", "\\\\\\\"", r"\u005c", "}", "]\\\"{",
        ] {
            let text = format!(
                r#"{{"b":"{}{escapes}","a":{{"a":[1]}}}}"#,
                "x".repeat(before)
            );
            asked.check(text.as_bytes()).unwrap();
        }
    }
}

#[test]
fn an_object_of_any_depth_is_stepped_over() {
    let depth = 100_000;
    for (open, close) in [("{\"a\":", "}"), ("[", "]"), ("[{\"é\":", "}]")] {
        let body = format!("{}1{}", open.repeat(depth), close.repeat(depth));
        let text = format!(r#"{{"é":{body},"a":{{"é":{body}}},"\\":7}}"#);
        let asked = Asked::new();
        let mut scratch = PathScratch::default();
        let found = asked
            .paths
            .read(text.as_bytes(), Duplicates::Last, &mut scratch)
            .unwrap();
        let place =
            |keys: &[&str]| asked.ids[asked.keys.iter().position(|path| path == keys).unwrap()];
        assert_eq!(
            found.get(place(&["a", "é"])).unwrap().raw(),
            body.as_bytes()
        );
        assert_eq!(found.get(place(&["\\"])).unwrap().raw(), b"7");
        let mut places = Vec::new();
        asked
            .ids
            .iter()
            .for_each(|id| found.places(*id, &mut places));
    }
}

#[test]
fn errors_say_where_and_what() {
    let asked = Asked::new();
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
        let error = asked
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
    let asked = Asked::new();
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
        let found = asked
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
