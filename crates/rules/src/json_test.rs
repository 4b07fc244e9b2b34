//! Questions to JSON values as they stand in an event, typed.
//!
//! A [`Test`](crate::Test) asks the texts and numbers that a catalogue's field makes of an event. Where a language has no catalogue and
//! any dotted name is a field, the values themselves are asked: null is not the same as missing, an object is a value, `403` and `"403"`
//! are one text. A value that is an array stands for its members, those of arrays in it included.

mod letters;
mod network;
mod scalar;
mod time_part;

use crate::condition::{Compare, Condition};
use crate::field::Field;
use crate::lookup::Lookup;
use crate::pattern::Pattern;

pub use self::letters::{Letters, fold, fold_char};
pub use self::network::Network;
pub use self::scalar::{number_in, number_of, scalar_text};
pub use self::time_part::{TimePart, time_part};

/// A predicate put to JSON values: true when some value satisfies it.
#[derive(Clone, Debug, PartialEq)]
pub struct JsonTest {
    /// Which values.
    pub subject: Subject,
    /// What is asked of each.
    pub predicate: JsonPredicate,
}

/// Which values of an event, or of an element, are asked.
#[derive(Clone, Debug, PartialEq)]
pub enum Subject {
    /// Those at a dotted name.
    Lookup(Lookup),
    /// Those of a field that is derived from the event, each as a scalar; an absent field is missing. Asked of the event only, never of
    /// an element.
    Field(Field),
    /// Every scalar at any depth.
    AnyScalar,
}

/// A condition put to elements of arrays one by one, each on its own as if it were the event.
#[derive(Clone, Debug, PartialEq)]
pub struct Elements {
    /// Where the arrays stand. A value that is no array is an element itself; null is none.
    pub of: Lookup,
    /// How many elements must satisfy the condition.
    pub quantifier: Quantifier,
    /// The condition; names in it begin at the element, `.` is the element itself.
    pub condition: Box<Condition>,
}

/// How many elements must satisfy a condition.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Quantifier {
    /// At least one.
    Any,
    /// All, and there is one.
    All,
    /// All; also when there is none.
    AllOrEmpty,
    /// None; also when there is none.
    None,
}

/// What is asked of a value. What speaks of a text is false for null and objects and sees numbers and truth values as their
/// [`scalar_text`].
#[derive(Clone, Debug, PartialEq)]
pub enum JsonPredicate {
    /// Nothing: null and an empty array exist, too.
    Exists,
    /// It is anything but null; an empty array has no value.
    HasValue,
    /// It is null, or nothing stands at any place.
    Null,
    /// It is this truth value, or its word in any letter case.
    Bool(bool),
    /// It is this number, or one of these texts.
    Number(f64, Vec<Box<str>>),
    /// Its text is one of these. Folded ones are given folded ([`fold`]).
    OneOf(Vec<Box<str>>, Letters),
    /// Its text matches one of these.
    Like(Vec<Pattern>, Letters),
    /// Some part of its text matches an expression in the syntax of the `regex` crate.
    Regex(String),
    /// It is a text that is an address in one of these networks. IPv4 mapped to IPv6 counts as IPv4.
    Network(Vec<Network>),
    /// It is a number, or the text of one, in this relation.
    Compare(Compare, f64),
    /// It is the text of a point in time (RFC 3339), and this part of it, in UTC, is in this relation.
    TimePart(TimePart, Compare, f64),
    /// Its text is in this relation to the text of some value of another subject.
    Against(Box<Subject>, Relation, Letters),
}

/// How a text stands to another.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[expect(missing_docs, reason = "the words explain themselves")]
pub enum Relation {
    Equals,
    Contains,
    StartsWith,
    EndsWith,
}

impl JsonTest {
    /// Calls `visit` with the lookups that the test makes.
    pub fn for_each_lookup<'c>(&'c self, visit: &mut dyn FnMut(&'c Lookup)) {
        for subject in self.subjects() {
            if let Subject::Lookup(lookup) = subject {
                visit(lookup);
            }
        }
    }

    /// Calls `visit` with the derived fields that the test reads.
    pub fn for_each_field<'c>(&'c self, visit: &mut dyn FnMut(&'c Field)) {
        for subject in self.subjects() {
            if let Subject::Field(field) = subject {
                visit(field);
            }
        }
    }

    fn subjects(&self) -> impl Iterator<Item = &Subject> {
        let other = match &self.predicate {
            JsonPredicate::Against(other, ..) => Some(&**other),
            _ => None,
        };
        std::iter::once(&self.subject).chain(other)
    }
}
