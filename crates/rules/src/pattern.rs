//! Texts with wildcards.

use std::fmt::Write as _;

/// A text in which some characters stand for any other: the whole of a value must match it.
#[derive(Clone, Debug, Default, Eq, Hash, PartialEq)]
pub struct Pattern(pub Vec<Token>);

/// A part of a [`Pattern`].
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Token {
    /// This character.
    Char(char),
    /// Any one character.
    One,
    /// Any number of characters, line breaks included.
    Many,
}

impl Pattern {
    /// A text without wildcards.
    pub fn literal(text: &str) -> Self {
        Self(text.chars().map(Token::Char).collect())
    }

    /// The text, when there is no wildcard.
    pub fn as_literal(&self) -> Option<String> {
        self.0
            .iter()
            .map(|token| match token {
                Token::Char(character) => Some(*character),
                Token::One | Token::Many => None,
            })
            .collect()
    }

    /// The text between wildcards at the ends, and whether there is one in front and behind; `None` with a wildcard inside.
    pub fn as_part(&self) -> Option<(bool, String, bool)> {
        let is_many = |token: Option<&Token>| token == Some(&Token::Many);
        let (front, back) = (is_many(self.0.first()), is_many(self.0.last()));
        let many = |token: &&Token| **token == Token::Many;
        let start = self.0.iter().take_while(many).count();
        let end = self.0.iter().rev().take_while(many).count();
        let body = self.0.get(start..self.0.len().saturating_sub(end))?;
        Some((front, Self(body.to_vec()).as_literal()?, back))
    }

    /// Whether any text matches.
    pub fn matches_everything(&self) -> bool {
        !self.0.is_empty() && self.0.iter().all(|token| *token == Token::Many)
    }

    /// A regular expression that matches where the pattern does, in the syntax of the `regex` crate with the flag `s`.
    pub fn to_regex(&self) -> String {
        let inner = |token: &Token| *token == Token::Many;
        let start = self.0.iter().take_while(|token| inner(token)).count();
        let end = self.0.iter().rev().take_while(|token| inner(token)).count();
        let body = self.0.get(start..self.0.len().saturating_sub(end));
        let mut text = String::from(if start == 0 { r"\A" } else { "" });
        for token in body.unwrap_or_default() {
            match token {
                Token::Char(character) if character.is_ascii_punctuation() => {
                    let _ = write!(text, r"\x{:02X}", u32::from(*character));
                }
                Token::Char(character) => text.push(*character),
                Token::One => text.push('.'),
                Token::Many => text.push_str(".*"),
            }
        }
        if end == 0 {
            text.push_str(r"\z");
        }
        text
    }
}

/// The expression for a text that matches any of several patterns.
pub fn any_of(patterns: &[Pattern], letters: super::json_test::Letters) -> String {
    let flags = match letters {
        super::json_test::Letters::Exact => "(?s)",
        super::json_test::Letters::Folded => "(?si)",
    };
    let parts: Vec<String> = patterns.iter().map(Pattern::to_regex).collect();
    format!("{flags}(?:{})", parts.join("|"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json_test::Letters;

    #[test]
    fn a_pattern_is_the_regular_expression_that_it_should_be() {
        let many = Token::Many;
        let text = |text: &str| Pattern::literal(text).0;
        for (tokens, matching, other) in [
            (text("a.b"), "A.B", "aXb"),
            (
                [vec![many], text("a"), vec![Token::One]].concat(),
                "xxaÄ",
                "xxa",
            ),
            (
                [text("a"), vec![many], text("b")].concat(),
                "a\n\nb",
                "a\nb ",
            ),
            (vec![many], "", "never"),
            (text("ſ"), "S", "f"),
        ] {
            let regex = any_of(&[Pattern(tokens.clone())], Letters::Folded);
            let regex = regex::Regex::new(&regex).unwrap();
            assert!(regex.is_match(matching), "{regex} {matching:?}");
            assert!(
                tokens == [many] || !regex.is_match(other),
                "{regex} {other:?}"
            );
        }
    }
}
