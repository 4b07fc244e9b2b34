//! Diagnostics as people read them.
//!
//! They look as the Rust compiler's do, and are drawn here: each shows one line, escaped and cut, while line and column
//! are those of the file. `annotate-snippets` computes the column from the text that it draws, so it would have to be
//! handed whole lines of any length, raw.

use std::fmt::Write as _;

use anstyle::{AnsiColor, Style};
use unicode_width::UnicodeWidthStr;

use crate::escape;
use crate::excerpt::Excerpt;
use crate::{Diagnostic, Place, Severity};

/// Draws diagnostics for people: code, message, place, the line with a caret, what it is in, and advice; a blank line
/// after each. Hostile characters of file names, messages and lines come out as escapes.
pub fn render_text(diagnostics: &[Diagnostic], color: bool) -> String {
    let mut drawing = Drawing {
        out: String::new(),
        color,
    };
    diagnostics
        .iter()
        .for_each(|diagnostic| drawing.diagnostic(diagnostic));
    drawing.out
}

struct Drawing {
    out: String,
    color: bool,
}

impl Drawing {
    fn diagnostic(&mut self, diagnostic: &Diagnostic) {
        let (word, style) = match diagnostic.severity {
            Severity::Error => ("error", AnsiColor::BrightRed.on_default().bold()),
            Severity::Warning => ("warning", AnsiColor::Yellow.on_default().bold()),
            Severity::Info => ("info", AnsiColor::Cyan.on_default().bold()),
        };
        self.styled(style, &format!("{word}[{}]", diagnostic.code));
        self.styled(
            Style::new().bold(),
            &format!(": {}", escape::terminal(&diagnostic.message)),
        );
        self.out.push('\n');
        let margin = diagnostic
            .place
            .as_ref()
            .map_or(0, |place| self.place(place, style));
        if !diagnostic.item.is_empty() {
            self.remark(margin, "in", &diagnostic.item);
        }
        if let Some(help) = &diagnostic.help {
            self.remark(margin, "help", help);
        }
        self.out.push('\n');
    }

    /// Draws where it is, and returns the width of the line number.
    fn place(&mut self, place: &Place, style: Style) -> usize {
        let excerpt = Excerpt::of(place);
        let number = excerpt.line.to_string();
        let margin = number.len();
        self.gutter(&format!("{:margin$}--> ", ""));
        let _ = writeln!(
            self.out,
            "{}:{number}:{}",
            escape::terminal(&place.source.name),
            excerpt.column
        );
        self.gutter(&format!("{:margin$} |", ""));
        self.out.push('\n');
        self.gutter(&format!("{number} |"));
        let _ = writeln!(self.out, " {}", excerpt.text.trim_end());
        self.gutter(&format!("{:margin$} | ", ""));
        let before = excerpt
            .text
            .get(..excerpt.caret.start)
            .unwrap_or_default()
            .width();
        let carets = excerpt
            .text
            .get(excerpt.caret)
            .unwrap_or_default()
            .width()
            .max(1);
        let _ = write!(self.out, "{:before$}", "");
        self.styled(style, &"^".repeat(carets));
        self.out.push('\n');
        margin
    }

    fn remark(&mut self, margin: usize, word: &str, text: &str) {
        self.gutter(&format!("{:margin$} = ", ""));
        self.styled(Style::new().bold(), word);
        let _ = writeln!(self.out, ": {}", escape::terminal(text));
    }

    fn gutter(&mut self, text: &str) {
        self.styled(AnsiColor::BrightBlue.on_default().bold(), text);
    }

    fn styled(&mut self, style: Style, text: &str) {
        if self.color {
            let _ = write!(self.out, "{style}{text}{style:#}");
        } else {
            self.out.push_str(text);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::render_text;
    use crate::{Diagnostic, Source};

    #[test]
    fn a_diagnostic_shows_code_place_caret_item_and_help() {
        let source = Source::file(
            "rules/audit.yaml",
            "- rule: a\n  condition: ka.vreb = create\n",
        );
        let diagnostic = Diagnostic::error("LOAD_ERR_COMPILE_CONDITION", "unknown field `ka.vreb`")
            .at(&source, 23..30)
            .within("rule \"a\" condition")
            .help("did you mean `ka.verb`?");
        insta::assert_snapshot!(render_text(&[diagnostic], false));
    }

    #[test]
    fn a_diagnostic_without_place_shows_its_message_only() {
        let diagnostic = Diagnostic::warning("LOAD_UNKNOWN_ITEM", "nothing in here");
        insta::assert_snapshot!(render_text(&[diagnostic], false));
    }

    #[test]
    fn hostile_text_is_shown_as_escapes_everywhere() {
        let source = Source::file("a\u{1b}[2J.yaml", "x: \u{1b}]0;owned\u{7} y\n");
        let diagnostic = Diagnostic::error("LOAD_ERR_VALIDATE", "bad \u{1b}[31mred\nline")
            .at(&source, 14..15)
            .within("rule \"\u{202e}evil\"")
            .help("look\u{0}here");
        let text = render_text(&[diagnostic], false);
        assert!(
            !text.chars().any(|c| c.is_control() && c != '\n'),
            "{text:?}"
        );
        insta::assert_snapshot!(text);
    }

    #[test]
    fn a_condition_of_twenty_kilobytes_on_one_line_stays_readable() {
        let line = format!(
            "  condition: ka.verb in ({} ka.vreb = x",
            "create, ".repeat(2500)
        );
        let at = line.find("ka.vreb").unwrap_or_default();
        let source = Source::file("long.yaml", line);
        let diagnostic = Diagnostic::error("LOAD_ERR_COMPILE_CONDITION", "unknown field")
            .at(&source, at..at + 7);
        insta::assert_snapshot!(render_text(&[diagnostic], false));
    }

    #[test]
    fn the_caret_stands_under_letters_that_are_two_columns_wide() {
        let source = Source::file("f", "大大 x y");
        let diagnostic = Diagnostic::error("E", "message").at(&source, 7..8);
        let text = render_text(&[diagnostic], false);
        assert!(text.contains("1 | 大大 x y\n  |      ^\n"), "{text}");
    }

    #[test]
    fn colour_is_only_there_when_it_is_asked_for() {
        let diagnostic = [Diagnostic::error("E", "message")];
        assert!(render_text(&diagnostic, true).contains('\u{1b}'));
        assert!(!render_text(&diagnostic, false).contains('\u{1b}'));
    }
}
