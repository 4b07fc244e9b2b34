//! Several documents in a file, and the retired `action` that merges them.

use std::collections::HashSet;

use kubevigil_yaml::{Kind, Node};

use crate::sigma::codes;
use crate::sigma::problems::Problems;

/// What earlier documents of a file leave for later ones.
#[derive(Default)]
pub(super) struct Collection {
    global: Option<Node>,
    previous: Option<Node>,
}

impl Collection {
    /// The document after merging; `None` for one that only changes later ones, or is wrong.
    pub(super) fn document(&mut self, node: &Node, problems: &mut Problems) -> Option<Node> {
        if node.pairs().is_none() {
            let message = "a Sigma document must be a map";
            return problems.error(codes::STRUCTURE, node.span.clone(), message);
        }
        if !keys_are_unique(node, problems) {
            return None;
        }
        let Some((_, action)) = node.entry("action") else {
            return Some(self.remember(merged(self.global.as_ref(), node)));
        };
        let rest = without_action(node);
        match action.text() {
            Some("global") => {
                self.global = Some(merged(self.global.as_ref(), &rest));
                None
            }
            Some("reset") => {
                self.global = None;
                None
            }
            Some("repeat") => match &self.previous {
                Some(previous) => Some(self.remember(merged(Some(previous), &rest))),
                None => problems.error(
                    codes::ACTION,
                    action.span.clone(),
                    "there is no document before this to repeat",
                ),
            },
            other => {
                let word = other.unwrap_or_default();
                let message = format!("unknown action `{word}`");
                problems.unknown(
                    codes::ACTION,
                    action.span.clone(),
                    message,
                    word,
                    ["global", "reset", "repeat"],
                )
            }
        }
    }

    fn remember(&mut self, node: Node) -> Node {
        self.previous = Some(node.clone());
        node
    }
}

fn without_action(node: &Node) -> Node {
    let pairs = node.pairs().unwrap_or_default().iter();
    let kept = pairs
        .filter(|(key, _)| key.text() != Some("action"))
        .cloned();
    Node {
        kind: Kind::Mapping(kept.collect()),
        span: node.span.clone(),
    }
}

/// The maps of both, those of `over` replacing scalars and lists of `base`, maps being merged in turn.
fn merged(base: Option<&Node>, over: &Node) -> Node {
    let Some((base, over_pairs)) = base.and_then(Node::pairs).zip(over.pairs()) else {
        return over.clone();
    };
    let mut pairs = base.to_vec();
    for (key, value) in over_pairs {
        match pairs
            .iter_mut()
            .find(|(known, _)| known.text() == key.text())
        {
            Some((_, known)) => *known = merged(Some(known), value),
            None => pairs.push((key.clone(), value.clone())),
        }
    }
    Node {
        kind: Kind::Mapping(pairs),
        span: over.span.clone(),
    }
}

/// Whether no map of the document has a key twice. Depth is bounded by the YAML reader.
fn keys_are_unique(node: &Node, problems: &mut Problems) -> bool {
    match &node.kind {
        Kind::Scalar { .. } => true,
        Kind::Sequence(items) => {
            // Every item is looked at, so that all mistakes are noted.
            let repeating = items.iter().filter(|item| !keys_are_unique(item, problems));
            repeating.count() == 0
        }
        Kind::Mapping(pairs) => {
            let mut seen = HashSet::new();
            let mut unique = true;
            for (key, value) in pairs {
                if let Some(text) = key.text()
                    && !seen.insert(text)
                {
                    let message = format!("key `{text}` stands here twice");
                    let help = "of two equal keys one would be lost; ask several things of one field in a list of maps, or with `all`";
                    problems.error_with_help::<()>(
                        codes::DUPLICATE_KEY,
                        key.span.clone(),
                        message,
                        help,
                    );
                    unique = false;
                }
                unique &= keys_are_unique(value, problems);
            }
            unique
        }
    }
}
