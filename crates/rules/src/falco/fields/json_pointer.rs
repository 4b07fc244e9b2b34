//! Any value of an event by JSON pointer, and the event as such. These fields do not need `auditID`.
//!
//! A JSON path leads through arrays element by element, a pointer needs their indexes. So the part of a pointer that
//! has no digits becomes a path, which the event's one pass finds, and the rest is walked from there. All steps of that
//! part are inputs, because a path that led through an array leads somewhere that the pointer does not.

use std::borrow::Cow;
use std::sync::Arc;

use kubevigil_audit::json::{Json, JsonKind};

use super::readers::value;
use super::{ArgumentKind, Entry};
use crate::field::{Inputs, JsonPath, Value, Values};

pub(super) const ENTRIES: &[Entry] = &[
    Entry::made(
        "jevt.value",
        pointed_at,
        &[],
        "What the JSON pointer leads to.",
    )
    .argument(ArgumentKind::Pointer),
    Entry::made(
        "json.value",
        pointed_at,
        &[],
        "What the JSON pointer leads to.",
    )
    .argument(ArgumentKind::Pointer),
    Entry::made("jevt.obj", indented, &[], "The whole event, indented."),
    Entry::made("json.obj", indented, &[], "The whole event, indented."),
    Entry::made(
        "jevt.rawtime",
        raw_time,
        &[],
        "The time of the event in nanoseconds since 1970, as text.",
    ),
    Entry::made(
        "json.rawtime",
        raw_time,
        &[],
        "The time of the event in nanoseconds since 1970, as text.",
    ),
];

/// So many blanks indent the lines of any event, and eight more for each byte of it. Then lines stand at the margin: a
/// long array inside many others would have thousands of blanks for each of its numbers.
const BLANKS: usize = 1 << 20;

/// The paths that the field with this pointer reads: every step up to the first index.
pub(super) fn inputs(pointer: &str) -> Arc<[JsonPath]> {
    let keys = keys(pointer);
    let keys: Vec<&str> = keys.iter().map(AsRef::as_ref).collect();
    if keys.is_empty() {
        return Arc::new([JsonPath::first(&[])]);
    }
    (1..=keys.len())
        .map(|length| JsonPath::first(keys.get(..length).unwrap_or_default()))
        .collect()
}

fn tokens(pointer: &str) -> impl Iterator<Item = Cow<'_, str>> {
    let pointer = pointer.strip_prefix('/').unwrap_or(pointer);
    pointer.split('/').map(|token| {
        if token.contains('~') {
            Cow::Owned(token.replace("~1", "/").replace("~0", "~"))
        } else {
            Cow::Borrowed(token)
        }
    })
}

/// The tokens before the first that may be an index.
fn keys(pointer: &str) -> Vec<Cow<'_, str>> {
    tokens(pointer)
        .take_while(|token| index(token).is_none())
        .collect()
}

fn index(token: &str) -> Option<usize> {
    let digits = !token.is_empty() && token.bytes().all(|byte| byte.is_ascii_digit());
    if digits {
        Some(token.parse().unwrap_or(usize::MAX))
    } else {
        None
    }
}

fn pointed_at<'e>(inputs: &Inputs<'_, 'e>) -> Values<'e> {
    let Some(pointer) = inputs.argument else {
        return Values::Absent;
    };
    let Some((_, steps)) = inputs.found.split_last() else {
        return Values::Absent;
    };
    let objects = steps
        .iter()
        .all(|places| matches!(places, [json] if json.kind() == JsonKind::Object));
    let (true, Some(base)) = (objects, inputs.first(steps.len())) else {
        return Values::Absent;
    };
    let rest = tokens(pointer).skip_while(|token| index(token).is_none());
    walk(base, rest).map_or(Values::Absent, |json| Values::One(value(json)))
}

fn walk<'e, 't>(
    base: Json<'e>,
    mut tokens: impl Iterator<Item = Cow<'t, str>>,
) -> Option<Json<'e>> {
    tokens.try_fold(base, |json, token| match json.kind() {
        JsonKind::Array => json.elements().nth(index(&token)?),
        _ => json.member(&token),
    })
}

fn raw_time<'e>(inputs: &Inputs<'_, 'e>) -> Values<'e> {
    let nanoseconds = inputs.event.time.nanoseconds.to_string();
    Values::text(Some(Cow::Owned(nanoseconds.into_bytes())))
}

fn indented<'e>(inputs: &Inputs<'_, 'e>) -> Values<'e> {
    let Some(event) = Json::first_in(inputs.event.raw) else {
        return Values::Absent;
    };
    Values::One(Value::Text(Cow::Owned(indent(&event.compact()))))
}

/// Compact JSON on many lines, indented by two blanks a level.
fn indent(compact: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(compact.len() * 2);
    let mut depth = 0_usize;
    let mut blanks = BLANKS.saturating_add(compact.len().saturating_mul(8));
    let (mut in_string, mut escaped) = (false, false);
    let mut new_line = |out: &mut Vec<u8>, depth: usize| {
        let indent = depth.saturating_mul(2).min(blanks);
        blanks -= indent;
        out.push(b'\n');
        out.resize(out.len() + indent, b' ');
    };
    for (at, &byte) in compact.iter().enumerate() {
        let closes_empty = |next: Option<&u8>| matches!(next, Some(b'}' | b']'));
        match byte {
            _ if in_string => {
                out.push(byte);
                in_string = byte != b'"' || escaped;
                escaped = byte == b'\\' && !escaped;
            }
            b'{' | b'[' => {
                out.push(byte);
                depth += 1;
                if !closes_empty(compact.get(at + 1)) {
                    new_line(&mut out, depth);
                }
            }
            b'}' | b']' => {
                depth = depth.saturating_sub(1);
                if !matches!(out.last(), Some(b'{' | b'[')) {
                    new_line(&mut out, depth);
                }
                out.push(byte);
            }
            b',' => {
                out.push(byte);
                new_line(&mut out, depth);
            }
            b':' => out.extend_from_slice(b": "),
            _ => {
                out.push(byte);
                in_string = byte == b'"';
                escaped = false;
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::{BLANKS, indent};

    #[test]
    fn members_and_elements_stand_on_lines_of_their_own() {
        let text = indent(br#"{"a":[1,{"b":"[,]"}],"c":{},"d":[]}"#);
        let expected = "{\n  \"a\": [\n    1,\n    {\n      \"b\": \"[,]\"\n    }\n  ],\n  \"c\": {},\n  \"d\": []\n}";
        assert_eq!(String::from_utf8(text).unwrap(), expected);
    }

    #[test]
    fn a_long_array_inside_many_others_stays_in_proportion() {
        let (open, close) = ("[".repeat(300), "]".repeat(300));
        let deep = format!("{open}{}{close}", vec!["1"; 500_000].join(","));
        let text = indent(deep.as_bytes());
        assert!(text.len() < 11 * deep.len() + BLANKS, "{}", text.len());
        let deeper = "[".repeat(1_000_000);
        assert!(indent(deeper.as_bytes()).len() < 11 * deeper.len() + BLANKS);
    }
}
