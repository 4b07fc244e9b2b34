//! Letter case: whether it matters, and the letter that stands for all cases of one.
//!
//! Folding is Unicode's simple case folding, one character to one character, as the `regex` crate has it: patterns and plain texts
//! then agree about what is equal. Full folding (`ß` to `ss`) would change lengths and agree with neither.

use std::borrow::Cow;

/// Whether letter case matters.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Letters {
    /// Letters are compared as they are.
    Exact,
    /// Letters of any script are equal to their other cases (Unicode simple case folding).
    Folded,
}

/// The text with every letter replaced by the one that stands for all its cases. Allocates only when something changes.
pub fn fold(text: &[u8]) -> Cow<'_, [u8]> {
    if text.is_ascii() {
        return if text.iter().any(u8::is_ascii_uppercase) {
            Cow::Owned(text.to_ascii_lowercase())
        } else {
            Cow::Borrowed(text)
        };
    }
    let folded: String = String::from_utf8_lossy(text)
        .chars()
        .map(fold_char)
        .collect();
    Cow::Owned(folded.into_bytes())
}

/// The letter that stands for all cases of a letter.
///
/// The lower case of the upper case, where both are one character: `ſ` is an `s` and the Kelvin sign a `k`, as Unicode's simple
/// case folding has it. The dotless `ı` has no other case there.
pub fn fold_char(character: char) -> char {
    if character == 'ı' {
        return character;
    }
    let upper = single(character.to_uppercase()).unwrap_or(character);
    single(upper.to_lowercase()).unwrap_or(upper)
}

fn single(mut cases: impl Iterator<Item = char>) -> Option<char> {
    let first = cases.next();
    first.filter(|_| cases.next().is_none())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folding_is_that_of_regular_expressions() {
        // The regex crate may be of an older Unicode version; letters that it does not know are left out.
        let known = regex::Regex::new(r"\A\p{Assigned}\z").unwrap();
        let different: Vec<char> = (0..=u32::from(char::MAX))
            .filter_map(char::from_u32)
            .filter(|&character| {
                let folded = fold_char(character);
                let written = character.to_string();
                folded != character && known.is_match(&written) && {
                    let regex = format!(r"(?i)\A\x{{{:X}}}\z", u32::from(character));
                    !regex::Regex::new(&regex)
                        .unwrap()
                        .is_match(folded.encode_utf8(&mut [0; 4]))
                }
            })
            .collect();
        assert_eq!(different, [], "folded to what is no other case");
    }
}
