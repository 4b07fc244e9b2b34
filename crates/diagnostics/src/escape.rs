//! Hostile characters made visible.

use std::fmt::Write as _;

/// Appends a character so that it can only be seen, never obeyed, by a terminal or a log viewer.
///
/// Control characters would move the cursor, and the bidirectional and invisible format characters would show a text
/// in another order than it is read; both come out as escapes.
pub(crate) fn push_escaped(out: &mut String, character: char) {
    match character {
        '\n' => out.push_str("\\n"),
        '\r' => out.push_str("\\r"),
        '\t' => out.push_str("    "),
        hostile if is_hostile(hostile) => {
            // Writing into a String cannot fail.
            let _ = write!(out, "{}", hostile.escape_unicode());
        }
        harmless => out.push(harmless),
    }
}

/// The text with every hostile character made visible.
pub(crate) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    text.chars()
        .for_each(|character| push_escaped(&mut out, character));
    out
}

fn is_hostile(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::escape;

    #[test]
    fn what_a_terminal_would_obey_becomes_visible() {
        assert_eq!(
            escape("a\u{1b}[31mb\u{202e}c\nd\u{9b}"),
            "a\\u{1b}[31mb\\u{202e}c\\nd\\u{9b}"
        );
    }

    #[test]
    fn ordinary_letters_of_any_script_stay() {
        assert_eq!(escape("Größe 大 \"'`"), "Größe 大 \"'`");
    }
}
