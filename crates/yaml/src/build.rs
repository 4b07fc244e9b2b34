//! From the parser's events to the tree.

use std::collections::HashMap;
use std::ops::Range;

use granit_parser::{Event, Marker, Parser, ScalarStyle, Span};

use crate::node::{Document, Kind, Node, Style};

/// How many collections may stand in one another, aliases included.
pub const MAX_DEPTH: usize = 100;

/// How many bytes the copies that aliases make may have in one file, where a node counts
/// as 100 and its text.
pub const MAX_ALIASED: usize = 8 << 20;

/// What a node costs besides its text.
const NODE_COST: usize = 100;

/// The file is no YAML, or asks for too much.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{message}")]
pub struct SyntaxError {
    /// The byte of the file at which reading stopped.
    pub offset: usize,
    /// What is wrong there.
    pub message: String,
}

/// Reads all documents of a file.
///
/// # Errors
///
/// The first place at which the text is no YAML, nests deeper than [`MAX_DEPTH`], or has aliases that are unknown, name
/// a node that they stand in, or copy more than [`MAX_ALIASED`].
pub fn parse(text: &str) -> Result<Vec<Document>, SyntaxError> {
    let options = granit_parser::options! { emit_comments: false };
    let mut builder = Builder::default();
    for event in Parser::new_from_str_with_options(text, options) {
        let (event, span) = event.map_err(|error| SyntaxError {
            offset: error.marker().byte_offset().unwrap_or(text.len()),
            message: error.info().to_owned(),
        })?;
        builder.take(event, &span)?;
    }
    Ok(builder.documents)
}

/// The part of the tree that is not finished.
#[derive(Default)]
struct Builder {
    documents: Vec<Document>,
    /// The collections that are open, outermost first.
    open: Vec<Open>,
    /// Finished nodes with an anchor, by the anchor's number.
    anchored: HashMap<usize, Anchored>,
    /// The cost of all copies so far.
    aliased: usize,
}

/// A collection whose end has not been seen.
struct Open {
    start: usize,
    anchor: usize,
    is_mapping: bool,
    /// For a mapping keys and values in turn.
    children: Vec<Node>,
    size: Size,
}

struct Anchored {
    node: Node,
    size: Size,
}

/// How large a node is with all that it holds.
#[derive(Clone, Copy)]
struct Size {
    cost: usize,
    /// Collections on the longest way down.
    depth: usize,
}

impl Builder {
    fn take(&mut self, event: Event<'_>, span: &Span) -> Result<(), SyntaxError> {
        let (start, end) = (offset(span.start), offset(span.end));
        match event {
            Event::Scalar(text, style, anchor, _tag) => {
                let text = if start == end && style == ScalarStyle::Plain {
                    String::new()
                } else {
                    text.into_owned()
                };
                let size = Size {
                    cost: NODE_COST + text.len(),
                    depth: 0,
                };
                let kind = Kind::Scalar {
                    text,
                    style: Style::from(style),
                };
                self.finish(
                    Node {
                        kind,
                        span: start..end,
                    },
                    anchor,
                    size,
                )?;
            }
            Event::SequenceStart(_, anchor, _) => self.open(start, anchor, false)?,
            Event::MappingStart(_, anchor, _) => self.open(start, anchor, true)?,
            Event::SequenceEnd | Event::MappingEnd => self.close(start..end)?,
            Event::Alias(anchor) => self.copy(anchor, start)?,
            _ => {}
        }
        Ok(())
    }

    fn open(&mut self, start: usize, anchor: usize, is_mapping: bool) -> Result<(), SyntaxError> {
        if self.open.len() >= MAX_DEPTH {
            return Err(too_deep(start));
        }
        let size = Size {
            cost: NODE_COST,
            depth: 1,
        };
        self.open.push(Open {
            start,
            anchor,
            is_mapping,
            children: Vec::new(),
            size,
        });
        Ok(())
    }

    /// `end` is the closing bracket of a flow collection, and empty for a block collection, which ends where its last
    /// node does.
    fn close(&mut self, end: Range<usize>) -> Result<(), SyntaxError> {
        let Some(open) = self.open.pop() else {
            return Ok(());
        };
        let last = open
            .children
            .last()
            .map_or(open.start, |child| child.span.end);
        let stop = if end.is_empty() {
            last.max(open.start)
        } else {
            end.end
        };
        let kind = if open.is_mapping {
            Kind::Mapping(in_pairs(open.children))
        } else {
            Kind::Sequence(open.children)
        };
        self.finish(
            Node {
                kind,
                span: open.start..stop,
            },
            open.anchor,
            open.size,
        )
    }

    fn copy(&mut self, anchor: usize, at: usize) -> Result<(), SyntaxError> {
        let Some(Anchored { node, size }) = self.anchored.get(&anchor) else {
            return Err(SyntaxError {
                offset: at,
                message: "alias to a node that it stands in".to_owned(),
            });
        };
        if self.open.len() + size.depth > MAX_DEPTH {
            return Err(too_deep(at));
        }
        let (node, size) = (node.clone(), *size);
        self.pay(size, at)?;
        self.finish(node, 0, size)
    }

    fn pay(&mut self, size: Size, at: usize) -> Result<(), SyntaxError> {
        self.aliased = self.aliased.saturating_add(size.cost);
        if self.aliased <= MAX_ALIASED {
            return Ok(());
        }
        let message = format!(
            "anchors and aliases copy more than {} MiB",
            MAX_ALIASED >> 20
        );
        Err(SyntaxError {
            offset: at,
            message,
        })
    }

    /// Puts a finished node where it belongs: into the innermost open collection, or it is a document.
    fn finish(&mut self, node: Node, anchor: usize, size: Size) -> Result<(), SyntaxError> {
        if anchor != 0 {
            self.pay(size, node.span.start)?;
            self.anchored.insert(
                anchor,
                Anchored {
                    node: node.clone(),
                    size,
                },
            );
        }
        match self.open.last_mut() {
            Some(parent) => {
                parent.size.cost = parent.size.cost.saturating_add(size.cost);
                parent.size.depth = parent.size.depth.max(size.depth + 1);
                parent.children.push(node);
            }
            None => self.documents.push(Document { root: node }),
        }
        Ok(())
    }
}

fn in_pairs(children: Vec<Node>) -> Vec<(Node, Node)> {
    let mut children = children.into_iter();
    std::iter::from_fn(|| Some((children.next()?, children.next()?))).collect()
}

fn too_deep(offset: usize) -> SyntaxError {
    SyntaxError {
        offset,
        message: format!("more than {MAX_DEPTH} lists and maps stand in one another"),
    }
}

/// A byte offset. The parser knows it for every place of a text in memory.
fn offset(marker: Marker) -> usize {
    marker.byte_offset().unwrap_or_default()
}

impl From<ScalarStyle> for Style {
    fn from(style: ScalarStyle) -> Self {
        match style {
            ScalarStyle::Plain => Self::Plain,
            ScalarStyle::SingleQuoted => Self::SingleQuoted,
            ScalarStyle::DoubleQuoted => Self::DoubleQuoted,
            ScalarStyle::Literal => Self::Literal,
            ScalarStyle::Folded => Self::Folded,
        }
    }
}

#[cfg(test)]
#[expect(clippy::string_slice, reason = "tests cut texts that they wrote")]
mod tests {
    use proptest::prelude::*;

    use super::{MAX_DEPTH, parse};

    fn message(text: &str) -> String {
        let error = parse(text).unwrap_err();
        format!("{}: {}", error.offset, error.message)
    }

    #[test]
    fn a_file_is_any_number_of_documents() {
        assert_eq!(parse("").unwrap(), []);
        assert_eq!(parse("# only a comment\n").unwrap(), []);
        let documents = parse("---\n---\n- a\n").unwrap();
        assert!(documents[0].root.is_null());
        assert_eq!(documents[1].root.items().unwrap()[0].text(), Some("a"));
    }

    #[test]
    fn scalars_keep_what_was_written() {
        let root = parse("[yes, 010, 2.50, 00000429, 0x10, 'a', \"b\\n\", 1e3]")
            .unwrap()
            .remove(0)
            .root;
        let texts: Vec<_> = root
            .items()
            .unwrap()
            .iter()
            .filter_map(|node| node.text())
            .collect();
        assert_eq!(
            texts,
            ["yes", "010", "2.50", "00000429", "0x10", "a", "b\n", "1e3"]
        );
    }

    #[test]
    fn the_first_of_repeated_keys_is_found_and_all_are_kept() {
        let root = parse("a: 1\nb: 2\na: 3\n").unwrap().remove(0).root;
        assert_eq!(root.get("a").unwrap().text(), Some("1"));
        assert_eq!(root.pairs().unwrap().len(), 3);
    }

    #[test]
    fn merge_keys_are_ordinary_keys() {
        let root = parse("- &base {a: 1}\n- <<: *base\n  b: 2\n")
            .unwrap()
            .remove(0)
            .root;
        let merged = &root.items().unwrap()[1];
        assert!(merged.get("a").is_none());
        assert_eq!(
            merged.get("<<").unwrap().get("a").unwrap().text(),
            Some("1")
        );
    }

    #[test]
    fn nodes_know_their_bytes() {
        let text = "é: [a, 'b']\nlist:\n  - x\n  - y: z\n\nnext: 1\n";
        let root = parse(text).unwrap().remove(0).root;
        let (key, value) = root.entry("list").unwrap();
        assert_eq!(&text[key.span.clone()], "list");
        assert_eq!(&text[value.span.clone()], "- x\n  - y: z");
        assert_eq!(&text[root.get("é").unwrap().span.clone()], "[a, 'b']");
    }

    #[test]
    fn an_alias_is_a_copy() {
        let root = parse("a: &x [1, 2]\nb: *x\n").unwrap().remove(0).root;
        assert_eq!(root.get("a"), root.get("b"));
    }

    #[test]
    fn an_alias_bomb_is_an_error() {
        let mut bomb = "a0: &a0 [lol, lol, lol, lol, lol, lol, lol, lol]\n".to_owned();
        for level in 1..12 {
            let below = format!("*a{}, ", level - 1).repeat(8);
            bomb.push_str(&format!("a{level}: &a{level} [{below}]\n"));
        }
        assert!(
            message(&bomb).contains("copy more than 8 MiB"),
            "{}",
            message(&bomb)
        );
    }

    #[test]
    fn depth_is_bounded_with_and_without_aliases() {
        let brackets = format!("{}{}", "[".repeat(MAX_DEPTH + 1), "]".repeat(MAX_DEPTH + 1));
        assert!(message(&brackets).contains("more than 100"));
        assert!(parse(&brackets[1..brackets.len() - 1]).is_ok());
        let mut ladder = "- &a0 [x]\n".to_owned();
        for level in 1..MAX_DEPTH {
            ladder.push_str(&format!("- &a{level} [*a{}]\n", level - 1));
        }
        assert!(message(&ladder).contains("more than 100"));
    }

    #[test]
    fn what_is_no_yaml_is_an_error_with_its_place() {
        assert_eq!(
            message("this : is : not : yaml\n"),
            "10: mapping values are not allowed in this context"
        );
        assert_eq!(
            message("- *nowhere\n"),
            "2: while parsing node, found unknown anchor"
        );
        assert_eq!(
            message("- &a [*a]\n"),
            "6: alias to a node that it stands in"
        );
        assert_eq!(message("a: [1, 2\n"), "3: unclosed bracket '['");
    }

    #[test]
    fn a_bracket_may_close_at_the_column_of_its_parent() {
        assert!(parse("- list: l\n  items: [\n    a,\n  ]\n").is_ok());
        assert!(parse("list: [\n  a,\n]\n").is_ok());
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in any::<String>()) {
            let _ = parse(&text);
        }

        #[test]
        fn texts_made_of_yaml_are_read_or_refused_and_their_places_are_in_them(
            pieces in proptest::collection::vec(
                prop::sample::select(vec![
                    "- ", "a", ": ", "\n", "  ", "[", "]", "{", "}", ",", "'", "\"", "\\x4", "&a ", "*a", "|\n", ">-\n",
                    "---\n", "...", "#", "é", "\t", "? ", "!!str ", "~", "%YAML 1.1\n", "\r", "\u{85}", "\u{feff}",
                ]), 0..40)
        ) {
            let text = pieces.concat();
            for document in parse(&text).unwrap_or_default() {
                walk(&document.root, &text);
            }
        }
    }

    fn walk(node: &crate::Node, text: &str) {
        assert!(node.span.start <= node.span.end && node.span.end <= text.len());
        for offset in 0..node.text().map_or(0, str::len) + 2 {
            let place = node.source_offset(text, offset);
            assert!(place <= text.len(), "{offset} of {node:?} led to {place}");
        }
        node.items()
            .unwrap_or_default()
            .iter()
            .for_each(|item| walk(item, text));
        node.pairs()
            .unwrap_or_default()
            .iter()
            .for_each(|(key, value)| {
                walk(key, text);
                walk(value, text);
            });
    }
}
