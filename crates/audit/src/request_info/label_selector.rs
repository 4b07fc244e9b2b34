//! Whether a label selector is valid: a list request with one that is not loses the name that its field selector gives.
//!
//! The grammar is that of `k8s.io/apimachinery/pkg/labels`: requirements between commas, each `key`, `!key`, `key = value` (also `==`,
//! `!=`, `<`, `>`) or `key in (a, b)` (also `notin`).

use std::iter::Peekable;
use std::str::Chars;

/// Whether the selector is valid. The empty one is.
pub(super) fn is_valid(selector: &str) -> bool {
    let mut tokens = Tokens(selector.chars().peekable())
        .collect::<Vec<_>>()
        .into_iter()
        .peekable();
    if tokens.peek().is_none() {
        return true;
    }
    loop {
        if requirement(&mut tokens).is_none() {
            return false;
        }
        match tokens.next() {
            None => return true,
            Some(Token::Comma) if tokens.peek().is_some() => {}
            Some(_) => return false,
        }
    }
}

#[derive(Clone, Debug, Eq, PartialEq)]
enum Token {
    Word(String),
    Not,
    /// `=`, `==`, `!=`
    Equals,
    /// `<`, `>`
    Order,
    Open,
    Close,
    Comma,
}

struct Tokens<'s>(Peekable<Chars<'s>>);

impl Tokens<'_> {
    fn followed_by_equals(&mut self) -> bool {
        self.0.next_if_eq(&'=').is_some()
    }
}

impl Iterator for Tokens<'_> {
    type Item = Token;

    fn next(&mut self) -> Option<Token> {
        while self
            .0
            .next_if(|c| matches!(c, ' ' | '\t' | '\r' | '\n'))
            .is_some()
        {}
        Some(match self.0.next()? {
            '(' => Token::Open,
            ')' => Token::Close,
            ',' => Token::Comma,
            '<' | '>' => Token::Order,
            '=' => {
                self.followed_by_equals();
                Token::Equals
            }
            '!' if self.followed_by_equals() => Token::Equals,
            '!' => Token::Not,
            first => {
                let mut word = String::from(first);
                let ends = |c: &char| {
                    matches!(
                        c,
                        '(' | ')' | ',' | '<' | '>' | '=' | '!' | ' ' | '\t' | '\r' | '\n'
                    )
                };
                while let Some(next) = self.0.next_if(|c| !ends(c)) {
                    word.push(next);
                }
                Token::Word(word)
            }
        })
    }
}

type Rest = Peekable<std::vec::IntoIter<Token>>;

/// Reads one requirement up to its end.
fn requirement(tokens: &mut Rest) -> Option<()> {
    let negated = tokens.next_if_eq(&Token::Not).is_some();
    let Token::Word(key) = tokens.next()? else {
        return None;
    };
    if !is_label_key(&key) {
        return None;
    }
    if negated || matches!(tokens.peek(), None | Some(Token::Comma)) {
        return Some(());
    }
    match tokens.next()? {
        Token::Equals => is_label_value(&value(tokens)?).then_some(()),
        Token::Order => value(tokens)?.parse::<i64>().ok().map(|_| ()),
        Token::Word(word) if matches!(word.as_str(), "in" | "notin") => list(tokens),
        _ => None,
    }
}

/// The value behind an operator; nothing there is the empty value.
fn value(tokens: &mut Rest) -> Option<String> {
    match tokens.peek() {
        None | Some(Token::Comma) => Some(String::new()),
        Some(Token::Word(_)) => match tokens.next()? {
            Token::Word(word) => Some(word),
            _ => None,
        },
        Some(_) => None,
    }
}

/// Values in parentheses, between commas; a place without a value is the empty one, but `()` has none and is a mistake.
fn list(tokens: &mut Rest) -> Option<()> {
    (tokens.next()? == Token::Open).then_some(())?;
    if tokens.peek() == Some(&Token::Close) {
        return None;
    }
    loop {
        match tokens.next()? {
            Token::Close => return Some(()),
            Token::Comma => {}
            Token::Word(word) if is_label_value(&word) => {
                if !matches!(tokens.peek()?, Token::Comma | Token::Close) {
                    return None;
                }
            }
            _ => return None,
        }
    }
}

/// A qualified name: up to 63 letters, digits, `-`, `_`, `.`, alphanumeric at both ends, behind an optional DNS subdomain and `/`.
fn is_label_key(key: &str) -> bool {
    match key.split_once('/') {
        Some((prefix, name)) => is_subdomain(prefix) && !name.is_empty() && is_label_value(name),
        None => !key.is_empty() && is_label_value(key),
    }
}

fn is_label_value(value: &str) -> bool {
    let alphanumeric = |byte: Option<&u8>| byte.is_none_or(u8::is_ascii_alphanumeric);
    let bytes = value.as_bytes();
    let inner = bytes
        .iter()
        .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'));
    bytes.len() <= 63 && inner && alphanumeric(bytes.first()) && alphanumeric(bytes.last())
}

/// A DNS subdomain (RFC 1123): lower case, at most 253 bytes, each label alphanumeric at both ends.
pub fn is_subdomain(text: &str) -> bool {
    let is_label = |label: &str| {
        let bytes = label.as_bytes();
        let alphanumeric = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
        bytes.iter().all(|byte| alphanumeric(byte) || *byte == b'-')
            && bytes.first().is_some_and(alphanumeric)
            && bytes.last().is_some_and(alphanumeric)
    };
    text.len() <= 253 && text.split('.').all(is_label)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn selectors_are_judged_as_apimachinery_does() {
        for (selector, expected) in [
            ("", true),
            ("a", true),
            ("!a", true),
            ("a=b,c!=d", true),
            ("a==", true),
            ("a in (b, c)", true),
            ("a in ()", false),
            ("a in (,)", true),
            ("a notin (b)", true),
            ("in in (in)", true),
            ("a>1", true),
            ("a>b", false),
            ("a in (", false),
            ("-bad-", false),
            ("example.com/a=b", true),
            ("Example.com/a=b", false),
            ("a,", false),
            ("a=b=c", false),
        ] {
            assert_eq!(is_valid(selector), expected, "{selector}");
        }
    }
}
