//! Protobuf bodies that somebody made to do harm.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::fs;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use kubevigil_media::{Format, Unreadable, to_json};
use proptest::prelude::*;

const LIMIT: usize = 1 << 16;

/// A value behind its field number, sized.
fn sized(number: usize, value: &[u8]) -> Vec<u8> {
    [varint(number << 3 | 2), varint(value.len()), value.to_vec()].concat()
}

fn varint(mut number: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    while number >= 0x80 {
        bytes.push((number & 0x7f) as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
    bytes
}

fn body(api_version: &str, kind: &str, object: &[u8]) -> Vec<u8> {
    let of_type = [sized(1, api_version.as_bytes()), sized(2, kind.as_bytes())].concat();
    [b"k8s\0".to_vec(), sized(1, &of_type), sized(2, object)].concat()
}

fn json(body: &[u8]) -> Result<String, Unreadable> {
    let json = to_json(Format::Protobuf, body, LIMIT)?;
    assert!(json.len() <= LIMIT);
    Ok(String::from_utf8(json.into_owned()).unwrap())
}

fn good_bodies() -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/protobuf");
    let file = |name| fs::read_to_string(folder.join(name)).unwrap();
    let text = ["core", "apiextensions.k8s.io", "resource.k8s.io"]
        .map(file)
        .concat();
    let bodies = text.lines().map(|line| line.split_once(' ').unwrap().0);
    bodies.map(|body| STANDARD.decode(body).unwrap()).collect()
}

#[test]
fn a_body_that_is_cut_off_is_no_object_or_a_smaller_one() {
    for body in good_bodies() {
        for end in 0..body.len() {
            let _ = json(&body[..end]);
        }
        assert!(json(&body).is_ok());
    }
}

#[test]
fn what_is_nested_too_deep_is_refused() {
    // `not` of a JSON schema, in itself.
    let mut schema = Vec::new();
    for depth in 0..2_000 {
        schema = sized(28, &schema);
        if depth == 80 {
            assert!(json(&definition(&schema)).is_ok());
        }
    }
    assert_eq!(json(&definition(&schema)), Err(Unreadable::TooDeep));
}

/// A definition of a custom resource with this schema in its only version.
fn definition(schema: &[u8]) -> Vec<u8> {
    let version = sized(4, &sized(1, schema));
    let spec = sized(7, &version);
    body(
        "apiextensions.k8s.io/v1",
        "CustomResourceDefinition",
        &sized(2, &spec),
    )
}

#[test]
fn a_length_that_is_not_there_takes_no_memory() {
    for length in [&[0xff, 0xff, 0xff, 0xff, 0x07][..], &[0xff; 9], &[0x80; 11]] {
        let object = [&[0x0a], length].concat();
        assert_eq!(
            json(&body("v1", "Pod", &object)),
            Err(Unreadable::Malformed)
        );
    }
}

#[test]
fn a_small_body_of_much_json_ends_at_the_limit() {
    let containers = sized(2, &[]).repeat(40_000);
    let pod = body("v1", "Pod", &sized(2, &containers));
    assert_eq!(json(&pod), Err(Unreadable::TooLong));
}

#[test]
fn the_last_value_counts_and_messages_are_merged() {
    let names = [sized(1, b"a"), sized(1, b"b")].concat();
    let metadata = [sized(1, &names), sized(1, &sized(3, b"ns"))].concat();
    let expected =
        r#"{"kind":"ConfigMap","apiVersion":"v1","metadata":{"name":"b","namespace":"ns"}}"#;
    assert_eq!(
        json(&body("v1", "ConfigMap", &metadata)).as_deref(),
        Ok(expected)
    );
    assert_eq!(
        json(&body("/v1", "ConfigMap", &metadata)).as_deref(),
        Ok(expected)
    );
}

#[test]
fn what_is_not_known_is_stepped_over() {
    // A group with a field in it, four bytes, eight bytes, a number; all of field 15.
    let unknown = [
        &[0x7b, 0x08, 0x01, 0x7c][..],
        &[0x7d, 1, 2, 3, 4],
        &[0x79, 1, 2, 3, 4, 5, 6, 7, 8],
        &[0x78, 0xff, 0x01],
    ];
    let object = [&unknown.concat()[..], &sized(1, &sized(1, b"a"))].concat();
    let expected = r#"{"kind":"ConfigMap","apiVersion":"v1","metadata":{"name":"a"}}"#;
    assert_eq!(
        json(&body("v1", "ConfigMap", &object)).as_deref(),
        Ok(expected)
    );
    assert_eq!(
        json(&body("v1", "ConfigMap", &[0x7c])),
        Err(Unreadable::Malformed)
    );
}

#[test]
fn what_should_be_json_and_is_none_is_kept_as_bytes() {
    let managed = sized(17, &sized(7, &sized(1, b"}garbage")));
    let expected = r#"{"kind":"ConfigMap","apiVersion":"v1","metadata":{"managedFields":[{"fieldsV1":"fWdhcmJhZ2U="}]}}"#;
    assert_eq!(
        json(&body("v1", "ConfigMap", &sized(1, &managed))).as_deref(),
        Ok(expected)
    );
}

#[test]
fn what_reaches_beyond_its_end_is_read_as_the_server_reads_it() {
    // The entry ends before its value, whose bytes are also a field that is not known.
    let data = [
        &[0x12, 0x05, 0x0a, 0x01, b'a', 0x12, 0x05][..],
        b"\x7a\x03abc",
    ]
    .concat();
    let expected =
        r#"{"kind":"ConfigMap","apiVersion":"v1","metadata":{},"data":{"a":"z\u0003abc"}}"#;
    assert_eq!(
        json(&body("v1", "ConfigMap", &data)).as_deref(),
        Ok(expected)
    );
    // The groups end in the middle of the last of them.
    let groups = sized(14, &[0x22, 0x02, 0x01, 0x80, 0x01]);
    let text = json(&body("v1", "Pod", &sized(2, &groups)));
    assert!(text.is_ok_and(|text| text.contains(r#""supplementalGroups":[1,128]"#)));
}

#[test]
fn entries_that_reach_into_one_another_do_not_cost_the_square_of_the_length() {
    // Keys of 16,000 bytes each, in 5,000 entries of five bytes.
    let data = [0x12, 0x03, 0x0a, 0x80, 0x7d].repeat(5_000);
    assert_eq!(
        json(&body("v1", "ConfigMap", &data)),
        Err(Unreadable::Malformed)
    );
}

proptest! {
    #[test]
    fn no_bytes_do_harm(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        for (api_version, kind) in [
            ("v1", "Pod"),
            ("apiextensions.k8s.io/v1", "CustomResourceDefinition"),
            ("authorization.k8s.io/v1", "SubjectAccessReview"),
        ] {
            let _ = json(&body(api_version, kind, &bytes));
        }
        let _ = json(&[b"k8s\0", &bytes[..]].concat());
    }

    #[test]
    fn no_change_of_a_good_body_does_harm(
        which in any::<prop::sample::Index>(),
        changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..5),
    ) {
        let mut body = which.get(&good_bodies()).clone();
        for (at, byte) in changes {
            let at = at.index(body.len());
            body[at] = byte;
        }
        if let Ok(text) = json(&body) {
            prop_assert!(serde_json::from_str::<serde::de::IgnoredAny>(&text).is_ok());
        }
    }
}
