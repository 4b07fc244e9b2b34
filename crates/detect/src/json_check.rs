//! Predicates on JSON values, compiled.

use std::borrow::Cow;
use std::net::IpAddr;

use bstr::ByteSlice as _;
use hashbrown::HashSet;
use kubevigil_audit::json::{Json, JsonKind};
use kubevigil_rules::json_test::{
    JsonPredicate, Letters, Network, TimePart, fold, number_in, number_of, scalar_text, time_part,
};
use kubevigil_rules::pattern::{self, Pattern};
use kubevigil_rules::{Compare, Value};
use memchr::memmem::Finder;
use regex::bytes::{Regex, RegexBuilder};

use crate::check::compare_holds;

/// A predicate that needs nothing but the value, which is no array.
#[derive(Clone, Debug)]
pub(crate) enum JsonCheck {
    Bool(bool),
    Compare(Compare, f64),
    HasValue,
    Network(Vec<Network>),
    Number(f64, Vec<Box<str>>),
    OneOf(Texts),
    Parts(Vec<Part>, Letters),
    Regex(Box<Regex>),
    TimePart(TimePart, Compare, f64),
}

/// A pattern without wildcards inside.
#[derive(Clone, Debug)]
pub(crate) enum Part {
    Contains(Box<Finder<'static>>),
    EndsWith(Box<[u8]>),
    Equals(Box<[u8]>),
    StartsWith(Box<[u8]>),
}

/// A set of texts: searched one by one when it is small, hashed when it is not.
#[derive(Clone, Debug)]
pub(crate) struct Texts {
    few: Vec<Box<str>>,
    many: HashSet<Box<[u8]>>,
    letters: Letters,
}

impl JsonCheck {
    /// Compiles a predicate; `None` for those that need more than a value.
    pub(crate) fn new(predicate: &JsonPredicate) -> Result<Option<Self>, String> {
        Ok(Some(match predicate {
            JsonPredicate::Exists | JsonPredicate::Null | JsonPredicate::Against(..) => {
                return Ok(None);
            }
            JsonPredicate::Bool(wanted) => Self::Bool(*wanted),
            JsonPredicate::Compare(compare, number) => Self::Compare(*compare, *number),
            JsonPredicate::HasValue => Self::HasValue,
            JsonPredicate::Like(patterns, letters) => match Part::all(patterns, *letters) {
                Some(parts) => Self::Parts(parts, *letters),
                None => Self::Regex(Box::new(regex(&pattern::any_of(patterns, *letters))?)),
            },
            JsonPredicate::Network(networks) => Self::Network(networks.clone()),
            JsonPredicate::Number(number, texts) => Self::Number(*number, texts.clone()),
            JsonPredicate::OneOf(texts, letters) => Self::OneOf(Texts::new(texts, *letters)),
            JsonPredicate::Regex(text) => Self::Regex(Box::new(regex(text)?)),
            JsonPredicate::TimePart(part, compare, number) => {
                Self::TimePart(*part, *compare, *number)
            }
        }))
    }

    /// Whether a value that is no array satisfies the predicate.
    pub(crate) fn holds_for(&self, value: Json<'_>) -> bool {
        match self {
            Self::Bool(wanted) => is_bool(value, *wanted),
            Self::Compare(compare, number) => {
                number_of(value).is_some_and(|value| compare_holds(*compare, &value, number))
            }
            Self::HasValue => value.kind() != JsonKind::Null,
            Self::Network(networks) => address(value)
                .is_some_and(|address| networks.iter().any(|network| network.contains(address))),
            Self::Number(number, texts) => is_number(value, *number, texts),
            Self::OneOf(texts) => scalar_text(value).is_some_and(|text| texts.contain(&text)),
            Self::Parts(parts, letters) => scalar_text(value)
                .is_some_and(|text| Part::any(parts, &in_letters(&text, *letters))),
            Self::Regex(regex) => scalar_text(value).is_some_and(|text| regex.is_match(&text)),
            Self::TimePart(part, compare, number) => value
                .string()
                .and_then(|text| time_part(&text, *part))
                .is_some_and(|value| compare_holds(*compare, &value, number)),
        }
    }
}

impl JsonCheck {
    /// Whether a value of a field satisfies the predicate, as the JSON scalar that it would be written as.
    pub(crate) fn holds_for_value(&self, value: &Value<'_>) -> bool {
        match self {
            Self::Bool(wanted) => match value {
                Value::Bool(value) => value == wanted,
                Value::Integer(..) => false,
                Value::Text(text) => *fold(text) == *bool_word(*wanted),
            },
            Self::Compare(compare, number) => {
                number_of_value(value).is_some_and(|value| compare_holds(*compare, &value, number))
            }
            Self::HasValue => true,
            Self::Network(networks) => value_text(value)
                .and_then(address_in)
                .is_some_and(|address| networks.iter().any(|network| network.contains(address))),
            Self::Number(number, texts) => match value {
                Value::Bool(_) => false,
                Value::Integer(..) => number_of_value(value) == Some(*number),
                Value::Text(text) => texts.iter().any(|other| **text == *other.as_bytes()),
            },
            Self::OneOf(texts) => texts.contain(&value.to_text()),
            Self::Parts(parts, letters) => {
                Part::any(parts, &in_letters(&value.to_text(), *letters))
            }
            Self::Regex(regex) => regex.is_match(&value.to_text()),
            Self::TimePart(part, compare, number) => value_text(value)
                .and_then(|text| time_part(text, *part))
                .is_some_and(|value| compare_holds(*compare, &value, number)),
        }
    }
}

fn value_text<'v>(value: &'v Value<'_>) -> Option<&'v [u8]> {
    match value {
        Value::Text(text) => Some(text),
        Value::Bool(_) | Value::Integer(..) => None,
    }
}

fn number_of_value(value: &Value<'_>) -> Option<f64> {
    match value {
        Value::Bool(_) => None,
        Value::Integer(..) | Value::Text(_) => number_in(&value.to_text()),
    }
}

impl Part {
    /// Up to this many parts are looked for one by one; an expression for more of them is faster, but takes some ten kilobytes.
    const FEW: usize = 12;

    fn all(patterns: &[Pattern], letters: Letters) -> Option<Vec<Self>> {
        let few = patterns.len() <= Self::FEW;
        let parts = patterns.iter().take_while(|_| few);
        let parts: Vec<Self> = parts
            .map(|pattern| Self::new(pattern, letters))
            .collect::<Option<_>>()?;
        few.then_some(parts)
    }

    fn new(pattern: &Pattern, letters: Letters) -> Option<Self> {
        let (front, text, back) = pattern.as_part()?;
        let text: Box<[u8]> = in_letters(text.as_bytes(), letters).into();
        Some(match (front, back) {
            (true, true) => Self::Contains(Box::new(Finder::new(&text).into_owned())),
            (true, false) => Self::EndsWith(text),
            (false, true) => Self::StartsWith(text),
            (false, false) => Self::Equals(text),
        })
    }

    fn any(parts: &[Self], text: &[u8]) -> bool {
        parts.iter().any(|part| match part {
            Self::Contains(finder) => finder.find(text).is_some(),
            Self::EndsWith(end) => text.ends_with(end),
            Self::Equals(whole) => text == &**whole,
            Self::StartsWith(start) => text.starts_with(start),
        })
    }
}

fn in_letters(text: &[u8], letters: Letters) -> Cow<'_, [u8]> {
    match letters {
        Letters::Exact => Cow::Borrowed(text),
        Letters::Folded => fold(text),
    }
}

impl Texts {
    /// Up to this many texts a scan beats a hash.
    const FEW: usize = 8;

    fn new(texts: &[Box<str>], letters: Letters) -> Self {
        let hashed = texts.len() > Self::FEW;
        let many = texts
            .iter()
            .filter(|_| hashed)
            .map(|text| Box::from(text.as_bytes()));
        Self {
            few: if hashed { Vec::new() } else { texts.to_vec() },
            many: many.collect(),
            letters,
        }
    }

    fn contain(&self, text: &[u8]) -> bool {
        let text = match self.letters {
            Letters::Exact => Cow::Borrowed(text),
            // What is ASCII can be compared as it stands.
            Letters::Folded if self.many.is_empty() && text.is_ascii() => {
                let mut few = self.few.iter();
                return few.any(|other| text.eq_ignore_ascii_case(other.as_bytes()));
            }
            Letters::Folded => fold(text),
        };
        self.few.iter().any(|other| *text == *other.as_bytes()) || self.many.contains(&*text)
    }
}

fn bool_word(wanted: bool) -> &'static [u8] {
    if wanted { b"true" } else { b"false" }
}

fn is_bool(value: Json<'_>, wanted: bool) -> bool {
    let word = bool_word(wanted);
    match value.kind() {
        JsonKind::Bool => value.raw() == word,
        JsonKind::String => value.string().is_some_and(|text| fold(&text) == word),
        _ => false,
    }
}

fn is_number(value: Json<'_>, number: f64, texts: &[Box<str>]) -> bool {
    match value.kind() {
        JsonKind::Number => number_of(value) == Some(number),
        JsonKind::String => value
            .string()
            .is_some_and(|text| texts.iter().any(|other| *text == *other.as_bytes())),
        _ => false,
    }
}

fn address(value: Json<'_>) -> Option<IpAddr> {
    address_in(&value.string()?)
}

fn address_in(text: &[u8]) -> Option<IpAddr> {
    text.to_str().ok()?.parse().ok()
}

/// The longest patterns are lists of several hundred texts; folding multiplies their size.
const MAX_REGEX: usize = 64 << 20;

fn regex(text: &str) -> Result<Regex, String> {
    RegexBuilder::new(text)
        .size_limit(MAX_REGEX)
        .build()
        .map_err(|error| format!("the pattern `{text}` does not compile: {error}"))
}
