//! Bearer tokens: who may send events.
//!
//! A token is compared by its hash: hashes have one length, and comparing them takes the same time wherever they differ, so
//! that neither the length of a token nor its first characters leak.

use std::path::Path;

use http::HeaderValue;
use subtle::{Choice, ConstantTimeEq};

use super::credentials::CredentialsError;

/// Shorter tokens can be guessed.
const SHORTEST: usize = 16;

/// The tokens that are valid now.
#[derive(Debug)]
pub(super) struct Tokens {
    hashes: Vec<[u8; 32]>,
}

impl Tokens {
    /// Reads a token file: one token a line; empty lines and lines that begin with `#` do not count.
    pub(super) fn parse(path: &Path, content: &[u8]) -> Result<Self, CredentialsError> {
        let mut hashes = Vec::new();
        for (index, line) in content.split(|byte| *byte == b'\n').enumerate() {
            let token = line.trim_ascii();
            if token.is_empty() || token.starts_with(b"#") {
                continue;
            }
            if token.len() < SHORTEST || !token.iter().all(u8::is_ascii_graphic) {
                return Err(CredentialsError::Token {
                    path: path.into(),
                    line: index + 1,
                });
            }
            hashes.push(*blake3::hash(token).as_bytes());
        }
        if hashes.is_empty() {
            return Err(CredentialsError::NoToken { path: path.into() });
        }
        Ok(Self { hashes })
    }

    /// Whether an `Authorization` header bears one of the tokens.
    pub(super) fn allow(&self, authorization: Option<&HeaderValue>) -> bool {
        let Some(token) = authorization.and_then(|value| bearer(value.as_bytes())) else {
            return false;
        };
        let hash = blake3::hash(token);
        let compare = |found, known: &[u8; 32]| found | known.ct_eq(hash.as_bytes());
        // All are compared: which one matched must not show either.
        self.hashes.iter().fold(Choice::from(0), compare).into()
    }
}

fn bearer(value: &[u8]) -> Option<&[u8]> {
    let (scheme, token) = value.split_at_checked("Bearer ".len())?;
    scheme
        .eq_ignore_ascii_case(b"Bearer ")
        .then(|| token.trim_ascii())
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: &str = "0123456789abcdef-one";
    const TWO: &str = "0123456789abcdef-two";

    fn parse(content: &str) -> Result<Tokens, CredentialsError> {
        Tokens::parse(Path::new("tokens"), content.as_bytes())
    }

    #[test]
    fn every_token_of_the_file_is_valid_and_nothing_else_is() {
        let tokens = parse(&format!("# old\n{ONE}\r\n\n  {TWO}\n")).unwrap();
        let cases = [
            (format!("Bearer {ONE}"), true),
            (format!("bearer  {TWO} "), true),
            (format!("Bearer {ONE}x"), false),
            (format!("Bearer {}", ONE.trim_start_matches('0')), false),
            (format!("Basic {ONE}"), false),
            (ONE.to_owned(), false),
            ("Bearer # old".to_owned(), false),
            ("Bearer ".to_owned(), false),
            (String::new(), false),
        ];
        for (header, expected) in cases {
            let value = HeaderValue::from_str(&header).unwrap();
            assert_eq!(tokens.allow(Some(&value)), expected, "{header:?}");
        }
        assert!(!tokens.allow(None));
    }

    #[test]
    fn a_file_without_usable_tokens_is_an_error_that_does_not_show_them() {
        let cases = [
            ("# nothing\n", "tokens holds no token"),
            ("\nshort\n", "line 2 of tokens is not a token"),
            ("0123456789 abcdefgh\n", "line 1 of tokens is not a token"),
        ];
        for (content, expected) in cases {
            let error = parse(content).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
            assert!(!error.contains("short") || content.len() > 20, "{error}");
        }
    }
}
