//! A text put together from parts of files, each byte of which knows where it was written.
//!
//! Conditions are joined (append), wrapped (exceptions) and rewritten (lists) before they are parsed, and a mistake
//! should still be shown in the file. The text therefore carries its pieces: which scalar of which file, from which
//! offset; or none, for what the loader itself put in. Pieces are few, while a table with an entry a byte would cost
//! more than the text.

use std::ops::Range;
use std::sync::Arc;

use kubevigil_diagnostics::{Place, Source};
use kubevigil_yaml::Node;

/// How many bytes a text may have after all lists are put in.
///
/// Real conditions with the largest lists of addresses stay under a megabyte; lists that name lists that name lists could
/// otherwise grow without bound.
pub(super) const MAX_LENGTH: usize = 8 << 20;

/// A text that knows where it was written.
#[derive(Clone, Debug, Default)]
pub(super) struct Text {
    text: String,
    /// In order, without gaps and overlaps.
    pieces: Vec<Piece>,
}

/// Some bytes of a text.
#[derive(Clone, Debug)]
struct Piece {
    /// Where the piece starts in the text; it ends where the next one starts.
    start: usize,
    /// Where it was written: the scalar, and the offset in its value. `None` when no file has it.
    origin: Option<(Arc<Scalar>, usize)>,
}

/// A scalar of a file.
#[derive(Debug)]
struct Scalar {
    source: Arc<Source>,
    node: Node,
}

impl Text {
    /// The value of a scalar.
    pub(super) fn of(source: &Arc<Source>, node: &Node) -> Self {
        let scalar = Arc::new(Scalar {
            source: Arc::clone(source),
            node: node.clone(),
        });
        let text = node.text().unwrap_or_default().to_owned();
        Self {
            text,
            pieces: vec![Piece {
                start: 0,
                origin: Some((scalar, 0)),
            }],
        }
    }

    /// The text itself.
    pub(super) fn as_str(&self) -> &str {
        &self.text
    }

    /// Appends what no file has.
    pub(super) fn push(&mut self, text: &str) {
        if self.pieces.last().is_none_or(|last| last.origin.is_some()) {
            self.pieces.push(Piece {
                start: self.text.len(),
                origin: None,
            });
        }
        self.text.push_str(text);
    }

    /// Appends another text.
    pub(super) fn append(&mut self, other: &Self) {
        self.append_part(other, 0..other.text.len());
    }

    /// Appends a part of another text. `range` must lie on character boundaries; nothing is appended otherwise.
    pub(super) fn append_part(&mut self, other: &Self, range: Range<usize>) {
        let Some(part) = other.text.get(range.clone()) else {
            return;
        };
        let first = other
            .pieces
            .partition_point(|piece| piece.start <= range.start)
            .saturating_sub(1);
        let overlapping = other
            .pieces
            .iter()
            .skip(first)
            .take_while(|piece| piece.start < range.end);
        for piece in overlapping {
            let skipped = range.start.saturating_sub(piece.start);
            let start = self.text.len() + piece.start.saturating_sub(range.start);
            let origin = piece
                .origin
                .as_ref()
                .map(|(scalar, at)| (Arc::clone(scalar), at + skipped));
            self.pieces.push(Piece { start, origin });
        }
        self.text.push_str(part);
    }

    /// Cuts the text; `length` must lie on a character boundary.
    pub(super) fn truncate(&mut self, length: usize) {
        if self.text.is_char_boundary(length) {
            self.text.truncate(length);
            while self.pieces.pop_if(|piece| piece.start >= length).is_some() {}
        }
    }

    /// The text without blanks at either end.
    pub(super) fn trimmed(&self) -> Self {
        let kept = self.text.trim_start();
        let start = self.text.len() - kept.len();
        let mut out = Self::default();
        out.append_part(self, start..start + kept.trim_end().len());
        out
    }

    /// Where bytes of the text are shown: in the file in which the first of them was written, or, when no file has it, in
    /// the text itself.
    pub(super) fn place(&self, range: Range<usize>) -> Place {
        let range = range.start.min(self.text.len())
            ..range
                .end
                .clamp(range.start, self.text.len().max(range.start));
        let Some((scalar, start)) = self.written(range.start) else {
            return self.derived(range);
        };
        let last = range.end.saturating_sub(1).max(range.start);
        let end = match self.written(last) {
            Some((other, end)) if Arc::ptr_eq(scalar, other) && end >= start => {
                end + usize::from(range.end > range.start)
            }
            _ => start + 1,
        };
        Place {
            source: Arc::clone(&scalar.source),
            span: start..end,
        }
    }

    /// The scalar that a byte was written in, and its place in the file. What follows the text counts to its last piece.
    fn written(&self, offset: usize) -> Option<(&Arc<Scalar>, usize)> {
        let position = self
            .pieces
            .partition_point(|piece| piece.start <= offset)
            .checked_sub(1)?;
        let piece = self.pieces.get(position)?;
        let (scalar, at) = piece.origin.as_ref()?;
        Some((
            scalar,
            scalar
                .node
                .source_offset(&scalar.source.text, at + offset - piece.start),
        ))
    }

    /// The text as a source of its own, named after the file and the line that it begins on.
    fn derived(&self, span: Range<usize>) -> Place {
        let first = self.pieces.iter().find_map(|piece| piece.origin.as_ref());
        let (name, line) = first.map_or((String::new(), 1), |(scalar, _)| {
            let (line, _) = scalar.source.position(scalar.node.span.start);
            (scalar.source.name.clone(), line)
        });
        let name = format!("{name} (after lists and exceptions are put in)");
        Place {
            source: Source::part(name, self.text.clone(), line - 1),
            span,
        }
    }
}

#[cfg(test)]
mod tests {
    use kubevigil_diagnostics::Source;

    use super::Text;

    fn text(file: &str) -> Text {
        let source = Source::file("f", file);
        let root = kubevigil_yaml::parse(file).unwrap().remove(0).root;
        Text::of(&source, root.get("k").unwrap())
    }

    fn shown(text: &Text, needle: &str) -> String {
        let at = text.as_str().find(needle).unwrap();
        let place = text.place(at..at + needle.len());
        format!(
            "{}|{}",
            place.source.name,
            place.source.text.get(place.span).unwrap()
        )
    }

    #[test]
    fn joined_texts_lead_to_the_files_that_they_come_from() {
        let mut joined = Text::default();
        joined.push("(");
        joined.append(&text("k: >\n  alpha and\n  beta\n"));
        joined.push(") and not ");
        joined.append(&text("k: gamma"));
        assert_eq!(joined.as_str(), "(alpha and beta\n) and not gamma");
        assert_eq!(shown(&joined, "beta"), "f|beta");
        assert_eq!(shown(&joined, "gamma"), "f|gamma");
        assert_eq!(
            shown(&joined, "not"),
            "f (after lists and exceptions are put in)|not"
        );
    }

    #[test]
    fn parts_of_texts_keep_their_places() {
        let whole = text("k: '  one two  '");
        assert_eq!(whole.trimmed().as_str(), "one two");
        let mut cut = Text::default();
        cut.append_part(&whole.trimmed(), 4..7);
        assert_eq!((cut.as_str(), shown(&cut, "wo").as_str()), ("two", "f|wo"));
        cut.truncate(1);
        assert_eq!(cut.as_str(), "t");
    }

    #[test]
    fn the_end_of_a_text_is_the_end_of_what_is_written() {
        let place = text("k: abc\nl: d").place(3..3);
        assert_eq!(place.span, 6..6);
    }
}
