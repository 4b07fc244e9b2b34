//! The index of a text: where its strings and brackets are, so that values can be stepped over without a look inside.

use super::block::{BLOCK, Block, Scanner, Seen};
use super::error::{Expected, JsonError};

/// One [`Block`] for each 64 bytes of a text. Reusable: building it again keeps the memory.
///
/// A built index vouches for two things: the text is UTF-8, and each string that begins in it ends in it. Everything
/// else is found out by walking. All functions are total: offsets from nowhere give `None`, never a panic.
#[derive(Clone, Debug, Default)]
pub(crate) struct Index {
    blocks: Vec<Block>,
    seen: Seen,
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
        self.blocks.clear();
        self.blocks
            .extend(whole.iter().map(|block| scanner.block(block)));
        self.blocks.push(scanner.tail(tail));
        self.seen = scanner.seen();
        if self.seen.non_ascii {
            check_utf8(bytes)?;
        }
        if scanner.in_string() {
            return Err(JsonError::UnterminatedString {
                offset: self.last_quote(),
            });
        }
        Ok(())
    }

    /// Whether the text has any escape.
    #[inline]
    pub(crate) fn has_escapes(&self) -> bool {
        self.seen.backslash
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
    ///
    /// Whole blocks are counted, not looked at, while they close fewer brackets than are open. The two kinds of brackets count
    /// alike: `[}` passes here, and is found out where a reader goes in.
    #[inline(always)]
    fn container_end(&self, start: usize) -> Option<usize> {
        let mut number = start / BLOCK;
        let first = self.blocks.get(number)?;
        let (mut opens, mut closes) = (first.opens, first.closes);
        opens &= !0 << (start % BLOCK);
        closes &= !0 << (start % BLOCK);
        let mut depth = 0;
        loop {
            let closing = closes.count_ones();
            if closing >= depth
                && let Some(at) = balance(opens, closes, depth)
            {
                return Some(number * BLOCK + at + 1);
            }
            // No closing bracket of this block was one too many, so the difference is not negative.
            depth = (depth + opens.count_ones()).saturating_sub(closing);
            number += 1;
            Block { opens, closes, .. } = *self.blocks.get(number)?;
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

/// The closing bracket that brings `depth` open ones to none.
#[inline(always)]
fn balance(opens: u64, mut closes: u64, depth: u32) -> Option<usize> {
    let mut closed = 0;
    while closes != 0 {
        let before = opens & (closes & closes.wrapping_neg()).wrapping_sub(1);
        closed += 1;
        if depth + before.count_ones() == closed {
            return Some(bit(closes));
        }
        closes &= closes - 1;
    }
    None
}

/// The number of the lowest bit.
#[inline(always)]
fn bit(bits: u64) -> usize {
    bits.trailing_zeros() as usize
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
