//! What a YAML scalar is to the API server: YAML 1.1 with JSON's types.
//!
//! The server turns a policy into JSON before it decodes it, so an unquoted `no` is a truth value and an unquoted `123` a number, and
//! where a text is wanted either stops it (spec 3.2).

use kubevigil_yaml::{Kind, Node, Style};

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
                Style::Plain => Self::plain(node, text),
                Style::SingleQuoted | Style::DoubleQuoted | Style::Literal | Style::Folded => {
                    Self::Text
                }
            },
        }
    }

    fn plain(node: &Node, text: &str) -> Self {
        if node.is_null() {
            Self::Null
        } else if let Some(truth) = node.as_bool() {
            Self::Bool(truth)
        } else if is_number(text) {
            Self::Number
        } else {
            Self::Text
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

/// Numbers of YAML 1.1 as the server's reader knows them: underscores between digits, `0x`, `0o`, `0b`, fractions, exponents.
fn is_number(text: &str) -> bool {
    let digits: String = text.chars().filter(|&character| character != '_').collect();
    let unsigned = digits.strip_prefix(['+', '-']).unwrap_or(&digits);
    let starts_with_digit =
        unsigned.starts_with(|first: char| first.is_ascii_digit() || first == '.');
    let with_base = [("0x", 16), ("0o", 8), ("0b", 2)];
    let is_with_base = with_base.into_iter().any(|(prefix, base)| {
        let digits = unsigned.strip_prefix(prefix).unwrap_or_default();
        !digits.is_empty() && digits.chars().all(|digit| digit.is_digit(base))
    });
    let is_special = matches!(unsigned.to_ascii_lowercase().as_str(), ".inf")
        || digits.eq_ignore_ascii_case(".nan");
    is_with_base || is_special || (starts_with_digit && unsigned.parse::<f64>().is_ok())
}
