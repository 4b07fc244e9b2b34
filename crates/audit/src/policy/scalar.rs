//! What a YAML scalar is to the API server: YAML 1.1 with JSON's types.
//!
//! The server turns a policy into JSON before it decodes it, so an unquoted `no` is a truth value and an unquoted `123` a number, and
//! where a text is wanted either stops it (spec 3.2).

use kubevigil_yaml::{Kind, Node, Resolved, Style};

/// The JSON type of a node.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum JsonType {
    Null,
    Bool(bool),
    Number,
    Text,
    List,
    Object,
}

impl JsonType {
    pub(super) fn of(node: &Node) -> Self {
        match &node.kind {
            Kind::Sequence(_) => Self::List,
            Kind::Mapping(_) => Self::Object,
            Kind::Scalar { text, style } => match style {
                Style::Plain => Self::plain(text),
                Style::SingleQuoted | Style::DoubleQuoted | Style::Literal | Style::Folded => {
                    Self::Text
                }
            },
        }
    }

    fn plain(text: &str) -> Self {
        match Resolved::plain(text) {
            Resolved::Null => Self::Null,
            Resolved::Bool(truth) => Self::Bool(truth),
            Resolved::Integer(_) | Resolved::Float(_) => Self::Number,
            Resolved::Text(_) => Self::Text,
        }
    }

    /// What messages call it.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "a boolean",
            Self::Number => "a number",
            Self::Text => "a text",
            Self::List => "a list",
            Self::Object => "a map",
        }
    }
}
