//! Transformations of values.
//!
//! Each takes its arguments' values and is absent when one of them is absent or cannot be transformed.

use std::borrow::Cow;
use std::rc::Rc;

use base64::Engine as _;
use base64::alphabet;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use kubevigil_rules::{Transform, Value, Values};

/// RFC 4648's alphabet, padding optional.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Applies a transformation.
pub(crate) fn apply<'e>(transform: Transform, arguments: &[Rc<Values<'_>>]) -> Values<'e> {
    let first = arguments.first().map_or(&Values::Absent, |first| &**first);
    match transform {
        Transform::Base64 => each_text(first, |text| BASE64.decode(text).ok()),
        Transform::Basename => each_text(first, |text| {
            let start = memchr::memrchr(b'/', text).map_or(0, |at| at + 1);
            text.get(start..).map(<[u8]>::to_vec)
        }),
        Transform::Concat => concat(arguments),
        Transform::GetOpt => get_opt(arguments),
        Transform::Join => join(arguments),
        Transform::LenList => number(first, |values| values.len()),
        Transform::LenText => number(first, |values| {
            values.iter().map(|value| value.to_text().len()).sum()
        }),
        Transform::ToLower => each_text(first, |text| Some(text.to_ascii_lowercase())),
        Transform::ToUpper => each_text(first, |text| Some(text.to_ascii_uppercase())),
    }
}

/// Each value changed; absent as soon as one cannot be.
fn each_text<'e>(values: &Values<'_>, change: impl Fn(&[u8]) -> Option<Vec<u8>>) -> Values<'e> {
    let changed =
        |value: &Value<'_>| change(&value.to_text()).map(|text| Value::Text(Cow::Owned(text)));
    match values {
        Values::Absent => Values::Absent,
        Values::One(value) => changed(value).map_or(Values::Absent, Values::One),
        Values::Many(values) => {
            let changed: Option<Vec<_>> = values.iter().map(changed).collect();
            changed.map_or(Values::Absent, Values::Many)
        }
    }
}

fn number<'e>(values: &Values<'_>, count: impl Fn(&[Value<'_>]) -> usize) -> Values<'e> {
    if matches!(values, Values::Absent) {
        return Values::Absent;
    }
    let count = i128::try_from(count(values.as_slice())).unwrap_or(i128::MAX);
    Values::One(Value::Integer(count, None))
}

fn concat<'e>(arguments: &[Rc<Values<'_>>]) -> Values<'e> {
    let mut joined = Vec::new();
    for argument in arguments {
        let Some(value) = argument.as_slice().first() else {
            return Values::Absent;
        };
        joined.extend_from_slice(&value.to_text());
    }
    Values::text(Some(Cow::Owned(joined)))
}

/// `join(separator, a, b, ...)`: the values of all arguments behind the separator.
fn join<'e>(arguments: &[Rc<Values<'_>>]) -> Values<'e> {
    let Some((separator, lists)) = arguments.split_first() else {
        return Values::Absent;
    };
    let Some(separator) = separator.as_slice().first() else {
        return Values::Absent;
    };
    if lists.is_empty() || lists.iter().any(|list| matches!(**list, Values::Absent)) {
        return Values::Absent;
    }
    let texts: Vec<_> = lists
        .iter()
        .flat_map(|list| list.as_slice())
        .map(Value::to_text)
        .collect();
    Values::text(Some(Cow::Owned(texts.join(separator.to_text().as_ref()))))
}

/// `getopt(arguments, options[, letter])`: the letters found, each followed by its value if it takes one; with a letter,
/// only that option's last value.
fn get_opt<'e>(arguments: &[Rc<Values<'_>>]) -> Values<'e> {
    let (Some(list), Some(options)) = (
        arguments.first(),
        arguments.get(1).and_then(|o| o.as_slice().first()),
    ) else {
        return Values::Absent;
    };
    let texts: Vec<Vec<u8>> = list
        .as_slice()
        .iter()
        .map(|value| value.to_text().into_owned())
        .collect();
    let found = options_in(&texts, &options.to_text());
    let Some(letter) = arguments
        .get(2)
        .and_then(|letter| letter.as_slice().first())
    else {
        let values = found
            .into_iter()
            .flat_map(|(letter, value)| std::iter::once(vec![letter]).chain(value));
        return Values::list(values.map(|value| Value::Text(Cow::Owned(value))).collect());
    };
    let letter = letter.to_text().first().copied();
    let value = found
        .into_iter()
        .rev()
        .find(|&(found, _)| Some(found) == letter)
        .map(|(_, value)| value);
    Values::text(value.map(|value| Cow::Owned(value.unwrap_or_default())))
}

/// The options of an argument vector: letter and value.
fn options_in(arguments: &[Vec<u8>], options: &[u8]) -> Vec<(u8, Option<Vec<u8>>)> {
    let mut found = Vec::new();
    let mut rest = arguments.iter();
    while let Some(argument) = rest.next() {
        if argument.as_slice() == b"--" {
            break;
        }
        let Some((b'-', mut letters)) = argument.split_first() else {
            continue;
        };
        while let Some((&letter, after)) = letters.split_first() {
            letters = after;
            let Some(takes_value) = takes_value(letter, options) else {
                continue;
            };
            let value = match (takes_value, after.is_empty()) {
                (false, _) => None,
                (true, false) => Some(std::mem::take(&mut letters).to_vec()),
                (true, true) => rest.next().cloned(),
            };
            found.push((letter, value));
        }
    }
    found
}

/// Whether the option takes a value; `None` when the option string does not name it.
fn takes_value(letter: u8, options: &[u8]) -> Option<bool> {
    let at = options
        .iter()
        .position(|&option| option == letter && letter != b':')?;
    Some(options.get(at + 1) == Some(&b':'))
}
