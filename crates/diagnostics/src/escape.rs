//! Text from outside, made safe to show on a terminal.
//!
//! Whoever sends a request to the API server writes much of its audit event: names, paths, user agents, whole bodies. Rule files come
//! from strangers too.
//! Printed raw, such text can colour or erase what an operator reads, forge a line, retitle the window, swap the order of
//! words (bidirectional overrides), or carry characters that nobody sees (zero-width and tag characters). Here all of them
//! become visible: `\n`, `\r`, `\t`, and `\u{1b}` for anything else.
//!
//! The rule is a list of refused ranges, not of permitted ones: permitting only ASCII would be shorter, and would make names
//! in most of the world's scripts unreadable. A backslash stays as it is, so an escape cannot be told from the same text
//! written by an attacker; that costs nothing, since neither does anything to a terminal.

use std::borrow::Cow;
use std::fmt::Write;

/// Characters that have no place in one line of text: controls, formatting and invisible characters. First and last of each
/// range, in order.
const HOSTILE: &[(char, char)] = &[
    ('\u{0}', '\u{1f}'),         // C0 controls: escape sequences, newlines, backspace
    ('\u{7f}', '\u{9f}'),        // delete, C1 controls: one-byte forms of escape sequences
    ('\u{ad}', '\u{ad}'),        // soft hyphen
    ('\u{34f}', '\u{34f}'),      // combining grapheme joiner
    ('\u{600}', '\u{605}'),      // Arabic number signs
    ('\u{61c}', '\u{61c}'),      // Arabic letter mark
    ('\u{6dd}', '\u{6dd}'),      // Arabic end of ayah
    ('\u{70f}', '\u{70f}'),      // Syriac abbreviation mark
    ('\u{890}', '\u{891}'),      // Arabic pound and piastre marks above
    ('\u{8e2}', '\u{8e2}'),      // Arabic disputed end of ayah
    ('\u{115f}', '\u{1160}'),    // Hangul fillers
    ('\u{17b4}', '\u{17b5}'),    // Khmer inherent vowels
    ('\u{180b}', '\u{180f}'),    // Mongolian selectors
    ('\u{200b}', '\u{200f}'),    // zero-width space and joiners, direction marks
    ('\u{2028}', '\u{202e}'),    // line and paragraph separators, direction overrides
    ('\u{2060}', '\u{206f}'),    // word joiner, invisible operators, direction isolates
    ('\u{3164}', '\u{3164}'),    // Hangul filler
    ('\u{e000}', '\u{f8ff}'),    // private use: whatever the font makes of it
    ('\u{fe00}', '\u{fe0f}'),    // variation selectors
    ('\u{feff}', '\u{feff}'),    // byte order mark
    ('\u{ffa0}', '\u{ffa0}'),    // half-width Hangul filler
    ('\u{fff0}', '\u{fffb}'),    // specials: interlinear annotation
    ('\u{fffe}', '\u{ffff}'),    // no characters
    ('\u{110bd}', '\u{110bd}'),  // Kaithi number sign
    ('\u{110cd}', '\u{110cd}'),  // Kaithi number sign above
    ('\u{13430}', '\u{1343f}'),  // Egyptian format controls
    ('\u{1bca0}', '\u{1bca3}'),  // shorthand format controls
    ('\u{1d173}', '\u{1d17a}'),  // musical format controls
    ('\u{e0000}', '\u{10ffff}'), // tags, more selectors, private planes
];

/// The text with every character that could act on a terminal, or hide on it, made visible. The result is one line.
///
/// ```
/// use kubevigil_diagnostics::escape::terminal;
///
/// assert_eq!(terminal("web-1"), "web-1");
/// assert_eq!(terminal("\u{1b}[2Jgone\n"), r"\u{1b}[2Jgone\n");
/// ```
pub fn terminal(text: &str) -> Cow<'_, str> {
    if !text.chars().any(is_hostile) {
        return Cow::Borrowed(text);
    }
    let mut visible = String::with_capacity(text.len() + 16);
    for character in text.chars() {
        push_visible(&mut visible, character);
    }
    Cow::Owned(visible)
}

/// As [`terminal`], for bytes that may not be UTF-8: what is not becomes U+FFFD.
pub fn terminal_bytes(bytes: &[u8]) -> Cow<'_, str> {
    match String::from_utf8_lossy(bytes) {
        Cow::Borrowed(text) => terminal(text),
        Cow::Owned(text) => Cow::Owned(terminal(&text).into_owned()),
    }
}

/// Whether a character could act on a terminal or hide on it.
pub fn is_hostile(character: char) -> bool {
    if (' '..='~').contains(&character) {
        return false;
    }
    let after = HOSTILE.partition_point(|&(first, _)| first <= character);
    after
        .checked_sub(1)
        .and_then(|at| HOSTILE.get(at))
        .is_some_and(|&(_, last)| character <= last)
}

/// Appends a character of a source's line as [`terminal`] shows it, but for tabs, which keep their width in an excerpt.
pub(crate) fn push_escaped(out: &mut String, character: char) {
    match character {
        '\t' => out.push_str("    "),
        other => push_visible(out, other),
    }
}

fn push_visible(visible: &mut String, character: char) {
    match character {
        '\n' => visible.push_str("\\n"),
        '\r' => visible.push_str("\\r"),
        '\t' => visible.push_str("\\t"),
        hostile if is_hostile(hostile) => {
            // Writing to a string cannot fail.
            let _ = write!(visible, "\\u{{{:x}}}", u32::from(hostile));
        }
        harmless => visible.push(harmless),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn hostile_text_becomes_visible() {
        let cases = [
            ("plain ASCII \\ \"quotes\" ~", "plain ASCII \\ \"quotes\" ~"),
            (
                "Grüße, 日本, здравствуйте, 👩",
                "Grüße, 日本, здравствуйте, 👩",
            ),
            ("\u{1b}[31mred\u{1b}[0m", r"\u{1b}[31mred\u{1b}[0m"),
            ("\u{1b}]0;title\u{7}", r"\u{1b}]0;title\u{7}"),
            ("\u{9b}31m", r"\u{9b}31m"),
            ("one\ntwo\r\nthree\tfour", r"one\ntwo\r\nthree\tfour"),
            ("erase\u{8}\u{7f}", r"erase\u{8}\u{7f}"),
            ("admin\u{202e}gpj.exe", r"admin\u{202e}gpj.exe"),
            ("\u{2066}isolate\u{2069}", r"\u{2066}isolate\u{2069}"),
            (
                "pay\u{200b}pal\u{feff}\u{ad}",
                r"pay\u{200b}pal\u{feff}\u{ad}",
            ),
            ("line\u{2028}break\u{85}", r"line\u{2028}break\u{85}"),
            ("tags\u{e0041}\u{e0100}", r"tags\u{e0041}\u{e0100}"),
            ("nul\0", r"nul\u{0}"),
        ];
        for (hostile, visible) in cases {
            assert_eq!(terminal(hostile), visible, "{hostile:?}");
        }
    }

    #[test]
    fn harmless_text_is_not_copied() {
        assert!(matches!(terminal("kube-system/web-1"), Cow::Borrowed(_)));
    }

    #[test]
    fn bytes_that_are_not_text_are_replaced() {
        assert_eq!(terminal_bytes(b"a\xff\x1bb"), "a\u{fffd}\\u{1b}b");
        assert_eq!(terminal_bytes(b"plain"), "plain");
    }

    #[test]
    fn ranges_are_sorted_and_do_not_overlap() {
        assert!(HOSTILE.iter().all(|(first, last)| first <= last));
        assert!(HOSTILE.windows(2).all(|pair| pair[0].1 < pair[1].0));
    }

    proptest! {
        #[test]
        fn nothing_hostile_is_left_and_harmless_text_is_kept(text in any::<String>()) {
            let visible = terminal(&text);
            prop_assert!(!visible.chars().any(is_hostile));
            prop_assert!(!visible.chars().any(char::is_control));
            prop_assert_eq!(&terminal(&visible), &visible);
            let harmless: String = text.chars().filter(|&c| !is_hostile(c)).collect();
            prop_assert_eq!(terminal(&harmless), harmless.as_str());
        }
    }
}
