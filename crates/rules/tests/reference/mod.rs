//! A second implementation of what conditions, expressions and templates mean: slow, small, and written from the
//! documentation of the types alone.
//!
//! It walks the whole JSON for every field and shares nothing with the matcher, so the matcher can be tested against
//! it. Other crates' tests include this file by its path.

#![allow(
    clippy::allow_attributes,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    dead_code,
    reason = "tests; each that includes this file uses its own part"
)]

mod json;

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use bstr::ByteSlice;
use kubevigil_audit::json::{Json, JsonKind};
use kubevigil_rules::condition::Case;
use kubevigil_rules::field::Duplicates;
use kubevigil_rules::{
    Compare, Condition, EventContext, Expr, Field, Inputs, JsonPath, Members, Needle, Piece,
    Predicate, Read, Template, Test, Transform, Value, Values,
};

/// Whether the condition holds for the event.
pub(crate) fn holds(condition: &Condition, event: &EventContext<'_>) -> bool {
    match condition {
        Condition::All(parts) => parts.iter().all(|part| holds(part, event)),
        Condition::Any(parts) => parts.iter().any(|part| holds(part, event)),
        Condition::ExactlyOne(parts) => parts.iter().filter(|part| holds(part, event)).count() == 1,
        Condition::Not(part) => !holds(part, event),
        Condition::Test(test) => test_holds(test, event),
        Condition::Json(_) | Condition::Elements(_) => {
            json::holds(condition, &json::parsed(event.raw), event)
        }
    }
}

fn test_holds(test: &Test, event: &EventContext<'_>) -> bool {
    let values = expr_values(&test.subject, event);
    let values = values.as_slice();
    let satisfies = |value: &Value<'_>| satisfies(value, &test.predicate, event);
    match test.members {
        Members::All => !values.is_empty() && values.iter().all(satisfies),
        Members::Any => values.iter().any(satisfies),
    }
}

fn satisfies(value: &Value<'_>, predicate: &Predicate, event: &EventContext<'_>) -> bool {
    let text = value.to_text().into_owned();
    let with = |needle: &Needle, relation: &dyn Fn(&[u8], &[u8]) -> bool| match needle {
        Needle::Integer(_) => false,
        Needle::Text(needle) => relation(&text, needle),
        Needle::Value(expr) => match expr_values(expr, event) {
            Values::One(other) => relation(&text, &other.to_text()),
            Values::Absent | Values::Many(_) => false,
        },
    };
    match predicate {
        Predicate::Exists => true,
        Predicate::Compare(compare, needle) => compares(value, *compare, needle, event),
        Predicate::Contains(needle, case) => with(needle, &|text, needle| {
            fold(text, *case).find(fold(needle, *case)).is_some()
        }),
        Predicate::StartsWith(needle, case) => with(needle, &|text, needle| {
            fold(text, *case).starts_with(&fold(needle, *case))
        }),
        Predicate::EndsWith(needle, case) => with(needle, &|text, needle| {
            fold(text, *case).ends_with(&fold(needle, *case))
        }),
        Predicate::OneOf(texts) => texts.iter().any(|candidate| candidate.as_slice() == text),
        Predicate::OneOfValues(expr) => expr_values(expr, event)
            .as_slice()
            .iter()
            .any(|candidate| candidate.to_text().as_ref() == text),
        Predicate::Glob(pattern, case) => glob(&fold(pattern, *case), &fold(&text, *case)),
        Predicate::PathPrefix(prefixes) => prefixes.iter().any(|prefix| path_prefix(prefix, &text)),
        Predicate::Regex(pattern) => regex::bytes::Regex::new(pattern)
            .unwrap()
            .is_match(String::from_utf8_lossy(&text).as_bytes()),
    }
}

fn compares(
    value: &Value<'_>,
    compare: Compare,
    needle: &Needle,
    event: &EventContext<'_>,
) -> bool {
    let other = match needle {
        Needle::Integer(number) => Value::Integer(*number, None),
        Needle::Text(text) => Value::borrowed(text),
        Needle::Value(expr) => match expr_values(expr, event) {
            Values::One(other) => {
                return compares_values(value, compare, &other);
            }
            Values::Absent | Values::Many(_) => return false,
        },
    };
    match (needle, value) {
        (Needle::Integer(_), Value::Integer(..)) => compares_values(value, compare, &other),
        (Needle::Integer(_), _) => false,
        _ => relation(compare, value.to_text().as_ref().cmp(&other.to_text())),
    }
}

fn compares_values(value: &Value<'_>, compare: Compare, other: &Value<'_>) -> bool {
    match (value, other) {
        (Value::Integer(one, _), Value::Integer(other, _)) => relation(compare, one.cmp(other)),
        _ => relation(compare, value.to_text().cmp(&other.to_text())),
    }
}

fn relation(compare: Compare, order: std::cmp::Ordering) -> bool {
    match compare {
        Compare::Equal => order.is_eq(),
        Compare::Greater => order.is_gt(),
        Compare::GreaterOrEqual => order.is_ge(),
        Compare::Less => order.is_lt(),
        Compare::LessOrEqual => order.is_le(),
    }
}

fn fold(text: &[u8], case: Case) -> Vec<u8> {
    match case {
        Case::AsciiInsensitive => text.to_ascii_lowercase(),
        Case::Sensitive => text.to_vec(),
    }
}

/// The values of an expression for the event.
pub(crate) fn expr_values<'e>(expr: &Expr, event: &EventContext<'e>) -> Values<'e> {
    match expr {
        Expr::Field(field) => field_values(field, event),
        Expr::Constant(texts) => {
            let owned = |text: &bstr::BString| Value::Text(Cow::Owned(text.to_vec()));
            match texts.as_slice() {
                [text] => Values::One(owned(text)),
                texts => Values::list(texts.iter().map(owned).collect()),
            }
        }
        Expr::Transform(transform, arguments) => {
            let arguments: Vec<_> = arguments
                .iter()
                .map(|argument| expr_values(argument, event))
                .collect();
            if arguments.contains(&Values::Absent) {
                return Values::Absent;
            }
            transformed(*transform, &arguments)
        }
    }
}

/// The values of a field for the event.
pub(crate) fn field_values<'e>(field: &Field, event: &EventContext<'e>) -> Values<'e> {
    if field
        .needs
        .as_ref()
        .is_some_and(|path| places(path, event).is_empty())
    {
        return Values::Absent;
    }
    if let (Some(whole), Read::Part(_, part)) = (field.whole(), field.read) {
        return part(&field_values(&whole, event));
    }
    let found: Vec<Vec<Json<'e>>> = field
        .inputs
        .iter()
        .map(|path| places(path, event))
        .collect();
    match field.read {
        Read::Text { cut_at_nul } => {
            let Some(json) = found.first().and_then(|places| places.first()) else {
                return Values::Absent;
            };
            let mut text = json.text().into_owned();
            if let (true, Some(end)) = (cut_at_nul, text.find_byte(0)) {
                text.truncate(end);
            }
            Values::One(Value::Text(Cow::Owned(text)))
        }
        Read::Part(..) => Values::Absent,
        Read::With(read) => {
            let found: Vec<&[Json<'e>]> = found.iter().map(Vec::as_slice).collect();
            read(&Inputs {
                found: &found,
                argument: field.argument.as_deref(),
                event,
            })
        }
    }
}

/// The places of the event that a path leads to.
fn places<'e>(path: &JsonPath, event: &EventContext<'e>) -> Vec<Json<'e>> {
    let mut places: Vec<Json<'e>> = Json::first_in(event.raw).into_iter().collect();
    for key in &path.keys {
        places = places
            .into_iter()
            .flat_map(|place| step(place, key, path.duplicates))
            .collect();
    }
    places
}

fn step<'e>(place: Json<'e>, key: &str, duplicates: Duplicates) -> Vec<Json<'e>> {
    if place.kind() == JsonKind::Array {
        return place
            .elements()
            .flat_map(|element| step(element, key, duplicates))
            .collect();
    }
    let member = match duplicates {
        Duplicates::First => place.member(key),
        Duplicates::Last => place.last_member(key),
    };
    member.into_iter().collect()
}

fn transformed<'e>(transform: Transform, arguments: &[Values<'_>]) -> Values<'e> {
    let text = |text: Vec<u8>| Value::Text(Cow::Owned(text));
    let each = |change: &dyn Fn(&[u8]) -> Option<Vec<u8>>| {
        let changed = |value: &Value<'_>| change(&value.to_text()).map(text);
        match &arguments[0] {
            Values::Absent => Values::Absent,
            Values::One(value) => changed(value).map_or(Values::Absent, Values::One),
            Values::Many(values) => {
                let changed: Option<Vec<_>> = values.iter().map(changed).collect();
                changed.map_or(Values::Absent, Values::Many)
            }
        }
    };
    let texts = |from: usize| -> Vec<Vec<u8>> {
        let values = arguments
            .get(from..)
            .unwrap_or_default()
            .iter()
            .flat_map(Values::as_slice);
        values.map(|value| value.to_text().into_owned()).collect()
    };
    match transform {
        Transform::Base64 => each(&|text| decode_base64(text)),
        Transform::Basename => {
            each(&|text| text.rsplit(|&byte| byte == b'/').next().map(<[u8]>::to_vec))
        }
        Transform::Concat => Values::One(text(texts(0).concat())),
        Transform::GetOpt => get_opt(arguments),
        Transform::Join if arguments.len() < 2 => Values::Absent,
        Transform::Join => {
            let separator = arguments[0].as_slice()[0].to_text();
            Values::One(text(texts(1).join(separator.as_ref())))
        }
        Transform::LenList => number(arguments[0].as_slice().len()),
        Transform::LenText => number(texts(0).concat().len()),
        Transform::ToLower => each(&|text| Some(text.to_ascii_lowercase())),
        Transform::ToUpper => each(&|text| Some(text.to_ascii_uppercase())),
    }
}

fn number<'e>(number: usize) -> Values<'e> {
    Values::One(Value::Integer(number.try_into().unwrap(), None))
}

fn decode_base64(text: &[u8]) -> Option<Vec<u8>> {
    let config = GeneralPurposeConfig::new();
    let config = config.with_decode_padding_mode(DecodePaddingMode::Indifferent);
    GeneralPurpose::new(&base64::alphabet::STANDARD, config)
        .decode(text)
        .ok()
}

/// The option letters, each followed by its value; with a third argument only that option's last value.
fn get_opt<'e>(arguments: &[Values<'_>]) -> Values<'e> {
    let text = |text: &[u8]| Value::Text(Cow::Owned(text.to_vec()));
    let words: Vec<_> = arguments[0]
        .as_slice()
        .iter()
        .map(|word| word.to_text().into_owned())
        .collect();
    let options = arguments[1].as_slice()[0].to_text().into_owned();
    let found = options_of(&words, &options);
    if let Some(letter) = arguments.get(2) {
        let letter = letter.as_slice()[0].to_text().into_owned();
        let last = found
            .iter()
            .rev()
            .find(|(found, _)| letter.first() == Some(found));
        return last.map_or(Values::Absent, |(_, value)| {
            Values::One(text(value.as_deref().unwrap_or_default()))
        });
    }
    let mut values = Vec::new();
    for (letter, value) in found {
        values.push(text(&[letter]));
        values.extend(value.map(|value| text(&value)));
    }
    Values::list(values)
}

fn options_of(words: &[Vec<u8>], options: &[u8]) -> Vec<(u8, Option<Vec<u8>>)> {
    let mut found = Vec::new();
    let mut words = words.iter();
    while let Some(word) = words.next().filter(|word| word.as_slice() != b"--") {
        let Some(letters) = word.strip_prefix(b"-") else {
            continue;
        };
        for (at, letter) in letters.iter().enumerate() {
            let known = options
                .iter()
                .position(|option| option == letter && *letter != b':');
            let Some(known) = known else { continue };
            if options.get(known + 1) != Some(&b':') {
                found.push((*letter, None));
                continue;
            }
            let rest = &letters[at + 1..];
            let value = if rest.is_empty() {
                words.next().cloned()
            } else {
                Some(rest.to_vec())
            };
            found.push((*letter, value));
            break;
        }
    }
    found
}

/// fnmatch(3) with no flags in the "C" locale.
pub(crate) fn glob(pattern: &[u8], text: &[u8]) -> bool {
    match pattern.split_first() {
        None => text.is_empty(),
        Some((b'*', rest)) => (0..=text.len()).any(|skipped| glob(rest, &text[skipped..])),
        Some((b'?', rest)) => !text.is_empty() && glob(rest, &text[1..]),
        Some((b'[', rest)) => match bracket(rest, text.first().copied()) {
            Some((matched, rest)) => !text.is_empty() && matched && glob(rest, &text[1..]),
            None => text.first() == Some(&b'[') && glob(rest, &text[1..]),
        },
        Some((b'\\', rest)) => match rest.split_first() {
            Some((byte, rest)) => text.first() == Some(byte) && glob(rest, &text[1..]),
            None => false,
        },
        Some((byte, rest)) => text.first() == Some(byte) && glob(rest, &text[1..]),
    }
}

/// Whether the byte is in the bracket, and the pattern behind it; `None` when it is not closed.
fn bracket(pattern: &[u8], byte: Option<u8>) -> Option<(bool, &[u8])> {
    let byte = byte.unwrap_or_default();
    let negated = matches!(pattern.first(), Some(b'!' | b'^'));
    let mut at = usize::from(negated);
    let mut matched = false;
    let mut first = true;
    loop {
        let next = *pattern.get(at)?;
        if next == b']' && !first {
            return Some((matched != negated, &pattern[at + 1..]));
        }
        first = false;
        if let Some(rest) = pattern[at..].strip_prefix(b"[:")
            && let Some(end) = rest.find(b":]")
        {
            matched |= in_class(&rest[..end], byte);
            at += end + 4;
            continue;
        }
        let low = bracket_byte(pattern, &mut at)?;
        let high = match (pattern.get(at), pattern.get(at + 1)) {
            (Some(b'-'), Some(after)) if *after != b']' => {
                at += 1;
                bracket_byte(pattern, &mut at)?
            }
            _ => low,
        };
        matched |= (low..=high).contains(&byte);
    }
}

fn bracket_byte(pattern: &[u8], at: &mut usize) -> Option<u8> {
    if pattern.get(*at) == Some(&b'\\') {
        *at += 1;
    }
    let byte = *pattern.get(*at)?;
    *at += 1;
    Some(byte)
}

fn in_class(name: &[u8], byte: u8) -> bool {
    match name {
        b"alnum" => byte.is_ascii_alphanumeric(),
        b"alpha" => byte.is_ascii_alphabetic(),
        b"blank" => matches!(byte, b' ' | b'\t'),
        b"cntrl" => byte.is_ascii_control(),
        b"digit" => byte.is_ascii_digit(),
        b"graph" => byte.is_ascii_graphic(),
        b"lower" => byte.is_ascii_lowercase(),
        b"print" => byte == b' ' || byte.is_ascii_graphic(),
        b"punct" => byte.is_ascii_punctuation(),
        b"space" => matches!(byte, b' ' | b'\t'..=b'\r'),
        b"upper" => byte.is_ascii_uppercase(),
        b"xdigit" => byte.is_ascii_hexdigit(),
        _ => false,
    }
}

/// Whether the path starts with the components of `prefix`, which may be globs.
fn path_prefix(prefix: &[u8], path: &[u8]) -> bool {
    let parts = |path: &[u8]| -> Vec<Vec<u8>> {
        path.split_str("/")
            .filter(|part| !part.is_empty())
            .map(<[u8]>::to_vec)
            .collect()
    };
    let (prefix, path) = (parts(prefix), parts(path));
    prefix.len() <= path.len()
        && prefix
            .iter()
            .zip(&path)
            .all(|(one, other)| glob(one, other))
}

/// The text of an alert.
pub(crate) fn rendered(template: &Template, event: &EventContext<'_>) -> Vec<u8> {
    let mut out = Vec::new();
    for piece in &template.pieces {
        match piece {
            Piece::Literal(text) => out.extend_from_slice(text.as_bytes()),
            Piece::Value { expr, width } => {
                let mut text = printed(&expr_values(expr, event));
                if let Some(width) = *width {
                    text.resize(width, b' ');
                }
                out.extend_from_slice(&text);
            }
        }
    }
    out
}

/// Values as an alert prints them.
pub(crate) fn printed(values: &Values<'_>) -> Vec<u8> {
    match values {
        Values::Absent => b"<NA>".to_vec(),
        Values::One(value) => value.to_text().into_owned(),
        Values::Many(values) => {
            let mut out = b"(".to_vec();
            for value in values {
                if out.len() > 1 {
                    out.push(b',');
                }
                out.extend_from_slice(&value.to_text());
            }
            out.push(b')');
            out.truncate(1023);
            out
        }
    }
}
