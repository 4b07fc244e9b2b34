//! Modifiers that rewrite texts before they are compared.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::pattern::{Pattern, Token};

/// The dashes that command lines accept.
const DASHES: [char; 5] = ['-', '/', '–', '—', '―'];

/// The text in UTF-16, a character for each byte.
pub(super) fn utf16(text: &str, big_endian: bool, mark: bool) -> String {
    let bytes = text.encode_utf16().flat_map(|unit| {
        if big_endian {
            unit.to_be_bytes()
        } else {
            unit.to_le_bytes()
        }
    });
    let mark: &[u8] = if mark { &[0xff, 0xfe] } else { &[] };
    mark.iter().copied().chain(bytes).map(char::from).collect()
}

/// The bytes that a text stands for: its UTF-8, or a byte for each character when it was encoded before.
pub(super) fn bytes_of(text: &str, is_encoded: bool) -> Vec<u8> {
    if is_encoded {
        text.chars()
            .filter_map(|byte| u8::try_from(byte).ok())
            .collect()
    } else {
        text.as_bytes().to_vec()
    }
}

/// The base64 of the bytes.
pub(super) fn base64(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

/// The part of the base64 that does not depend on what stands around the bytes, at each of three offsets.
pub(super) fn base64_at_offsets(bytes: &[u8]) -> [String; 3] {
    const LEADING: [usize; 3] = [0, 2, 3];
    const TRAILING: [usize; 3] = [0, 3, 2];
    [0_usize, 1, 2].map(|offset| {
        let mut padded = vec![b' '; offset];
        padded.extend_from_slice(bytes);
        let encoded = STANDARD.encode(&padded);
        let leading = LEADING.get(offset).copied().unwrap_or_default();
        let trailing = TRAILING.get(padded.len() % 3).copied().unwrap_or_default();
        let end = encoded.len().saturating_sub(trailing).max(leading);
        encoded.get(leading..end).unwrap_or_default().to_owned()
    })
}

/// The pattern with each dash or slash that begins a word as every kind of dash; `None` when there are too many.
pub(super) fn with_any_dash(pattern: &Pattern) -> Option<Vec<Pattern>> {
    const MAX_DASHES: usize = 4;
    let places: Vec<usize> = (0..pattern.0.len())
        .filter(|&at| begins_word(&pattern.0, at))
        .collect();
    if places.len() > MAX_DASHES {
        return None;
    }
    let mut patterns = vec![pattern.clone()];
    for at in places {
        patterns = patterns
            .iter()
            .flat_map(|pattern| DASHES.map(|dash| with_dash(pattern, at, dash)))
            .collect();
    }
    Some(patterns)
}

fn with_dash(pattern: &Pattern, at: usize, dash: char) -> Pattern {
    let mut pattern = pattern.clone();
    if let Some(token) = pattern.0.get_mut(at) {
        *token = Token::Char(dash);
    }
    pattern
}

/// A dash with no word before it and one behind.
fn begins_word(tokens: &[Token], at: usize) -> bool {
    let is_word = |token: Option<&Token>| matches!(token, Some(Token::Char(c)) if c.is_alphanumeric() || *c == '_');
    let is_dash = matches!(tokens.get(at), Some(Token::Char('-' | '/')));
    let before = at.checked_sub(1).and_then(|before| tokens.get(before));
    is_dash && !is_word(before) && is_word(tokens.get(at + 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_offset_is_found_in_the_base64_of_a_longer_text() {
        for before in 0..3 {
            let text = format!("{}system:masters and more", "x".repeat(before));
            let encoded = STANDARD.encode(&text);
            let found = base64_at_offsets(b"system:masters")
                .iter()
                .filter(|part| encoded.contains(part.as_str()))
                .count();
            assert_eq!(found, 1, "{text}");
        }
    }

    #[test]
    fn an_empty_text_has_an_empty_encoding_at_the_first_offset() {
        assert_eq!(base64_at_offsets(b"")[0], "");
    }
}
