//! The tree as it grows: what is open, what has an anchor, and how much of it there may be.

use std::collections::HashMap;
use std::ops::Range;

use granit_parser::{Event, Marker, ScalarStyle, Span};

use crate::SyntaxError;
use crate::node::{Document, Kind, Node, Style};

/// How many collections may stand in one another, aliases included.
pub const MAX_DEPTH: usize = 100;

/// How many bytes the copies that aliases make may have in one file, where a node counts
/// as 100 and its text.
pub const MAX_ALIASED: usize = 8 << 20;

/// What a node costs besides its text.
const NODE_COST: usize = 100;

/// The part of the tree that is not finished.
#[derive(Default)]
pub(crate) struct Builder {
    pub(crate) documents: Vec<Document>,
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
    /// Takes the parser's next event; `span` is where it stands.
    pub(crate) fn take(&mut self, event: Event<'_>, span: &Span) -> Result<(), SyntaxError> {
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
