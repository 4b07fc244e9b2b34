//! The index of a text: where its strings and brackets are, so that values can be stepped over without a look inside.

use super::block::{BLOCK, Block, Depth, Scanner, bit};
use super::error::{Expected, JsonError};

/// One [`Block`] for each 64 bytes of a text. Reusable: building it again keeps the memory.
///
/// A built index vouches for two things: the text is UTF-8, and each string that begins in it ends in it. Everything
/// else is found out by walking. All functions are total: offsets from nowhere give `None`, never a panic.
#[derive(Clone, Debug, Default)]
pub(crate) struct Index {
    blocks: Vec<Block>,
}

impl Index {
    /// Indexes `bytes`.
    ///
    /// # Errors
    ///
    /// [`JsonError::NotUtf8`], [`JsonError::UnterminatedString`], or [`JsonError::TooLong`].
    #[inline]
    pub(crate) fn build(&mut self, bytes: &[u8]) -> Result<(), JsonError> {
        if u32::try_from(bytes.len()).is_err() {
            return Err(JsonError::TooLong {
                length: bytes.len(),
            });
        }
        let mut scanner = Scanner::default();
        let (whole, tail) = bytes.as_chunks::<BLOCK>();
        // Nothing is written twice: what is there from the last text is overwritten in place.
        self.blocks.resize(whole.len() + 1, Block::default());
        for (block, bytes) in self.blocks.iter_mut().zip(whole) {
            *block = scanner.block(bytes);
        }
        if let Some(block) = self.blocks.last_mut() {
            *block = scanner.tail(tail);
        }
        if !scanner.is_ascii() {
            check_utf8(bytes)?;
        }
        if scanner.in_string() {
            return Err(JsonError::UnterminatedString {
                offset: self.last_quote(),
            });
        }
        Ok(())
    }

    /// Whether there is a backslash from `start` up to but without `end`.
    #[inline(always)]
    pub(crate) fn has_backslash(&self, start: usize, end: usize) -> bool {
        let (first, last) = (start / BLOCK, end / BLOCK);
        let within = |number: usize| {
            let mut bits = self.blocks.get(number).map_or(0, |block| block.backslashes);
            if number == first {
                bits &= !0 << (start % BLOCK);
            }
            if number == last {
                bits &= !(!0 << (end % BLOCK));
            }
            bits != 0
        };
        within(first) || (first < last && (first + 1..=last).any(within))
    }

    /// The first quote at `from` or later that begins or ends a string.
    #[inline(always)]
    pub(crate) fn quote(&self, from: usize) -> Option<usize> {
        let mut number = from / BLOCK;
        let mut quotes = self.blocks.get(number)?.quotes & (!0 << (from % BLOCK));
        while quotes == 0 {
            number += 1;
            quotes = self.blocks.get(number)?.quotes;
        }
        Some(number * BLOCK + bit(quotes))
    }

    /// Where the value that starts at `start` of `bytes` ends: the offset behind it.
    ///
    /// # Errors
    ///
    /// [`JsonError::Unexpected`] when no value starts there, [`JsonError::Unclosed`] when it never ends.
    #[inline(always)]
    pub(crate) fn value_end(&self, bytes: &[u8], start: usize) -> Result<usize, JsonError> {
        match bytes.get(start) {
            Some(b'"') => {
                let end = self.quote(start + 1);
                end.map(|at| at + 1)
                    .ok_or(JsonError::UnterminatedString { offset: start })
            }
            Some(b'{' | b'[') => self
                .container_end(start)
                .ok_or(JsonError::Unclosed { offset: start }),
            _ => match scalar_end(bytes, start) {
                end if end > start => Ok(end),
                _ => Err(JsonError::unexpected(bytes, start, Expected::Value)),
            },
        }
    }

    /// Where the object or array that opens at `start` ends: the offset behind its closing bracket.
    #[inline(always)]
    fn container_end(&self, start: usize) -> Option<usize> {
        let mut number = start / BLOCK;
        let mut depth = Depth::default();
        let mut block = self.blocks.get(number)?.from(start % BLOCK);
        loop {
            if let Some(at) = depth.closed(block) {
                return Some(number * BLOCK + at + 1);
            }
            number += 1;
            block = *self.blocks.get(number)?;
        }
    }

    fn last_quote(&self) -> usize {
        let last = self
            .blocks
            .iter()
            .enumerate()
            .rev()
            .find(|(_, block)| block.quotes != 0);
        last.map_or(0, |(number, block)| {
            number * BLOCK + BLOCK - 1 - block.quotes.leading_zeros() as usize
        })
    }
}

/// The first offset at `from` or later where no blank stands.
#[inline(always)]
pub(crate) fn skip_blanks(bytes: &[u8], from: usize) -> usize {
    let mut at = from;
    while let Some(b' ' | b'\t' | b'\n' | b'\r') = bytes.get(at) {
        at += 1;
    }
    at
}

/// Where the number or word that starts at `start` ends.
#[inline(always)]
pub(crate) fn scalar_end(bytes: &[u8], start: usize) -> usize {
    let mut at = start;
    while let Some(byte) = bytes.get(at) {
        if matches!(
            byte,
            b' ' | b'\t' | b'\n' | b'\r' | b',' | b':' | b']' | b'}' | b'[' | b'{' | b'"'
        ) {
            break;
        }
        at += 1;
    }
    at
}

#[cold]
#[inline(never)]
fn check_utf8(bytes: &[u8]) -> Result<(), JsonError> {
    std::str::from_utf8(bytes)
        .map(drop)
        .map_err(|error| JsonError::NotUtf8 {
            offset: error.valid_up_to(),
        })
}
