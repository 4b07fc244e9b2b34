//! Texts as Go writes them: in JSON, and as literals in messages.

use std::fmt::Write as _;

use crate::encode::quoted;

/// A text as JSON, with the escapes of [`crate::encode`].
pub fn json(text: &str) -> String {
    let mut out = Vec::with_capacity(text.len() + 2);
    quoted(&mut out, text);
    String::from_utf8(out).unwrap_or_default()
}

/// What stands behind the quote that ends a text, of which the one that begins it is taken off already. A backslash takes the meaning from what
/// follows it.
pub(crate) fn behind_quote(text: &str) -> Option<&str> {
    let mut is_escaped = false;
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b'"' if !is_escaped => return text.get(at + 1..),
            b'\\' => is_escaped = !is_escaped,
            _ => is_escaped = false,
        }
    }
    None
}

/// A text as a Go string literal (`%q`, `strconv.Quote`).
pub fn literal(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for character in text.chars() {
        let number = u32::from(character);
        let _ = match character {
            '"' | '\\' => write!(quoted, "\\{character}"),
            '\n' => quoted.write_str("\\n"),
            '\r' => quoted.write_str("\\r"),
            '\t' => quoted.write_str("\\t"),
            '\u{7}' => quoted.write_str("\\a"),
            '\u{8}' => quoted.write_str("\\b"),
            '\u{b}' => quoted.write_str("\\v"),
            '\u{c}' => quoted.write_str("\\f"),
            _ if is_printable(character) => quoted.write_char(character),
            '\0'..=' ' | '\u{7f}' => write!(quoted, "\\x{number:02x}"),
            '\u{80}'..='\u{ffff}' => write!(quoted, "\\u{number:04x}"),
            _ => write!(quoted, "\\U{number:08x}"),
        };
    }
    quoted.push('"');
    quoted
}

/// Whether Go shows the character as it is. Rust escapes the same in the middle of a text, marks that need a letter before
/// them excepted at its beginning.
fn is_printable(character: char) -> bool {
    let mut text = [0; 5];
    let length = character.len_utf8();
    if let Some((first, rest)) = text.split_first_mut() {
        *first = b'a';
        character.encode_utf8(rest);
    }
    let text = text.get(..=length).unwrap_or_default();
    let text = std::str::from_utf8(text).unwrap_or_default();
    text.escape_debug().nth(1) != Some('\\') || character == '\''
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_quoted_as_go_quotes_them() {
        let cases = [
            ("a'b", r#""a'b""#),
            ("a\"\\\n\t\u{7}\u{b}\0\u{7f}", r#""a\"\\\n\t\a\v\x00\x7f""#),
            (
                "\u{e9}\u{301}\u{20ac}\u{1f600}",
                "\"\u{e9}\u{301}\u{20ac}\u{1f600}\"",
            ),
            ("\u{301}", "\"\u{301}\""),
            (
                "\u{a0}\u{200b}\u{2028}\u{feff}",
                r#""\u00a0\u200b\u2028\ufeff""#,
            ),
            ("\u{e0001}", r#""\U000e0001""#),
            ("\u{202e}<&>", "\"\\u202e<&>\""),
        ];
        for (text, expected) in cases {
            assert_eq!(literal(text), expected);
        }
    }
}
