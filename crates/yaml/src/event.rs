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
/// Where libyaml, which reads YAML for Kubernetes, makes something else of a text than this parser, the text is read as libyaml does or
/// refused, so that nobody can show us one document and a cluster another:
///
/// - a block scalar at the end of the text has no line end that is not written;
/// - `[?a]` is a map for libyaml, and a text for newer YAML: refused;
/// - `[!x,a]` is one element with the tag `!x,` for libyaml, and two for newer YAML: what has a tag must be apart from it.
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
            Ok((event, span)) => match ambiguity(&event, &span, text) {
                Some(error) => Some(Err(error)),
                None => Event::of(event, &span).map(Ok),
            },
            Err(error) => Some(Err(SyntaxError::of(&error, text))),
        })
}

/// What libyaml would read otherwise.
fn ambiguity(event: &Parsed<'_>, span: &Span, text: &str) -> Option<SyntaxError> {
    let offset = span.start.byte_offset().unwrap_or_default();
    let (has_tag, is_key_sign) = match event {
        Parsed::Scalar(text, style, _, tag) => {
            let is_plain = *style == ScalarStyle::Plain;
            (tag.is_some(), is_plain && text.starts_with('?'))
        }
        Parsed::SequenceStart(_, _, tag) | Parsed::MappingStart(_, _, tag) => {
            (tag.is_some(), false)
        }
        _ => return None,
    };
    let before = offset.checked_sub(1).and_then(|at| text.as_bytes().get(at));
    let is_apart = before.is_none_or(u8::is_ascii_whitespace);
    let message = match (is_key_sign, has_tag && !is_apart) {
        (true, _) => "a text that begins with a question mark needs quotes",
        (_, true) => "a blank is needed behind a tag",
        _ => return None,
    };
    Some(SyntaxError {
        offset,
        message: message.to_owned(),
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

#[cfg(test)]
mod tests {
    use super::*;

    fn pieces(text: &str) -> Result<Vec<Event<'_>>, String> {
        let pieces: Result<Vec<_>, _> = first_document(text).collect();
        pieces.map_err(|error| format!("{}: {error}", error.offset))
    }

    #[test]
    fn a_document_comes_in_pieces_and_no_other_is_looked_at() {
        let scalar = |text: &'static str, tag: Option<&str>, anchor| Event::Scalar {
            text: Cow::Borrowed(text),
            style: Style::Plain,
            tag: tag.map(str::to_owned),
            anchor,
        };
        let expected = vec![
            Event::MapStart(0),
            scalar("a", None, 0),
            Event::ListStart(1),
            scalar("", None, 0),
            scalar("2", Some("tag:yaml.org,2002:int"), 2),
            Event::ListEnd,
            scalar("b", None, 0),
            Event::Alias(2),
            Event::MapEnd,
        ];
        let text = "a: &x\n-\n- !!int &y 2\nb: *y\n---\n[[[ {{";
        assert_eq!(pieces(text), Ok(expected));
        assert_eq!((pieces(""), pieces("# nothing")), (Ok(vec![]), Ok(vec![])));
    }

    #[test]
    fn what_libyaml_reads_otherwise_is_refused() {
        let sign = "a text that begins with a question mark needs quotes";
        let tag = "a blank is needed behind a tag";
        let cases = [
            ("[?a]", format!("1: {sign}")),
            ("{?a: b}", format!("1: {sign}")),
            ("[!x,a]", format!("3: {tag}")),
        ];
        for (text, error) in cases {
            assert_eq!(pieces(text), Err(error), "{text}");
        }
        for text in ["[!x[a]]", "a: !x[1]"] {
            assert!(pieces(text).is_err(), "{text}");
        }
        for text in [
            "? a\n: b",
            "['?a']",
            "[!!str a]",
            "!!map\na: !!seq [b]",
            "!x &a |\n b",
        ] {
            assert!(pieces(text).is_ok(), "{text}");
        }
    }
}
