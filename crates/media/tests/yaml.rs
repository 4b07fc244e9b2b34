//! YAML as JSON: what the reader of the API server makes of it.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::time::{Duration, Instant};

use kubevigil_media::{Format, Unreadable, to_json};

const CASES: &str = include_str!("cases/yaml.txt");
const LIMIT: usize = 1 << 20;

fn json(yaml: &[u8]) -> Result<String, Unreadable> {
    let json = to_json(Format::Yaml, yaml, LIMIT)?;
    Ok(String::from_utf8(json.into_owned()).unwrap())
}

/// Name, YAML, JSON.
fn cases() -> Vec<(&'static str, &'static str, &'static str)> {
    let parts = CASES.split("\n=== ").skip(1);
    let read = |part: &'static str| {
        let (name, rest) = part.split_once('\n').unwrap();
        let (yaml, json) = rest.split_once("\n==> ").unwrap();
        (name, yaml, json.trim_end_matches('\n'))
    };
    parts.map(read).collect()
}

#[test]
fn yaml_is_what_the_server_makes_of_it() {
    let cases = cases();
    assert_eq!(cases.len(), CASES.matches("==> ").count() - 1);
    for (name, yaml, expected) in cases {
        match json(yaml.as_bytes()) {
            Ok(found) => assert_eq!(found, expected, "{name}"),
            Err(error) => assert_eq!(
                (error, expected),
                (Unreadable::Malformed, "refused"),
                "{name}"
            ),
        }
    }
}

#[test]
fn the_line_ends_of_libyaml_end_comments() {
    for end in ["\n", "\r\n", "\r", "\u{85}", "\u{2028}", "\u{2029}"] {
        let yaml = format!("a: 1 # nothing to see{end}hostNetwork: true");
        let expected = r#"{"a":1,"hostNetwork":true}"#;
        assert_eq!(json(yaml.as_bytes()).as_deref(), Ok(expected), "{end:?}");
    }
}

#[test]
fn utf_16_with_a_byte_order_mark_is_read() {
    let text = "a: \u{1f600}";
    let units: Vec<u16> = text.encode_utf16().collect();
    let little: Vec<u8> = units.iter().flat_map(|unit| unit.to_le_bytes()).collect();
    let big: Vec<u8> = units.iter().flat_map(|unit| unit.to_be_bytes()).collect();
    let expected = "{\"a\":\"\u{1f600}\"}".to_owned();
    for (mark, bytes) in [([0xff, 0xfe], &little), ([0xfe, 0xff], &big)] {
        let body = [&mark[..], bytes].concat();
        assert_eq!(json(&body), Ok(expected.clone()));
        assert_eq!(json(&body[..body.len() - 1]), Err(Unreadable::Malformed));
    }
    assert_eq!(json(format!("\u{feff}{text}").as_bytes()), Ok(expected));
    assert_eq!(json(b"a: \xff"), Err(Unreadable::Malformed));
}

#[test]
fn aliases_merges_and_depth_are_bounded_in_memory_and_time() {
    let mut aliases = "a0: &a0 [lol, lol, lol, lol, lol, lol, lol, lol]\n".to_owned();
    for level in 1..12 {
        let below = format!("*a{}, ", level - 1).repeat(8);
        aliases.push_str(&format!("a{level}: &a{level} [{below}]\n"));
    }
    let big = format!("big: &b {{k: {}}}\n", "x".repeat(500_000));
    let merges = format!("{big}l: [{}]", "{<<: *b, k: 0}, ".repeat(100_000));
    let keys = format!("{big}l: [{}]", "{*b : 0}, ".repeat(10));
    let anchors = format!("{}a", "&a [".repeat(9_000));
    let lists = format!("{}{}", "[".repeat(500_000), "]".repeat(500_000));
    let blocks: String = (0..2_000)
        .map(|depth| format!("{}-\n", " ".repeat(depth)))
        .collect();
    let texts = [aliases, merges, keys, anchors, lists, blocks];
    for text in &texts {
        let start = Instant::now();
        let found = json(text.as_bytes());
        assert!(found.is_err() || found.is_ok_and(|json| json.len() <= LIMIT));
        assert!(start.elapsed() < Duration::from_secs(20), "{}", text.len());
    }
    assert_eq!(json(texts[0].as_bytes()), Err(Unreadable::TooLong));
    assert_eq!(json(texts[1].as_bytes()), Err(Unreadable::TooLong));
}

#[test]
fn an_object_is_read_at_any_depth_that_the_server_takes() {
    let depth = 2_000;
    let yaml = format!("{}a{}", "{a: ".repeat(depth), "}".repeat(depth));
    let expected = format!("{}\"a\"{}", "{\"a\":".repeat(depth), "}".repeat(depth));
    assert_eq!(json(yaml.as_bytes()), Ok(expected));
}
