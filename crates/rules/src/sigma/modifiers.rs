//! The words behind a field's name.

use std::ops::Range;

use kubevigil_yaml::Node;

use crate::condition::Compare;
use crate::json_test::{Relation, TimePart};
use crate::sigma::codes;
use crate::sigma::problems::Problems;

/// A word that changes what is asked.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Modifier {
    All,
    Base64,
    Base64Offset,
    Cased,
    Cidr,
    Compare(Compare),
    Exists,
    Expand,
    FieldRef,
    Neq,
    Re,
    /// A flag of a regular expression, by its letter.
    ReFlag(char),
    Text(Relation),
    Time(TimePart),
    Utf16,
    Utf16Be,
    Wide,
    WinDash,
}

const MODIFIERS: [(&str, Modifier); 35] = [
    ("all", Modifier::All),
    ("base64", Modifier::Base64),
    ("base64offset", Modifier::Base64Offset),
    ("cased", Modifier::Cased),
    ("cidr", Modifier::Cidr),
    ("contains", Modifier::Text(Relation::Contains)),
    ("day", Modifier::Time(TimePart::Day)),
    ("dotall", Modifier::ReFlag('s')),
    ("endswith", Modifier::Text(Relation::EndsWith)),
    ("exists", Modifier::Exists),
    ("expand", Modifier::Expand),
    ("fieldref", Modifier::FieldRef),
    ("gt", Modifier::Compare(Compare::Greater)),
    ("gte", Modifier::Compare(Compare::GreaterOrEqual)),
    ("hour", Modifier::Time(TimePart::Hour)),
    ("i", Modifier::ReFlag('i')),
    ("ignorecase", Modifier::ReFlag('i')),
    ("lt", Modifier::Compare(Compare::Less)),
    ("lte", Modifier::Compare(Compare::LessOrEqual)),
    ("m", Modifier::ReFlag('m')),
    ("minute", Modifier::Time(TimePart::Minute)),
    ("month", Modifier::Time(TimePart::Month)),
    ("multiline", Modifier::ReFlag('m')),
    ("neq", Modifier::Neq),
    ("re", Modifier::Re),
    ("s", Modifier::ReFlag('s')),
    ("startswith", Modifier::Text(Relation::StartsWith)),
    ("utf16", Modifier::Utf16),
    ("utf16be", Modifier::Utf16Be),
    ("utf16le", Modifier::Wide),
    ("week", Modifier::Time(TimePart::Week)),
    ("wide", Modifier::Wide),
    ("windash", Modifier::WinDash),
    ("year", Modifier::Time(TimePart::Year)),
    // Not a word of the language, but a frequent slip that is worth the right advice.
    ("equals", Modifier::Text(Relation::Equals)),
];

/// A modifier where it is written.
#[derive(Clone, Debug)]
pub(super) struct Written {
    pub(super) modifier: Modifier,
    pub(super) word: String,
    pub(super) span: Range<usize>,
}

/// What stands before a colon in a selection.
#[derive(Clone, Debug)]
pub(super) struct Key {
    /// The name; empty for keywords.
    pub(super) field: String,
    /// Whether every value must match, not just one.
    pub(super) all: bool,
    /// Whether the answer is turned around.
    pub(super) negated: bool,
    /// The other modifiers, in order.
    pub(super) chain: Vec<Written>,
    pub(super) span: Range<usize>,
}

impl Key {
    /// Reads a key; all unknown modifiers are noted.
    pub(super) fn read(node: &Node, problems: &mut Problems) -> Option<Self> {
        let Some(text) = node.text() else {
            return problems.error(
                codes::STRUCTURE,
                node.span.clone(),
                "a field name must be a text",
            );
        };
        let mut words = text.split('|');
        let field = words.next().unwrap_or_default().to_owned();
        let mut key = Self {
            field,
            all: false,
            negated: false,
            chain: Vec::new(),
            span: node.span.clone(),
        };
        let mut at = key.field.len();
        let mut known = true;
        for word in words {
            let start = at + 1;
            at = start + word.len();
            let source = problems.source.text.as_str();
            let span = node.source_offset(source, start)..node.source_offset(source, at);
            match modifier(word) {
                Some(Modifier::All) => key.all = true,
                Some(Modifier::Neq) => key.negated = true,
                Some(modifier) => key.chain.push(Written {
                    modifier,
                    word: word.to_owned(),
                    span,
                }),
                None => known = unknown(word, span, problems),
            }
        }
        known.then_some(key)
    }

    /// Whether the modifier stands in the chain.
    pub(super) fn has(&self, modifier: Modifier) -> bool {
        self.chain
            .iter()
            .any(|written| written.modifier == modifier)
    }

    /// The first modifier of the chain that is not among those allowed.
    pub(super) fn first_not(&self, allowed: impl Fn(Modifier) -> bool) -> Option<&Written> {
        self.chain.iter().find(|written| !allowed(written.modifier))
    }
}

fn modifier(word: &str) -> Option<Modifier> {
    let mut known = MODIFIERS.iter().filter(|(name, _)| *name != "equals");
    known
        .find(|(name, _)| *name == word)
        .map(|(_, modifier)| *modifier)
}

fn unknown(word: &str, span: Range<usize>, problems: &mut Problems) -> bool {
    let message = format!("unknown modifier `{word}`");
    if word == "equals" {
        let help = "leave the modifier out: values are compared as a whole anyway";
        problems.error_with_help::<()>(codes::MODIFIER, span, message, help);
    } else {
        let names = MODIFIERS.iter().map(|(name, _)| *name);
        problems.unknown::<()>(codes::MODIFIER, span, message, word, names);
    }
    false
}
