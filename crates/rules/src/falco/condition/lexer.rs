//! Reads tokens of a condition at a moving place.
//!
//! There is no separate token stream: which token is possible depends on the grammar's place (`in` may be glued to a
//! name, `oneof` may be a constant), so the parser asks for what it wants next.

use bstr::BString;

use super::parser::SyntaxError;

/// A text and how far it has been read.
#[derive(Clone, Debug)]
pub(super) struct Lexer<'t> {
    text: &'t str,
    pub(super) at: usize,
}

impl<'t> Lexer<'t> {
    pub(super) fn new(text: &'t str) -> Self {
        Self { text, at: 0 }
    }

    /// What has not been read.
    pub(super) fn rest(&self) -> &'t [u8] {
        self.text.as_bytes().get(self.at..).unwrap_or_default()
    }

    pub(super) fn at_end(&self) -> bool {
        self.at >= self.text.len()
    }

    pub(super) fn error(&self, message: impl Into<String>) -> SyntaxError {
        SyntaxError::new(self.text, self.at, message.into())
    }

    /// Skips blanks; false when there is none.
    pub(super) fn blank(&mut self) -> bool {
        let blanks = self
            .rest()
            .iter()
            .take_while(|&&byte| is_blank(byte))
            .count();
        self.at += blanks;
        blanks > 0
    }

    /// Takes exactly this text.
    pub(super) fn eat(&mut self, token: &str) -> bool {
        let found = self.rest().starts_with(token.as_bytes());
        if found {
            self.at += token.len();
        }
        found
    }

    /// Takes this word if a blank follows it, and the blanks.
    pub(super) fn eat_word(&mut self, word: &str) -> bool {
        let start = self.at;
        if self.eat(word) && self.blank() {
            return true;
        }
        self.at = start;
        false
    }

    /// A name: a letter, then letters, digits and underscores.
    pub(super) fn name(&mut self) -> Option<&'t str> {
        let length = name_length(self.rest())?;
        self.take(length)
    }

    /// Names joined by dots, two or more.
    pub(super) fn field_name(&mut self) -> Option<&'t str> {
        let rest = self.rest();
        let first = name_length(rest)?;
        let mut length = first;
        while let Some(next) = rest.get(length..).and_then(|rest| rest.strip_prefix(b".")) {
            let Some(name) = name_length(next) else { break };
            length += 1 + name;
        }
        if length == first {
            return None;
        }
        self.take(length)
    }

    /// A number, hexadecimal or decimal.
    pub(super) fn number(&mut self) -> Option<&'t str> {
        let rest = self.rest();
        let length = hexadecimal_length(rest).or_else(|| decimal_length(rest))?;
        self.take(length)
    }

    /// Text without quotes, parentheses, `=`, commas and white space.
    pub(super) fn bare_string(&mut self) -> Option<&'t str> {
        self.take_while(is_bare)
    }

    /// Text without brackets, quotes and white space.
    pub(super) fn bare_argument(&mut self) -> Option<&'t str> {
        self.take_while(|byte| !matches!(byte, b'[' | b']' | b'"' | b'\'') && !is_space(byte))
    }

    /// A quoted text, escapes decoded; `None`, and nothing read, when there is none or its end is missing.
    pub(super) fn quoted(&mut self) -> Result<Option<BString>, SyntaxError> {
        let Some((&quote @ (b'"' | b'\''), inside)) = self.rest().split_first() else {
            return Ok(None);
        };
        let Some(length) = quoted_length(inside, quote) else {
            return Ok(None);
        };
        self.at += length + 2;
        let text = unescape(inside.get(..length).unwrap_or_default(), quote);
        text.map(Some).ok_or_else(|| {
            self.error("the quoted text holds an escape that does not exist").help(
                "valid escapes are \\b \\f \\n \\r \\t \\\\ \\/ \\xNN and the quote character that encloses the text",
            )
        })
    }

    fn take(&mut self, length: usize) -> Option<&'t str> {
        let taken = self.text.get(self.at..self.at + length)?;
        self.at += length;
        Some(taken)
    }

    fn take_while(&mut self, wanted: impl Fn(u8) -> bool) -> Option<&'t str> {
        let length = self.rest().iter().take_while(|&&byte| wanted(byte)).count();
        if length == 0 { None } else { self.take(length) }
    }
}

/// What may stand between tokens.
pub(super) fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r' | 8)
}

/// What may stand in a text without quotes.
pub(super) fn is_bare(byte: u8) -> bool {
    !matches!(byte, b'(' | b')' | b'"' | b'\'' | b'=' | b',') && !is_space(byte)
}

/// POSIX white space.
fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t'..=b'\r')
}

fn name_length(bytes: &[u8]) -> Option<usize> {
    bytes.first().filter(|byte| byte.is_ascii_alphabetic())?;
    Some(
        bytes
            .iter()
            .take_while(|&&byte| byte.is_ascii_alphanumeric() || byte == b'_')
            .count(),
    )
}

fn digits(bytes: &[u8], at: usize) -> usize {
    let rest = bytes.get(at..).unwrap_or_default();
    rest.iter().take_while(|byte| byte.is_ascii_digit()).count()
}

fn hexadecimal_length(bytes: &[u8]) -> Option<usize> {
    let rest = bytes
        .strip_prefix(b"0x")
        .or_else(|| bytes.strip_prefix(b"0X"))?;
    let digits = rest
        .iter()
        .take_while(|byte| byte.is_ascii_hexdigit())
        .count();
    (digits > 0).then_some(digits + 2)
}

fn decimal_length(bytes: &[u8]) -> Option<usize> {
    let sign = usize::from(matches!(bytes.first(), Some(b'+' | b'-')));
    let whole = digits(bytes, sign);
    if whole == 0 {
        return None;
    }
    let mut length = sign + whole;
    if bytes.get(length) == Some(&b'.') {
        length += 1 + digits(bytes, length + 1);
    }
    let exponent = matches!(bytes.get(length), Some(b'e' | b'E'))
        && matches!(bytes.get(length + 1), Some(b'+' | b'-'));
    match digits(bytes, length + 2) {
        count if exponent && count > 0 => Some(length + 2 + count),
        _ => Some(length),
    }
}

/// How many bytes stand before the closing quote.
fn quoted_length(inside: &[u8], quote: u8) -> Option<usize> {
    let mut escaped = false;
    inside.iter().position(|&byte| {
        let closes = byte == quote && !escaped;
        escaped = byte == b'\\' && !escaped;
        closes
    })
}

fn unescape(inside: &[u8], quote: u8) -> Option<BString> {
    let mut text = Vec::with_capacity(inside.len());
    let mut rest = inside;
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        if byte != b'\\' {
            text.push(byte);
            continue;
        }
        let (&letter, after) = rest.split_first()?;
        rest = after;
        let decoded = match letter {
            b'b' => 8,
            b'f' => 12,
            b'n' => b'\n',
            b'r' => b'\r',
            b't' => b'\t',
            b'\\' | b'/' => letter,
            b' ' => b'\\',
            b'x' => {
                let byte = hexadecimal_byte(rest)?;
                rest = rest.get(2..).unwrap_or_default();
                byte
            }
            _ if letter == quote => quote,
            _ => return None,
        };
        text.push(decoded);
    }
    Some(text.into())
}

fn hexadecimal_byte(bytes: &[u8]) -> Option<u8> {
    let digits = bytes
        .get(..2)
        .filter(|digits| digits.iter().all(u8::is_ascii_hexdigit))?;
    u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
}
