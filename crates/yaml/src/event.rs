//! YAML as it is read, piece by piece.
//!
//! For who does not want a tree: a body of a megabyte, all of it `1,1,1`, is a hundred megabytes of nodes, and somebody may send it for that.

use std::borrow::Cow;

use granit_parser::{Event as Parsed, Parser, ScalarStyle, Span, Tag};

use crate::node::Style;
use crate::parse::SyntaxError;

/// How many lists and maps may stand in one another. go-yaml has the same limit.
const MAX_OPEN: usize = 10_000;

/// A piece of a document. An anchor is a number, 0 for none; each stands for one node only.
#[derive(Clone, Debug, PartialEq)]
pub enum Event<'t> {
    /// A scalar.
    Scalar {
        /// The text after quoting and folding; nothing else is resolved.
        text: Cow<'t, str>,
        /// How it was written.
        style: Style,
        /// The tag, written out in full.
        tag: Option<String>,
        /// The anchor that it has.
        anchor: usize,
    },
    /// The node with this anchor, once more.
    Alias(usize),
    /// A list begins. It has this anchor.
    ListStart(usize),
    /// The innermost list ends.
    ListEnd,
    /// A map begins: keys and values in turn. It has this anchor.
    MapStart(usize),
    /// The innermost map ends.
    MapEnd,
}

/// The pieces of the first document of a text; the others are not looked at. An empty text has none.
///
/// What newer YAML allows and libyaml does not, or reads otherwise, is read as libyaml does where the parser lets choose.
pub fn first_document(text: &str) -> impl Iterator<Item = Result<Event<'_>, SyntaxError>> {
    let options = granit_parser::options! {
        emit_comments: false,
        block_scalar_eof_without_line_feed: true,
        flow_nesting_limit: MAX_OPEN,
        block_nesting_limit: MAX_OPEN,
    };
    Parser::new_from_str_with_options(text, options)
        .take_while(|event| !matches!(event, Ok((Parsed::DocumentEnd, _))))
        .filter_map(|event| match event {
            Ok((event, span)) => Event::of(event, &span).map(Ok),
            Err(error) => Some(Err(SyntaxError::of(&error, text))),
        })
}

impl<'t> Event<'t> {
    fn of(event: Parsed<'t>, span: &Span) -> Option<Self> {
        Some(match event {
            Parsed::Scalar(text, style, anchor, tag) => {
                // The parser writes a tilde where nothing stands.
                let is_absent = span.is_empty() && style == ScalarStyle::Plain;
                Self::Scalar {
                    text: if is_absent { Cow::Borrowed("") } else { text },
                    style: Style::from(style),
                    tag: tag.as_deref().map(written_out),
                    anchor,
                }
            }
            Parsed::Alias(anchor) => Self::Alias(anchor),
            Parsed::SequenceStart(_, anchor, _) => Self::ListStart(anchor),
            Parsed::SequenceEnd => Self::ListEnd,
            Parsed::MappingStart(_, anchor, _) => Self::MapStart(anchor),
            Parsed::MappingEnd => Self::MapEnd,
            _ => return None,
        })
    }
}

fn written_out(tag: &Tag) -> String {
    format!("{}{}", tag.handle(), tag.suffix())
}
