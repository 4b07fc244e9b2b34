//! What the matcher finds.

use std::sync::Arc;

use kubevigil_audit::time::Timestamp;
use kubevigil_rules::{Rule, Value, Values};

/// A rule that holds for an event, with its output rendered.
#[derive(Clone, Debug)]
pub struct Detection {
    /// The rule.
    pub rule: Arc<Rule>,
    /// The rule's position in [`Matcher::rules`](crate::Matcher::rules).
    pub rule_number: usize,
    /// When the event happened.
    pub time: Timestamp,
    /// The rule's output with the event's values in it. Bytes, because values may be any bytes; written by attackers in
    /// part, so escape it for wherever it is shown.
    pub message: Vec<u8>,
    /// The values of the output's fields, sorted by the fields' names.
    pub fields: Vec<(Arc<str>, FieldValue)>,
}

/// The value of a field, apart from its event.
#[derive(Clone, Debug, PartialEq)]
pub enum FieldValue {
    /// The field yields nothing for the event.
    Absent,
    /// A truth value.
    Bool(bool),
    /// A whole number; times are nanoseconds since the Unix epoch.
    Integer(i128),
    /// A list of texts.
    List(Vec<Vec<u8>>),
    /// A text.
    Text(Vec<u8>),
}

impl From<&Values<'_>> for FieldValue {
    fn from(values: &Values<'_>) -> Self {
        match values {
            Values::Absent => Self::Absent,
            Values::Many(values) => Self::List(bounded(values)),
            Values::One(Value::Bool(truth)) => Self::Bool(*truth),
            Values::One(Value::Integer(number, _)) => Self::Integer(*number),
            Values::One(Value::Text(text)) => Self::Text(text.to_vec()),
        }
    }
}

impl FieldValue {
    /// Appends the value as it is printed: `<NA>` when absent, a list as `(a,b)`.
    pub(crate) fn append_to(&self, text: &mut Vec<u8>) {
        match self {
            Self::Absent => text.extend_from_slice(b"<NA>"),
            Self::Bool(truth) => text.extend_from_slice(if *truth { b"true" } else { b"false" }),
            Self::Integer(number) => text.extend_from_slice(number.to_string().as_bytes()),
            Self::Text(value) => text.extend_from_slice(value),
            Self::List(values) => {
                text.push(b'(');
                text.extend_from_slice(&values.join(&b','));
                text.push(b')');
            }
        }
    }
}

/// The texts of a list, as far as they fit into [`MAX_LIST_BYTES`].
fn bounded(values: &[Value<'_>]) -> Vec<Vec<u8>> {
    let mut bytes = 0;
    let texts = values.iter().map(|value| value.to_text().into_owned());
    let fitting = texts.take_while(|text| {
        bytes += text.len() + size_of::<Vec<u8>>();
        bytes <= MAX_LIST_BYTES
    });
    fitting.collect()
}

/// The most memory that one list of an alert takes: more than an alert is allowed to carry, so that only hostile lists are cut,
/// and whoever writes the alert still sees that there was too much.
const MAX_LIST_BYTES: usize = 8 << 20;
