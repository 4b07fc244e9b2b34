//! Predicates, compiled: what is asked of one value.

use bstr::{BString, ByteSlice};
use hashbrown::HashSet;
use kubevigil_rules::condition::Case;
use kubevigil_rules::{Compare, Value};
use memchr::memmem::Finder;
use regex::bytes::Regex;

use crate::glob::Glob;
use crate::path_prefix::PathPrefixes;

/// A predicate that needs nothing but the value.
#[derive(Clone, Debug)]
pub(crate) enum Check {
    Contains(Box<Finder<'static>>),
    ContainsFolded(BString),
    EndsWith(BString, Case),
    Equals(BString),
    Exists,
    Glob(Glob),
    Number(Compare, i128),
    OneOf(TextSet),
    Order(Compare, BString),
    PathPrefix(PathPrefixes),
    Regex(Box<Regex>),
    StartsWith(BString, Case),
}

/// A set of texts: searched one by one when it is small, hashed when it is not.
#[derive(Clone, Debug)]
pub(crate) enum TextSet {
    Few(Vec<BString>),
    Many(HashSet<BString>),
}

impl Check {
    /// Whether a value satisfies the predicate.
    pub(crate) fn holds_for(&self, value: &Value<'_>) -> bool {
        match (self, value) {
            (Self::Number(compare, expected), Value::Integer(actual, _)) => {
                compare_holds(*compare, actual, expected)
            }
            (Self::Number(..), _) => false,
            (_, Value::Text(text)) => self.holds_for_text(text),
            _ => self.holds_for_text(&value.to_text()),
        }
    }

    /// Whether a text satisfies the predicate.
    pub(crate) fn holds_for_text(&self, text: &[u8]) -> bool {
        match self {
            Self::Contains(finder) => finder.find(text).is_some(),
            Self::ContainsFolded(needle) => contains_folded(text, needle),
            Self::EndsWith(needle, case) => ends_with(text, needle, *case),
            Self::Equals(expected) => text == expected.as_slice(),
            Self::Exists => true,
            Self::Glob(glob) => glob.matches(text),
            Self::Number(..) => false,
            Self::OneOf(set) => set.contains(text),
            Self::Order(compare, expected) => compare_holds(*compare, &text, &expected.as_slice()),
            Self::PathPrefix(prefixes) => prefixes.matches(text),
            Self::Regex(regex) => regex.is_match(text.to_str_lossy().as_bytes()),
            Self::StartsWith(needle, case) => starts_with(text, needle, *case),
        }
    }
}

impl TextSet {
    /// Up to this many texts a scan beats a hash.
    const FEW: usize = 8;

    pub(crate) fn new(texts: &[BString]) -> Self {
        if texts.len() <= Self::FEW {
            Self::Few(texts.to_vec())
        } else {
            Self::Many(texts.iter().cloned().collect())
        }
    }

    fn contains(&self, text: &[u8]) -> bool {
        match self {
            Self::Few(texts) => texts.iter().any(|candidate| candidate.as_slice() == text),
            Self::Many(texts) => texts.contains(text.as_bstr()),
        }
    }
}

/// Whether `value RELATION other` holds.
pub(crate) fn compare_holds<T: PartialOrd>(compare: Compare, value: &T, other: &T) -> bool {
    match compare {
        Compare::Equal => value == other,
        Compare::Greater => value > other,
        Compare::GreaterOrEqual => value >= other,
        Compare::Less => value < other,
        Compare::LessOrEqual => value <= other,
    }
}

/// Whether the text starts with the needle.
pub(crate) fn starts_with(text: &[u8], needle: &[u8], case: Case) -> bool {
    text.get(..needle.len())
        .is_some_and(|start| equal(start, needle, case))
}

/// Whether the text ends with the needle.
pub(crate) fn ends_with(text: &[u8], needle: &[u8], case: Case) -> bool {
    let start = text.len().checked_sub(needle.len());
    start
        .and_then(|start| text.get(start..))
        .is_some_and(|end| equal(end, needle, case))
}

/// Whether the text contains the needle, ASCII letters in either case.
pub(crate) fn contains_folded(text: &[u8], needle: &[u8]) -> bool {
    needle.is_empty()
        || text
            .windows(needle.len())
            .any(|window| window.eq_ignore_ascii_case(needle))
}

fn equal(one: &[u8], other: &[u8], case: Case) -> bool {
    match case {
        Case::AsciiInsensitive => one.eq_ignore_ascii_case(other),
        Case::Sensitive => one == other,
    }
}
