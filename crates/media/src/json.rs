//! JSON as it is written, up to a limit, and where its strings end.

use crate::Unreadable;
use crate::number::float;

/// Text that grows up to a limit.
///
/// Everything that is longer is refused before memory is taken for it.
#[derive(Debug)]
pub(crate) struct Json {
    text: Vec<u8>,
    limit: usize,
}

/// The text would be longer than its limit.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("the JSON would be too long")]
pub(crate) struct TooLong;

impl Json {
    /// Empty, and never longer than this.
    pub(crate) fn new(limit: usize) -> Self {
        Self {
            text: Vec::new(),
            limit,
        }
    }

    /// Adds text as it is.
    ///
    /// # Errors
    ///
    /// When there is no room for it; then nothing is added.
    pub(crate) fn raw(&mut self, text: &[u8]) -> Result<(), TooLong> {
        if text.len() > self.limit - self.text.len() {
            return Err(TooLong);
        }
        let needed = self.text.len() + text.len();
        if needed > self.text.capacity() {
            let capacity = needed.max(2 * self.text.capacity()).min(self.limit);
            self.text.reserve_exact(capacity - self.text.len());
        }
        self.text.extend_from_slice(text);
        Ok(())
    }

    /// Adds a string in quotes. Each byte that is no UTF-8 becomes the escape of U+FFFD, as Go writes it.
    ///
    /// # Errors
    ///
    /// When there is no room for it.
    pub(crate) fn string(&mut self, bytes: &[u8]) -> Result<(), TooLong> {
        self.raw(b"\"")?;
        for chunk in bytes.utf8_chunks() {
            self.escaped(chunk.valid())?;
            for _ in chunk.invalid() {
                self.raw(br"\ufffd")?;
            }
        }
        self.raw(b"\"")
    }

    /// Adds a number as Go writes it.
    ///
    /// # Errors
    ///
    /// When there is no room for it, or JSON has no such number.
    pub(crate) fn float(&mut self, number: f64) -> Result<(), Unreadable> {
        let text = float(number).ok_or(Unreadable::Malformed)?;
        Ok(self.raw(text.as_bytes())?)
    }

    /// What is written so far.
    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.text
    }

    /// How long it may get.
    pub(crate) fn limit(&self) -> usize {
        self.limit
    }

    /// Takes everything back behind the first bytes.
    pub(crate) fn truncate(&mut self, length: usize) {
        self.text.truncate(length);
    }

    /// The text.
    pub(crate) fn into_bytes(self) -> Vec<u8> {
        self.text
    }

    fn escaped(&mut self, mut text: &str) -> Result<(), TooLong> {
        let needs_escape = |byte: &u8| *byte < 0x20 || matches!(byte, b'"' | b'\\');
        while let Some(at) = text.as_bytes().iter().position(needs_escape) {
            let (plain, rest) = text.split_at(at);
            self.raw(plain.as_bytes())?;
            let mut rest = rest.chars();
            if let Some(character) = rest.next() {
                self.escape(character)?;
            }
            text = rest.as_str();
        }
        self.raw(text.as_bytes())
    }

    fn escape(&mut self, character: char) -> Result<(), TooLong> {
        match character {
            '"' => self.raw(b"\\\""),
            '\\' => self.raw(b"\\\\"),
            '\n' => self.raw(b"\\n"),
            '\r' => self.raw(b"\\r"),
            '\t' => self.raw(b"\\t"),
            '\u{8}' => self.raw(b"\\b"),
            '\u{c}' => self.raw(b"\\f"),
            other => self.raw(format!("\\u{:04x}", u32::from(other)).as_bytes()),
        }
    }
}

/// Where the quote is that ends a string, in the text behind its opening quote; the end of the text, if there is none.
#[inline]
pub(crate) fn string_end(text: &[u8]) -> usize {
    let mut from = 0;
    while let Some(at) = memchr::memchr2(b'"', b'\\', text.get(from..).unwrap_or_default()) {
        if text.get(from + at) == Some(&b'"') {
            return from + at;
        }
        from += at + 2;
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_are_quoted_and_nothing_grows_beyond_the_limit() {
        let mut json = Json::new(24);
        assert_eq!(json.string(b"a\"\\\n\x01\xffb"), Ok(()));
        assert_eq!(json.raw(b"123"), Err(TooLong));
        let text = String::from_utf8(json.into_bytes());
        assert_eq!(text.as_deref(), Ok("\"a\\\"\\\\\\n\\u0001\\ufffdb\""));
    }
}
