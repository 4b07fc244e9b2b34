//! Keys of extra values in the names of headers: `X-Remote-Extra-KEY` and `Impersonate-Extra-KEY`.
//!
//! Names of headers have no upper case and few signs, so keys are percent-encoded. [`encode`] is the inverse of [`extra_key`]:
//! what one end was allowed to say is what the other end hears.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, percent_encode};

/// What a header's name may hold besides lower-case letters and digits, `%` aside.
const PLAIN: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.');

/// The key that the rest of a header's name, in lower case, stands for. A broken escape leaves it as it is, as in Go.
pub(crate) fn extra_key(rest: &str) -> Vec<u8> {
    if is_escaped(rest) {
        percent_decode_str(rest).collect()
    } else {
        rest.as_bytes().to_vec()
    }
}

/// The rest of a header's name that stands for a key. Upper case is escaped, too: the reader makes names lower case first.
pub(crate) fn encode(key: &str) -> String {
    let mut encoded = String::with_capacity(key.len());
    for part in percent_encode(key.as_bytes(), PLAIN) {
        for character in part.chars() {
            match character {
                // Part of an escape that was just made, or a letter of the key.
                'A'..='Z' if !part.starts_with('%') => {
                    encoded.push_str(&format!("%{:02x}", u32::from(character)));
                }
                _ => encoded.push(character.to_ascii_lowercase()),
            }
        }
    }
    encoded
}

/// Whether every `%` is followed by two hexadecimal digits.
fn is_escaped(text: &str) -> bool {
    let digits = |part: &str| {
        let mut bytes = part.bytes();
        let mut is_digit = || bytes.next().is_some_and(|byte| byte.is_ascii_hexdigit());
        is_digit() && is_digit()
    };
    text.split('%').skip(1).all(digits)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn keys_are_read_as_go_reads_them() {
        let cases: [(&str, &[u8]); 9] = [
            ("scopes", b"scopes"),
            ("acme.com%2fproject", b"acme.com/project"),
            ("a%41", b"aA"),
            ("a%zz%2f", b"a%zz%2f"),
            ("100%", b"100%"),
            ("a%2", b"a%2"),
            ("a+b", b"a+b"),
            ("%ff", b"\xff"),
            ("", b""),
        ];
        for (rest, expected) in cases {
            assert_eq!(extra_key(rest), expected, "{rest}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_what_is_read(key in any::<String>()) {
            let written = encode(&key);
            prop_assert!(!written.bytes().any(|byte| byte.is_ascii_uppercase()));
            let name = format!("impersonate-extra-{written}");
            prop_assert!(http::HeaderName::from_bytes(name.as_bytes()).is_ok());
            prop_assert_eq!(extra_key(&written), key.as_bytes());
        }

        #[test]
        fn reading_never_panics(rest in any::<String>()) {
            extra_key(&rest);
        }
    }
}
