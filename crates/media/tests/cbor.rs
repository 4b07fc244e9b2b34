//! CBOR as JSON: what the reader of the API server makes of it.

#![expect(clippy::unwrap_used, reason = "tests")]

use kubevigil_media::{Format, Unreadable, to_json};
use minicbor::Encoder;
use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::{Map, Value};

const LIMIT: usize = 1 << 20;

/// What it is, CBOR in base 16, JSON or why not. Blanks in CBOR are for people.
const CASES: &str = r#"
    the tag of CBOR itself      | d9d9f7 a0                         | {}
    byte strings are texts      | a1 44 6b696e64 43 506f64          | {"kind":"Pod"}
    texts                       | a1 61 61 62 c3a9                  | {"a":"é"}
    bytes that are no UTF-8     | 42 61 ff                          | "a\ufffd"
    text that is no UTF-8       | 62 61 ff                          | Malformed
    a byte slice of Go          | d6 42 6869                        | "aGk="
    base64url without padding   | d5 43 fbffff                      | "-___"
    base64url of two bytes      | d5 42 fbff                        | "-_8"
    base16                      | d7 42 0aff                        | "0aff"
    a text stays one            | d6 62 6869                        | "hi"
    a tag on a list and a map   | d6 82 41 61 a1 61 6b 41 62        | ["YQ==",{"k":"Yg=="}]
    the inner tag counts        | d6 81 d7 41 0a                    | ["0a"]
    a tag ends with its list    | 82 d6 81 41 61 41 61              | [["YQ=="],"a"]
    small numbers               | 83 00 17 20                       | [0,23,-1]
    long numbers                | 82 1b ffffffffffffffff 3b ffffffffffffffff | [18446744073709551615,-18446744073709551616]
    numbers longer than needed  | 83 1800 190001 3a00000001         | [0,1,-2]
    half, single, double        | 83 f93e00 fa3fc00000 fb3ff8000000000000 | [1.5,1.5,1.5]
    a whole number as a float   | fb 4059000000000000               | 100
    a large float               | fb 444b1ae4d6e2ef50               | 1e+21
    minus nothing               | f98000                            | -0
    NaN                         | f97e00                            | Malformed
    an infinity                 | f97c00                            | Malformed
    words                       | 83 f4 f5 f6                       | [false,true,null]
    undefined                   | f7                                | Malformed
    a simple value              | e0                                | Malformed
    a longer one                | f8ff                              | Malformed
    a number too large for it   | c2 49 010000000000000000          | Malformed
    a time                      | c1 1a 514b67b0                    | "2013-03-21T20:04:00Z"
    a time with a fraction      | c1 fb 41d452d9ec200000            | "2013-03-21T20:04:00.5Z"
    a time that cannot be       | c1 1b 7fffffffffffffff            | Malformed
    a time that is no number    | c1 61 61                          | Malformed
    a time as text              | c0 74 323031332d30332d32315432303a30343a30305a | "2013-03-21T20:04:00Z"
    a tag that nobody knows     | d9ffff 01                         | 1
    a list without its length   | 9f 01 82 02 03 9f ff ff           | [1,[2,3],[]]
    a map without its length    | bf 61 61 01 61 62 bf ff ff        | {"a":1,"b":{}}
    texts in pieces             | 82 7f 61 61 62 c3a9 ff 5f 41 62 40 ff | ["aé","b"]
    a key in pieces             | a1 5f 41 6b 41 65 ff 00           | {"ke":0}
    a character in two pieces   | 7f 61 c3 61 a9 ff                 | Malformed
    equal keys stand            | a2 61 61 01 61 61 02              | {"a":1,"a":2}
    a number as key             | a1 01 02                          | Malformed
    a list as key               | a1 80 02                          | Malformed
    no value for a key          | bf 61 61 ff                       | Malformed
    a break for nothing         | 81 ff                             | Malformed
    a break at the start        | ff                                | Malformed
    something behind it         | 01 02                             | Malformed
    nothing                     |                                   | Malformed
    only a tag                  | d9d9f7                            | Malformed
    the end is missing          | 82 01                             | Malformed
    more announced than is there | 5b ffffffffffffffff 61           | Malformed
    a list of everything        | 9b ffffffffffffffff 01            | Malformed
    a map of everything         | bb ffffffffffffffff 61 61 01      | Malformed
    reserved                    | 1c                                | Malformed
    escapes                     | 63 22 5c 0a                       | "\"\\\n"
"#;

fn bytes(digits: &str) -> Vec<u8> {
    let digits: Vec<u32> = digits.chars().filter_map(|it| it.to_digit(16)).collect();
    let pairs = digits.chunks_exact(2);
    pairs
        .map(|two| u8::try_from(two.iter().fold(0, |sum, digit| sum * 16 + digit)).unwrap())
        .collect()
}

fn json(cbor: &[u8]) -> Result<String, Unreadable> {
    let json = to_json(Format::Cbor, cbor, LIMIT)?;
    Ok(String::from_utf8(json.into_owned()).unwrap())
}

#[test]
fn cbor_is_what_the_server_makes_of_it() {
    for line in CASES.trim().lines() {
        let cells: Vec<&str> = line.splitn(3, '|').map(str::trim).collect();
        let [name, cbor, expected] = cells[..] else {
            panic!("three cells are needed: {line}");
        };
        let found = json(&bytes(cbor)).unwrap_or_else(|error| format!("{error:?}"));
        assert_eq!(found, expected, "{name}");
    }
}

#[test]
fn depth_and_length_are_bounded() {
    assert_eq!(json(&vec![0x81; 1_000_000]), Err(Unreadable::TooDeep));
    assert_eq!(json(&vec![0x9f; 1_000_000]), Err(Unreadable::TooDeep));
    assert_eq!(json(&vec![0xc6; 1_000_000]), Err(Unreadable::Malformed));
    let text = [&b"\x9f"[..], &b"\xf4".repeat(LIMIT / 6), b"\xff"].concat();
    assert!(json(&text).unwrap().len() <= LIMIT);
    let text = [&b"\x9f"[..], &b"\xf4".repeat(LIMIT / 5), b"\xff"].concat();
    assert_eq!(json(&text), Err(Unreadable::TooLong));
    let zeros = [&b"\x5a\x00\x0f\x00\x00"[..], &[0; 0x0f_0000]].concat();
    assert_eq!(json(&zeros), Err(Unreadable::TooLong));
}

/// Any JSON, with the numbers that CBOR has, too.
fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<i32>().prop_map(|number| Value::from(f64::from(number) / 1024.0)),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(6, 64, 6, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..6).prop_map(Value::from),
            vec((any::<String>(), inner), 0..6)
                .prop_map(|members| Value::Object(members.into_iter().collect::<Map<_, _>>())),
        ]
    })
}

/// The value as CBOR: texts as byte strings or not, lengths announced or not.
fn encode(value: &Value, out: &mut Encoder<&mut Vec<u8>>, style: [bool; 2]) {
    let [as_bytes, is_open] = style;
    let text = |out: &mut Encoder<&mut Vec<u8>>, text: &str| match as_bytes {
        true => out.bytes(text.as_bytes()).map(drop),
        false => out.str(text).map(drop),
    };
    let written = match value {
        Value::Null => out.null().map(drop),
        Value::Bool(truth) => out.bool(*truth).map(drop),
        Value::String(value) => text(out, value),
        Value::Number(number) => match (number.as_u64(), number.as_i64()) {
            (Some(number), _) => out.u64(number).map(drop),
            (_, Some(number)) => out.i64(number).map(drop),
            _ => out.f64(number.as_f64().unwrap()).map(drop),
        },
        Value::Array(items) => {
            let begun = match is_open {
                true => out.begin_array().map(drop),
                false => out.array(items.len() as u64).map(drop),
            };
            items.iter().for_each(|item| encode(item, out, style));
            begun
        }
        Value::Object(members) => {
            let begun = match is_open {
                true => out.begin_map().map(drop),
                false => out.map(members.len() as u64).map(drop),
            };
            for (key, value) in members {
                text(out, key).unwrap();
                encode(value, out, style);
            }
            begun
        }
    };
    written.unwrap();
    if is_open && matches!(value, Value::Array(_) | Value::Object(_)) {
        out.end().unwrap();
    }
}

proptest! {
    #[test]
    fn json_comes_back_from_cbor(value in any_json(), style in any::<[bool; 2]>()) {
        let mut cbor = Vec::new();
        encode(&value, &mut Encoder::new(&mut cbor), style);
        let found: Value = serde_json::from_str(&json(&cbor).unwrap()).unwrap();
        // Whole numbers lose their point on the way, as in Go.
        prop_assert_eq!(without_points(&found), without_points(&value));
    }

    #[test]
    fn json_comes_back_from_yaml(value in any_json()) {
        let json = serde_json::to_string(&value).unwrap();
        let yaml = format!("object: {json}\n");
        // A text that ends lines in libyaml only is folded.
        prop_assume!(!json.contains(['\u{85}', '\u{2028}', '\u{2029}', '\u{feff}']));
        if let Ok(found) = to_json(Format::Yaml, yaml.as_bytes(), LIMIT) {
            let found: Value = serde_json::from_slice(&found).unwrap();
            prop_assert_eq!(without_points(found.get("object").unwrap()), without_points(&value));
        }
    }

    #[test]
    fn any_bytes_are_read_within_the_limit_or_refused(body in vec(any::<u8>(), 0..200), limit in 0_usize..300) {
        for format in [Format::Yaml, Format::Cbor, Format::Protobuf] {
            if let Ok(json) = to_json(format, &body, limit) {
                prop_assert!(json.len() <= limit || json.as_ref() == body);
                prop_assert!(serde_json::from_slice::<serde::de::IgnoredAny>(&json).is_ok());
            }
        }
    }

    #[test]
    fn texts_made_of_yaml_are_read_within_the_limit_or_refused(
        pieces in vec(
            prop::sample::select(vec![
                "- ", "a", ": ", "\n", "  ", "[", "]", "{", "}", ",", "'", "\"", "\\x4", "&a ", "*a", "*a : ", "|\n", ">-\n",
                "---\n", "...", "#", "é", "? ", "!!str ", "!!int ", "~", "<<: ", "1e3", "0x1F", "yes", "\r", "\u{85}", "\u{feff}",
            ]), 0..40),
        limit in 0_usize..200,
    ) {
        let body = pieces.concat();
        if let Ok(json) = to_json(Format::Yaml, body.as_bytes(), limit) {
            prop_assert!(json.len() <= limit || json.as_ref() == body.as_bytes());
            prop_assert!(serde_json::from_slice::<serde::de::IgnoredAny>(&json).is_ok(), "{}", json.escape_ascii());
        }
    }
}

fn without_points(value: &Value) -> Value {
    match value {
        Value::Number(number) if number.is_f64() => {
            let number = number.as_f64().unwrap();
            // Whoever reads JSON here is not exact in the last digit.
            Value::from(if number.fract() == 0.0 {
                number.to_string()
            } else {
                (number as f32).to_string()
            })
        }
        Value::Number(number) => Value::from(number.to_string()),
        Value::Array(items) => items.iter().map(without_points).collect(),
        Value::Object(members) => {
            let members = members
                .iter()
                .map(|(key, value)| (key.clone(), without_points(value)));
            members.collect()
        }
        other => other.clone(),
    }
}
