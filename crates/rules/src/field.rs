//! Fields: what rules can ask an event for.
//!
//! A catalogue entry is the only place that knows a field. It names the JSON paths that the field reads and the
//! pure function from what stands there to values, so the matcher needs no knowledge of any field: it collects the
//! paths of all loaded rules in one trie, fills them in one pass over the event's bytes, and calls the function of
//! the fields that a test reaches.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

pub use kubevigil_audit::json::Duplicates;
use kubevigil_audit::json::Json;
use kubevigil_audit::time::Timestamp;

/// A field as a rule uses it: a catalogue entry with its argument filled in.
///
/// Two fields are equal when their names are, so one catalogue must give one meaning to a name.
#[derive(Clone)]
pub struct Field {
    /// The spelling in alerts, argument included: `ka.uri.param[limit]`.
    pub name: Arc<str>,
    /// The type, known before any event is seen.
    pub kind: Kind,
    /// The JSON paths that `read` gets, in its order.
    pub inputs: Arc<[JsonPath]>,
    /// How the inputs become values.
    pub read: Read,
    /// The argument between brackets, quotes dropped. For a field without one, a constant that `read` needs: the
    /// host name, the value of a static field.
    pub argument: Option<Arc<str>>,
    /// A path that must lead somewhere, or the field is absent whatever `inputs` hold. Falco's `ka.*` fields need
    /// `auditID`; asking once here is cheaper than in every `read`.
    pub needs: Option<JsonPath>,
}

/// What type the values of a field have.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Kind {
    /// One truth value.
    Bool,
    /// One whole number.
    Integer,
    /// One text.
    Text,
    /// Several texts.
    TextList,
    /// One point in time. Rules compare its text, which looks as its field says; in JSON it is the number of
    /// nanoseconds since the Unix epoch.
    Time,
}

/// The way from the root of an event to a value: object keys only.
///
/// A step that meets an array takes it element by element, so a path can lead to several places.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct JsonPath {
    /// The keys, outermost first; empty for the whole event.
    pub keys: Box<[Box<str>]>,
    /// Which of several equal keys in one object counts.
    pub duplicates: Duplicates,
    /// How many bytes at the beginning of the text that stands there are enough to know what is read; `None` when all are needed.
    pub beginning: Option<usize>,
}

/// How the inputs of a field become its values.
#[derive(Clone, Copy)]
pub enum Read {
    /// The text of the only input: a string's content, for anything else its compact JSON; of several places the
    /// first. The matcher has a fast path for it. `cut_at_nul` ends a string at an embedded NUL character.
    Text {
        /// Whether a NUL character ends the text.
        cut_at_nul: bool,
    },
    /// A function of the catalogue.
    With(ReadFn),
    /// A part of what several fields with the same inputs share: it is found once an event.
    Part(&'static Whole, PartFn),
}

/// What several fields are parts of.
pub struct Whole {
    /// A name that no field has.
    pub name: &'static str,
    /// What finds it.
    pub read: ReadFn,
}

/// From the whole to a field's values. Pure and total.
pub type PartFn = for<'e> fn(&Values<'e>) -> Values<'e>;

/// The function of a catalogue entry: from what stands at the inputs to values. Pure and total: whatever the event
/// holds, it returns, in time proportional to the inputs.
pub type ReadFn = for<'e> fn(&Inputs<'_, 'e>) -> Values<'e>;

/// What a [`ReadFn`] gets to see.
pub struct Inputs<'i, 'e> {
    /// For each of the field's paths the places it leads to, in document order: none when it is absent, several when
    /// it passes through arrays.
    pub found: &'i [&'i [Json<'e>]],
    /// The field's argument.
    pub argument: Option<&'i str>,
    /// The event as such.
    pub event: &'i EventContext<'e>,
}

/// What is known about an event besides its JSON paths.
#[derive(Clone, Copy, Debug)]
pub struct EventContext<'e> {
    /// The event's bytes: one JSON object.
    pub raw: &'e [u8],
    /// Its place in the stream, counted from 1.
    pub number: u64,
    /// When it happened (the stage timestamp).
    pub time: Timestamp,
    /// The time of the stream's first event.
    pub first_time: Timestamp,
}

/// The values of a field for one event.
#[derive(Clone, Debug, PartialEq)]
pub enum Values<'e> {
    /// The field yields nothing for this event.
    Absent,
    /// A field of one value.
    One(Value<'e>),
    /// A list. Never empty: an empty list is [`Values::Absent`]; see [`Values::list`].
    Many(Vec<Value<'e>>),
}

/// One value.
#[derive(Clone, Debug, PartialEq)]
pub enum Value<'e> {
    /// A truth value.
    Bool(bool),
    /// A whole number, and how it is printed when that is not in decimal (times, padded fractions).
    Integer(i128, Option<String>),
    /// Any bytes; usually UTF-8.
    Text(Cow<'e, [u8]>),
}

impl JsonPath {
    /// A path on which the first of equal keys counts.
    pub fn first(keys: &[&str]) -> Self {
        Self::new(keys, Duplicates::First)
    }

    /// A path on which the last of equal keys counts.
    pub fn last(keys: &[&str]) -> Self {
        Self::new(keys, Duplicates::Last)
    }

    fn new(keys: &[&str], duplicates: Duplicates) -> Self {
        Self {
            keys: keys.iter().map(|&key| key.into()).collect(),
            duplicates,
            beginning: None,
        }
    }
}

impl<'e> Inputs<'_, 'e> {
    /// The places of the input at `position`; none when there is no such input.
    pub fn places(&self, position: usize) -> &[Json<'e>] {
        self.found.get(position).copied().unwrap_or_default()
    }

    /// The first place of the input at `position`.
    pub fn first(&self, position: usize) -> Option<Json<'e>> {
        self.places(position).first().copied()
    }
}

impl<'e> Values<'e> {
    /// A list, absent when it is empty.
    pub fn list(values: Vec<Value<'e>>) -> Self {
        if values.is_empty() {
            Self::Absent
        } else {
            Self::Many(values)
        }
    }

    /// One text, absent when there is none.
    pub fn text(text: Option<Cow<'e, [u8]>>) -> Self {
        text.map_or(Self::Absent, |text| Self::One(Value::Text(text)))
    }

    /// The values one by one.
    pub fn as_slice(&self) -> &[Value<'e>] {
        match self {
            Self::Absent => &[],
            Self::One(value) => std::slice::from_ref(value),
            Self::Many(values) => values,
        }
    }
}

impl<'e> Value<'e> {
    /// A text value that borrows from the event.
    pub fn borrowed(text: &'e [u8]) -> Self {
        Self::Text(Cow::Borrowed(text))
    }

    /// The value as text, the way it is printed.
    pub fn to_text(&self) -> Cow<'_, [u8]> {
        match self {
            Self::Bool(true) => Cow::Borrowed(b"true"),
            Self::Bool(false) => Cow::Borrowed(b"false"),
            Self::Integer(_, Some(printed)) => Cow::Borrowed(printed.as_bytes()),
            Self::Integer(number, None) => Cow::Owned(number.to_string().into_bytes()),
            Self::Text(text) => Cow::Borrowed(text),
        }
    }
}

impl PartialEq for Field {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Field {
    /// What the field is a part of, as a field with the same inputs.
    pub fn whole(&self) -> Option<Self> {
        let Read::Part(whole, _) = self.read else {
            return None;
        };
        Some(Self {
            name: whole.name.into(),
            read: Read::With(whole.read),
            ..self.clone()
        })
    }
}

impl fmt::Debug for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.name)
    }
}
