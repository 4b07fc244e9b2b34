//! From a place in a scalar's text back to the file.
//!
//! YAML changes three things between the file and the text: it folds and strips blanks and line ends, it doubles single
//! quotes, and double quotes have escapes. All other characters stand in the file in the same order. So characters are
//! counted, blanks and line ends are not: the n-th of the text is the n-th of the file. That needs no knowledge of
//! indentation and chomping, and no table made while parsing, which every scalar would pay for and few need.

use std::iter::Peekable;
use std::ops::Range;
use std::str::CharIndices;

use crate::node::Style;

/// Where in `source` the byte at `offset` of `text` came from, `text` being the scalar at `span`.
pub(crate) fn in_source(
    source: &str,
    span: Range<usize>,
    style: Style,
    text: &str,
    offset: usize,
) -> usize {
    let raw = source.get(span.clone()).unwrap_or_default();
    let quote = usize::from(matches!(style, Style::SingleQuoted | Style::DoubleQuoted));
    let inner = raw
        .get(quote..raw.len().saturating_sub(quote))
        .unwrap_or_default();
    let place = locate(inner, style, text, offset.min(text.len()));
    span.start + quote + place
}

/// The same, relative to the text between the quotes.
fn locate(inner: &str, style: Style, text: &str, offset: usize) -> usize {
    let before = text.char_indices().take_while(|&(at, _)| at < offset);
    let (mut solid, mut blanks) = (0_usize, 0_usize);
    for (_, character) in before {
        (solid, blanks) = if is_blank(character) {
            (solid, blanks + 1)
        } else {
            (solid + 1, 0)
        };
    }
    let on_blank = text
        .get(offset..)
        .and_then(|rest| rest.chars().next())
        .is_none_or(is_blank);
    let mut written = Written {
        characters: inner.char_indices().peekable(),
        style,
        end: inner.len(),
    };
    if on_blank {
        let after_last = solid
            .checked_sub(1)
            .and_then(|nth| written.nth_solid(nth))
            .map_or(0, |place| place.end);
        return (after_last + blanks).min(written.start_of_next_solid());
    }
    written
        .nth_solid(solid)
        .map_or(inner.len(), |place| place.start)
}

/// What YAML may fold, strip or add.
fn is_blank(character: char) -> bool {
    matches!(character, ' ' | '\t' | '\n' | '\r')
}

/// The characters of a scalar as they are written.
struct Written<'s> {
    characters: Peekable<CharIndices<'s>>,
    style: Style,
    end: usize,
}

impl Written<'_> {
    /// The bytes that stand for the n-th character that is no blank, counted from 0.
    fn nth_solid(&mut self, nth: usize) -> Option<Range<usize>> {
        let mut seen = 0;
        while let Some((place, blank)) = self.next_written() {
            if blank {
                continue;
            }
            if seen == nth {
                return Some(place);
            }
            seen += 1;
        }
        None
    }

    /// Where the next character that is no blank starts.
    fn start_of_next_solid(&mut self) -> usize {
        self.nth_solid(0).map_or(self.end, |place| place.start)
    }

    /// The bytes of the next character, and whether it is a blank in the text.
    fn next_written(&mut self) -> Option<(Range<usize>, bool)> {
        let (start, character) = self.characters.next()?;
        let blank = match (self.style, character) {
            (Style::SingleQuoted, '\'') => {
                self.characters.next();
                false
            }
            (Style::DoubleQuoted, '\\') => self.escape(),
            _ => is_blank(character),
        };
        let end = self.characters.peek().map_or(self.end, |&(at, _)| at);
        Some((start..end, blank))
    }

    /// Steps over what follows a backslash. Whether the escape stands for a blank, or for nothing at all.
    fn escape(&mut self) -> bool {
        let Some((_, kind)) = self.characters.next() else {
            return false;
        };
        let digits = match kind {
            'x' => 2,
            'u' => 4,
            'U' => 8,
            _ => return is_blank(kind) || matches!(kind, 'n' | 'r' | 't'),
        };
        let code = self
            .characters
            .by_ref()
            .take(digits)
            .map(|(_, digit)| digit.to_digit(16).unwrap_or(0));
        let code = code.fold(0_u32, |code, digit| {
            code.wrapping_mul(16).wrapping_add(digit)
        });
        char::from_u32(code).is_some_and(is_blank)
    }
}

#[cfg(test)]
#[expect(clippy::string_slice, reason = "tests cut texts that they wrote")]
mod tests {
    use crate::parse;

    /// Every character of the value of `yaml`'s only key that is no blank must be found where it stands.
    #[track_caller]
    fn assert_found(yaml: &str) {
        let root = parse(yaml).unwrap().remove(0).root;
        let value = root.get("k").unwrap();
        let text = value.text().unwrap();
        for (at, character) in text.char_indices().filter(|(_, c)| c.is_alphanumeric()) {
            let place = value.source_offset(yaml, at);
            let found = &yaml[place..];
            assert!(
                found.starts_with([character, '\\']),
                "{character:?} at {at} led to {found:?}"
            );
            let first = text.find(character).unwrap();
            if first != at {
                assert!(value.source_offset(yaml, first) < place);
            }
        }
        for at in 0..text.len() + 3 {
            let place = value.source_offset(yaml, at);
            assert!(
                place >= value.span.start && place <= value.span.end,
                "{at} led to {place}"
            );
        }
    }

    #[test]
    fn a_plain_scalar_is_found_across_lines() {
        assert_found("k: one two\n   three\n\n   four\n");
    }

    #[test]
    fn a_folded_block_is_found_whatever_its_indentation() {
        assert_found("k: >\n  ka.verb=create\n  and ka.user.name\n\n    in (a,\n        b)\n");
        assert_found("k: >2-\n   deeper 1\n  2\n\n\n");
    }

    #[test]
    fn a_literal_block_is_found() {
        assert_found("k: |+\n  ab\n\n    cd\n\n\n");
    }

    #[test]
    fn quoted_scalars_are_found_behind_their_escapes() {
        assert_found("k: 'it''s a ''b'''\n");
        assert_found("k: \"tab\\t \\\"q\\\" \\x41b \\u00e9c \\\n   d\\U0001F600e\\x20f\"\n");
        assert_found("k: \"one\n   two\n\n   three\"\n");
    }

    #[test]
    fn a_place_behind_the_last_character_is_the_end_of_what_is_written() {
        let yaml = "k: >\n  a and\n";
        let root = parse(yaml).unwrap().remove(0).root;
        assert_eq!(root.get("k").unwrap().source_offset(yaml, 5), 12);
    }
}
