//! The map of a correlation and the values of its keys, with their places.

use std::ops::Range;

use kubevigil_diagnostics::closest;
use kubevigil_yaml::Node;

use crate::sigma::codes;
use crate::sigma::problems::Problems;

/// A text of a document and where it stands.
#[derive(Clone, Debug)]
pub(super) struct Word {
    pub(super) text: String,
    pub(super) span: Range<usize>,
}

/// A map and the key over it.
pub(super) struct Body<'n> {
    pub(super) map: &'n Node,
    /// The word over the map, for messages: `correlation`.
    pub(super) key: &'n str,
    /// Where that word stands: messages about something that is missing point there.
    pub(super) start: Range<usize>,
}

impl<'n> Body<'n> {
    /// The map under a key, if it is one.
    pub(super) fn of(key: &'n Node, map: &'n Node, problems: &mut Problems) -> Option<Self> {
        let word = key.text().unwrap_or_default();
        if map.pairs().is_none() {
            let message = format!("`{word}` must be a map");
            return problems.error(codes::CORRELATION, map.span.clone(), message);
        }
        Some(Self {
            map,
            key: word,
            start: key.span.clone(),
        })
    }

    /// The value of a key, if it is there and not null.
    pub(super) fn get(&self, key: &str) -> Option<&'n Node> {
        self.map.get(key).filter(|value| !value.is_null())
    }

    /// The text of a key, if it is there.
    pub(super) fn word(&self, key: &str, problems: &mut Problems) -> Option<Word> {
        let value = self.get(key)?;
        match word(value) {
            Some(word) => Some(word),
            None => {
                let message = format!("`{key}` must be a text");
                problems.error(codes::CORRELATION, value.span.clone(), message)
            }
        }
    }

    /// The texts of a key: a list, or one text. None if the key is not there.
    pub(super) fn words(&self, key: &str, problems: &mut Problems) -> Vec<Word> {
        let Some(value) = self.get(key) else {
            return Vec::new();
        };
        let nodes = value.items().unwrap_or(std::slice::from_ref(value));
        let mut words = Vec::new();
        for node in nodes {
            match word(node) {
                Some(word) => words.push(word),
                None => {
                    let message = format!("`{key}` must be a text or a list of texts");
                    problems.error::<()>(codes::CORRELATION, node.span.clone(), message);
                }
            }
        }
        words
    }

    /// The truth value of a key, if it is there.
    pub(super) fn truth(&self, key: &str, problems: &mut Problems) -> Option<bool> {
        let value = self.get(key)?;
        match value.as_bool() {
            Some(truth) => Some(truth),
            None => {
                let message = format!("`{key}` must be true or false");
                problems.error(codes::CORRELATION, value.span.clone(), message)
            }
        }
    }

    /// Notes that a key is missing, unless it is there and its mistakes are noted.
    pub(super) fn missing<T>(&self, key: &str, help: &str, problems: &mut Problems) -> Option<T> {
        let span = match self.map.get(key) {
            Some(value) if value.is_null() || value.items().is_some_and(<[_]>::is_empty) => {
                value.span.clone()
            }
            Some(_) => return None,
            None => self.start.clone(),
        };
        let message = format!("key `{key}` is missing in `{}`", self.key);
        problems.error_with_help(codes::CORRELATION, span, message, help)
    }

    /// Notes every key that is not one of those that are known.
    pub(super) fn refuse_unknown_keys(&self, known: &[&str], problems: &mut Problems) {
        for (key, _) in self.map.pairs().unwrap_or_default() {
            let name = key.text().unwrap_or_default();
            if known.contains(&name) {
                continue;
            }
            let message = format!("key `{name}` means nothing in `{}`", self.key);
            let help = match closest(name, known.iter().copied()) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("expected one of {}", known.join(", ")),
            };
            problems.error_with_help::<()>(codes::CORRELATION, key.span.clone(), message, help);
        }
    }
}

/// A scalar that says something.
pub(super) fn word(node: &Node) -> Option<Word> {
    let text = node.text().filter(|text| !text.trim().is_empty())?;
    (!node.is_null()).then(|| Word {
        text: text.to_owned(),
        span: node.span.clone(),
    })
}
