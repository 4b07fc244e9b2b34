//! The one line of a source that a diagnostic shows.
//!
//! A line is shown escaped and, when it is long, cut to a window around the place, so a condition of twenty kilobytes on
//! one line does not flood the terminal. The caret is computed on the text that is shown, not on the one in the file;
//! line and column stay those of the file.

use std::ops::Range;

use crate::Place;
use crate::escape::push_escaped;

/// Characters of a line that are shown on either side of where the caret starts.
const WINDOW: usize = 70;

/// What stands where a line was cut.
const CUT: char = '…';

/// A line as it is shown.
pub(crate) struct Excerpt {
    /// Line in the file, counted from 1.
    pub(crate) line: usize,
    /// Column in the file in characters, counted from 1.
    pub(crate) column: usize,
    /// The line, escaped and cut.
    pub(crate) text: String,
    /// What the caret underlines: byte offsets in `text`.
    pub(crate) caret: Range<usize>,
}

impl Excerpt {
    /// The line in which a place starts. The caret ends with the line.
    pub(crate) fn of(place: &Place) -> Self {
        let (line, column) = place.source.position(place.span.start);
        let text = place.source.text.as_str();
        let line_start = line_start(text, place.span.start.min(text.len()));
        let shown = text
            .get(line_start..)
            .unwrap_or_default()
            .lines()
            .next()
            .unwrap_or_default();
        let from = place.span.start.saturating_sub(line_start);
        let to = place.span.end.saturating_sub(line_start);
        let mut excerpt = Self {
            line,
            column,
            text: String::new(),
            caret: 0..0,
        };
        excerpt.fill(shown, from.min(shown.len())..to);
        excerpt
    }

    /// Copies the window of `line` around `marked`, which is in bytes of `line`.
    fn fill(&mut self, line: &str, marked: Range<usize>) {
        let marked_char = self.column - 1;
        let first = marked_char.saturating_sub(WINDOW);
        if first > 0 {
            self.text.push(CUT);
        }
        let mut caret = None;
        for (at, character) in line
            .char_indices()
            .skip(first)
            .take(marked_char - first + WINDOW)
        {
            if at >= marked.start && caret.is_none() {
                caret = Some(self.text.len()..self.text.len());
            }
            push_escaped(&mut self.text, character);
            match &mut caret {
                Some(range) if at < marked.end => range.end = self.text.len(),
                _ => {}
            }
        }
        self.caret = caret.unwrap_or(self.text.len()..self.text.len());
        if line.chars().nth(marked_char + WINDOW).is_some() {
            self.text.push(CUT);
        }
    }
}

fn line_start(text: &str, offset: usize) -> usize {
    let newline = text
        .as_bytes()
        .get(..offset)
        .unwrap_or_default()
        .iter()
        .rposition(|&byte| byte == b'\n');
    newline.map_or(0, |at| at + 1)
}

#[cfg(test)]
mod tests {
    use std::ops::Range;

    use super::Excerpt;
    use crate::{Place, Source};

    fn excerpt(text: &str, span: Range<usize>) -> Excerpt {
        Excerpt::of(&Place {
            source: Source::file("f", text),
            span,
        })
    }

    fn underlined(excerpt: &Excerpt) -> &str {
        excerpt.text.get(excerpt.caret.clone()).unwrap()
    }

    #[test]
    fn the_caret_stays_on_its_word_after_escapes() {
        let shown = excerpt("first\n\u{1b}[0m\tverb = x\n", 11..15);
        assert_eq!((shown.line, shown.column), (2, 6));
        assert_eq!(shown.text, "\\u{1b}[0m    verb = x");
        assert_eq!(underlined(&shown), "verb");
    }

    #[test]
    fn a_long_line_is_cut_around_the_caret() {
        let text = format!("{}NEEDLE{}", "a".repeat(20_000), "b".repeat(20_000));
        let shown = excerpt(&text, 20_000..20_006);
        assert_eq!(shown.column, 20_001);
        assert_eq!(underlined(&shown), "NEEDLE");
        assert_eq!(shown.text.chars().count(), 142);
        assert!(
            shown.text.starts_with('…') && shown.text.ends_with('…'),
            "{}",
            shown.text
        );
    }

    #[test]
    fn a_place_of_several_lines_is_marked_to_the_end_of_the_first() {
        let shown = excerpt("one\ntwo three\nfour", 8..16);
        assert_eq!(underlined(&shown), "three");
    }

    #[test]
    fn places_past_the_end_and_inside_a_character_do_not_hurt() {
        for text in ["", "é", "a\n", "ééé\u{1b}"] {
            for start in 0..text.len() + 3 {
                let shown = excerpt(text, start..start + 2);
                assert!(shown.caret.end <= shown.text.len());
                underlined(&shown);
            }
        }
    }
}
