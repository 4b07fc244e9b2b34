//! The tree.

use std::ops::Range;

use crate::offset;

/// One document of a file. An empty document is a null scalar.
#[derive(Clone, Debug, PartialEq)]
pub struct Document {
    /// The document's only node.
    pub root: Node,
}

/// A node and where it stands.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// What it is.
    pub kind: Kind,
    /// The bytes of the file that it came from: quotes included, for a block scalar only its lines, for a collection from
    /// its first to its last node or bracket. A null that was not written has an empty span.
    pub span: Range<usize>,
}

/// What a node is.
#[derive(Clone, Debug, PartialEq)]
pub enum Kind {
    /// A text.
    Scalar {
        /// The text after quoting and folding; nothing else is resolved.
        text: String,
        /// How it was written.
        style: Style,
    },
    /// A list.
    Sequence(Vec<Node>),
    /// Keys and values, in the order in which they were written; repeated keys are all kept.
    Mapping(Vec<(Node, Node)>),
}

/// How a scalar was written.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Style {
    /// Without quotes.
    Plain,
    /// In single quotes.
    SingleQuoted,
    /// In double quotes.
    DoubleQuoted,
    /// As a block after `|`.
    Literal,
    /// As a block after `>`.
    Folded,
}

/// YAML 1.1's words for true; the words for false are at the same places of [`FALSE`].
const TRUE: [&str; 4] = ["y", "yes", "true", "on"];
const FALSE: [&str; 4] = ["n", "no", "false", "off"];

impl Node {
    /// A scalar's text.
    pub fn text(&self) -> Option<&str> {
        match &self.kind {
            Kind::Scalar { text, .. } => Some(text),
            Kind::Sequence(_) | Kind::Mapping(_) => None,
        }
    }

    /// Whether nothing stands here: no value, or an unquoted `null` or `~`.
    pub fn is_null(&self) -> bool {
        match &self.kind {
            Kind::Scalar {
                text,
                style: Style::Plain,
            } => is_null_word(text),
            _ => false,
        }
    }

    /// A boolean by YAML 1.1's words (`yes`, `no`, `on`, `off`, `true`, `false`, `y`, `n`) in lower case, upper case, or
    /// with a capital. Quotes make no difference.
    pub fn as_bool(&self) -> Option<bool> {
        bool_of(self.text()?)
    }

    /// A sequence's elements.
    pub fn items(&self) -> Option<&[Node]> {
        match &self.kind {
            Kind::Sequence(items) => Some(items),
            Kind::Scalar { .. } | Kind::Mapping(_) => None,
        }
    }

    /// A mapping's keys and values, repeated keys included.
    pub fn pairs(&self) -> Option<&[(Node, Node)]> {
        match &self.kind {
            Kind::Mapping(pairs) => Some(pairs),
            Kind::Scalar { .. } | Kind::Sequence(_) => None,
        }
    }

    /// The value of the first key with this text; `None` when this is no mapping or has no such key.
    pub fn get(&self, key: &str) -> Option<&Node> {
        self.entry(key).map(|(_, value)| value)
    }

    /// The first key with this text, and its value.
    pub fn entry(&self, key: &str) -> Option<&(Node, Node)> {
        self.pairs()?
            .iter()
            .find(|(name, _)| name.text() == Some(key))
    }

    /// The byte of the file from which a byte of a scalar's text came.
    ///
    /// `source` is the text that was parsed. Exact for everything but the blanks and line ends that folding changes:
    /// those lead to the nearest place after the last character before them. For a collection it is the start.
    pub fn source_offset(&self, source: &str, offset: usize) -> usize {
        match &self.kind {
            Kind::Scalar { text, style } => {
                offset::in_source(source, self.span.clone(), *style, text, offset)
            }
            Kind::Sequence(_) | Kind::Mapping(_) => self.span.start,
        }
    }
}

/// Whether an unquoted word is YAML's word for nothing.
pub(crate) fn is_null_word(word: &str) -> bool {
    matches!(word, "" | "~" | "null" | "Null" | "NULL")
}

/// The truth value that a word is in YAML 1.1.
pub(crate) fn bool_of(word: &str) -> Option<bool> {
    if is_one_of(word, &TRUE) {
        return Some(true);
    }
    is_one_of(word, &FALSE).then_some(false)
}

fn is_one_of(word: &str, lower_case: &[&str]) -> bool {
    let lowered = word.to_ascii_lowercase();
    let capitalised = word.chars().skip(1).all(|c| c.is_ascii_lowercase());
    let shouted = word.chars().all(|c| c.is_ascii_uppercase());
    (capitalised || shouted) && lower_case.contains(&lowered.as_str())
}

#[cfg(test)]
mod tests {
    use crate::parse;

    fn value(text: &str) -> crate::Node {
        parse(&format!("- {text}\n")).unwrap()[0]
            .root
            .items()
            .unwrap()[0]
            .clone()
    }

    #[test]
    fn only_an_unquoted_null_is_null() {
        for null in ["", "~", "null", "Null", "NULL", "# nothing", "&anchor"] {
            assert!(value(null).is_null(), "{null}");
        }
        for text in ["''", "\"null\"", "'~'", "nULL", "none", "|\n  null", "[]"] {
            assert!(!value(text).is_null(), "{text}");
        }
    }

    #[test]
    fn booleans_are_the_words_of_yaml_1_1() {
        for word in [
            "y", "Y", "yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON", "'yes'",
        ] {
            assert_eq!(value(word).as_bool(), Some(true), "{word}");
        }
        for word in [
            "n", "N", "no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF",
        ] {
            assert_eq!(value(word).as_bool(), Some(false), "{word}");
        }
        for word in ["yEs", "tRUE", "1", "0", "maybe", "", "[]"] {
            assert_eq!(value(word).as_bool(), None, "{word}");
        }
    }
}
