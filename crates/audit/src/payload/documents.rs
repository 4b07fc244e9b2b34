//! JSON values one after another, as people paste them.

use std::ops::Range;

use super::skip_mark;
use crate::json::{Expected, JsonError};

/// How often a value that never ends may cost a reading of all the rest. After that a value must end before the next
/// line that could begin one, so that time stays proportional to the text whatever it holds.
const PATIENCE: u32 = 16;

/// The JSON objects and arrays in a text: one after another, separated by blanks or nothing, each on one line or
/// pretty-printed over many.
///
/// A value that is broken (a bracket never closed, a line that ends inside a string, text that begins no value) gives
/// one error, and the search goes on at the next line that has `{` or `[` in its first column. Only brackets and strings
/// are looked at: what a value is, [`split`](super::split) finds out.
///
/// ```
/// use kubevigil_audit::payload::Documents;
///
/// let text = b"{\n  \"stage\": \"Panic\"\n}\n\nSome words.\n{\"stage\":\"ResponseComplete\"}";
/// let found: Vec<_> = Documents::new(text).collect();
/// assert_eq!(found[0].as_ref().unwrap().range, 0..22);
/// assert_eq!(found[1].as_ref().unwrap_err().line, 5);
/// assert_eq!(found[2].as_ref().unwrap().line, 6);
/// ```
#[derive(Clone, Debug)]
pub struct Documents<'t> {
    text: &'t [u8],
    at: usize,
    /// The line that `at` is on, counted from 1.
    line: u64,
    patience: u32,
}

/// One value of [`Documents`].
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Document {
    /// Where it stands in the text, in bytes.
    pub range: Range<usize>,
    /// The line that it begins on, counted from 1.
    pub line: u64,
}

/// A part of the text of [`Documents`] that holds no whole value.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("line {line}: {error}")]
pub struct DocumentError {
    /// What is passed over, in bytes.
    pub range: Range<usize>,
    /// The line that it begins on, counted from 1.
    pub line: u64,
    /// What is wrong; its offsets count from the beginning of the text.
    pub error: JsonError,
}

impl<'t> Documents<'t> {
    /// The values in `text`; a byte order mark before them is passed over.
    pub fn new(text: &'t [u8]) -> Self {
        Self {
            text,
            at: skip_mark(text),
            line: 1,
            patience: PATIENCE,
        }
    }

    /// Where the value at `start` ends.
    fn end(&mut self, start: usize) -> Result<usize, JsonError> {
        if !matches!(self.text.get(start), Some(b'{' | b'[')) {
            return Err(JsonError::unexpected(
                self.text,
                start,
                Expected::ObjectOrArray,
            ));
        }
        let limit = if self.patience > 0 {
            self.text.len()
        } else {
            self.next_start(start)
        };
        let text = self.text.get(..limit).unwrap_or_default();
        container_end(text, start).inspect_err(|error| {
            if matches!(error, JsonError::Unclosed { .. }) {
                self.patience = self.patience.saturating_sub(1);
            }
        })
    }

    /// The next line behind `from` with `{` or `[` in its first column; the end of the text if there is none.
    fn next_start(&self, from: usize) -> usize {
        let rest = self.text.get(from..).unwrap_or_default();
        memchr::memchr_iter(b'\n', rest)
            .map(|newline| from + newline + 1)
            .find(|&start| matches!(self.text.get(start), Some(b'{' | b'[')))
            .unwrap_or(self.text.len())
    }

    /// Goes to `at`, counting lines.
    fn advance(&mut self, at: usize) {
        let passed = self.text.get(self.at..at).unwrap_or_default();
        self.line += memchr::memchr_iter(b'\n', passed).count() as u64;
        self.at = at;
    }
}

impl Iterator for Documents<'_> {
    type Item = Result<Document, DocumentError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.advance(crate::json::skip_blanks(self.text, self.at));
        let (start, line) = (self.at, self.line);
        if start >= self.text.len() {
            return None;
        }
        let end = self.end(start);
        self.advance(end.unwrap_or_else(|_| self.next_start(start)));
        let range = start..self.at;
        Some(match end {
            Ok(_) => Ok(Document { range, line }),
            Err(error) => Err(DocumentError { range, line, error }),
        })
    }
}

/// Where the object or array at `start` ends.
fn container_end(text: &[u8], start: usize) -> Result<usize, JsonError> {
    let mut depth = 0_usize;
    let mut at = start;
    while let Some(byte) = text.get(at) {
        match byte {
            b'"' => at = string_end(text, at)?,
            b'{' | b'[' => depth += 1,
            b'}' | b']' if depth == 1 => return Ok(at + 1),
            b'}' | b']' => depth -= 1,
            _ => {}
        }
        at += 1;
    }
    Err(JsonError::Unclosed { offset: start })
}

/// The closing quote of the string at `start`, on the same line.
fn string_end(text: &[u8], start: usize) -> Result<usize, JsonError> {
    let mut at = start + 1;
    loop {
        let rest = text.get(at..).unwrap_or_default();
        match memchr::memchr3(b'"', b'\\', b'\n', rest) {
            Some(found) if rest.get(found) == Some(&b'"') => return Ok(at + found),
            Some(found) if rest.get(found) == Some(&b'\\') => at += found + 2,
            _ => return Err(JsonError::UnterminatedString { offset: start }),
        }
    }
}
