//! Single values: their kind, text, members and elements.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::borrow::Cow;

use kubevigil_audit::json::{Json, JsonKind};
use kubevigil_audit::time::Timestamp;
use proptest::prelude::*;

fn json(text: &str) -> Json<'_> {
    Json::first_in(text.as_bytes()).unwrap()
}

#[test]
fn the_first_byte_tells_the_kind() {
    let cases = [
        ("{}", JsonKind::Object),
        (" [1]", JsonKind::Array),
        ("\"a\"", JsonKind::String),
        ("true", JsonKind::Bool),
        ("null,", JsonKind::Null),
        ("-1", JsonKind::Number),
        ("nan", JsonKind::Other),
    ];
    for (text, kind) in cases {
        assert_eq!(json(text).kind(), kind, "{text}");
    }
    assert_eq!(Json::first_in(b"  "), None);
}

#[test]
fn a_string_without_escapes_is_borrowed() {
    assert!(matches!(
        json("\"plain\"").string(),
        Some(Cow::Borrowed(b"plain"))
    ));
    assert!(matches!(json("\"\"").text(), Cow::Borrowed(b"")));
}

#[test]
fn escapes_are_decoded() {
    let cases = [
        (r#""a\"b""#, "a\"b"),
        (r#""\\""#, "\\"),
        (r#""\b\f\n\r\t\/""#, "\u{8}\u{c}\n\r\t/"),
        (r#""\u0026\u00e9""#, "&é"),
        (r#""\ud83d\ude00""#, "😀"),
        (r#""\ud83d""#, "\u{fffd}"),
        (r#""\ud83d\u0041""#, "\u{fffd}A"),
        (r#""\u12""#, "\u{fffd}12"),
        (r#""\q""#, "q"),
    ];
    for (text, decoded) in cases {
        assert_eq!(json(text).string().unwrap(), decoded.as_bytes(), "{text}");
    }
}

#[test]
fn compact_text_loses_blanks_outside_strings_only() {
    assert_eq!(
        json("{ \"a\" : [ 1 , \" \\\" x\" ] }").text(),
        &br#"{"a":[1," \" x"]}"#[..]
    );
    assert!(matches!(json("[1,2]").compact(), Cow::Borrowed(_)));
}

#[test]
fn the_first_or_last_of_equal_keys_is_given() {
    let object = json(r#"{"a":1,"\u0061":2,"b":{"a":3}}"#);
    assert_eq!(object.member("a").unwrap().raw(), b"1");
    assert_eq!(object.last_member("a").unwrap().raw(), b"2");
    assert_eq!(object.member("c"), None);
    assert_eq!(json("[1]").member("a"), None);
}

#[test]
fn elements_keep_their_order() {
    let array = json("[1, [2,{\"a\":\"]\"}] ,\"x\",{}]");
    let raw: Vec<_> = array.elements().map(Json::raw).collect();
    assert_eq!(raw, [&b"1"[..], b"[2,{\"a\":\"]\"}]", b"\"x\"", b"{}"]);
}

#[test]
fn times_are_read_and_written() {
    let cases = [
        ("1970-01-01T00:00:00Z", 0),
        ("2026-11-23T05:12:26.477108Z", 1_795_410_746_477_108_000),
        ("2000-02-29T23:59:59.9999999999Z", 951_868_799_999_999_999),
        ("1969-12-31T23:59:59Z", -1_000_000_000),
        ("2026-11-23T05:12:26+02:00", 1_795_403_546_000_000_000),
        ("2026-11-23T05:12:26-00:30", 1_795_412_546_000_000_000),
    ];
    for (text, nanoseconds) in cases {
        assert_eq!(
            Timestamp::parse(text.as_bytes()),
            Some(Timestamp { nanoseconds }),
            "{text}"
        );
    }
    assert_eq!(
        Timestamp { nanoseconds: -1 }.to_string(),
        "1969-12-31T23:59:59.999999999Z"
    );
}

#[test]
fn what_is_no_time_is_refused() {
    for text in [
        "",
        "2026-11-23",
        "2026-11-23t05:12:26Z",
        "2026-11-23T05:12:26",
        "2026-11-23T05:12:26.Z",
        "2026-02-29T00:00:00Z",
        "2026-13-01T00:00:00Z",
        "2026-11-23T24:00:00Z",
        "2026-11-23T05:12:26+25:00",
        "2026-11-23T05:12:26z",
        " 2026-11-23T05:12:26Z",
    ] {
        assert_eq!(Timestamp::parse(text.as_bytes()), None, "{text}");
    }
}

proptest! {
    #[test]
    fn a_written_time_is_read_back(nanoseconds in -60_000_000_000_i128..250_000_000_000_i128, below in 0..1_000_000_000_i128) {
        let time = Timestamp { nanoseconds: nanoseconds * 1_000_000_000 + below };
        prop_assert_eq!(Timestamp::parse(time.to_string().as_bytes()), Some(time));
    }

    #[test]
    fn values_of_any_bytes_end_inside_them(bytes in prop::collection::vec(
        prop_oneof![any::<u8>(), prop::sample::select(br#"{}[]",:\u "#.to_vec())], 0..150,
    )) {
        if let Some(json) = Json::first_in(&bytes) {
            let inner = json.members().map(|(_, value)| value).chain(json.elements());
            for value in inner {
                let _ = (value.text(), value.compact(), value.kind());
                prop_assert!(bytes.as_ptr_range().contains(&value.raw().as_ptr()));
            }
        }
        let _ = Timestamp::parse(&bytes);
    }

    #[test]
    fn strings_are_decoded_as_serde_does(text in "(\\PC|\\\\[nrtbf/\"\\\\]|\\\\u[0-9a-cA-C][0-9a-f]{3}|\\\\ud83d\\\\ude[0-3]f){0,40}") {
        let quoted = format!("\"{text}\"");
        if let Ok(decoded) = serde_json::from_str::<String>(&quoted) {
            let own = json(&quoted).string().unwrap();
            prop_assert_eq!(String::from_utf8_lossy(&own), decoded);
        }
    }
}
