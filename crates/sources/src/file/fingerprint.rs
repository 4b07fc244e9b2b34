//! What a file begins with, as proof that it is the file it seems to be.
//!
//! The number of a deleted file goes to a new one, a file truncated in place keeps its number, and a compressed backup has another: only
//! the text tells. The first kilobyte of an audit log holds audit IDs and times to the microsecond; no two logs share it by
//! chance. A hole of NUL bytes before the text (spec 9.1) tells nothing and is stepped over.

use std::io::{self, Read};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::compression::{self, Format, MAGIC_LENGTH};
use super::fs::Handle;

/// So many bytes are compared by default.
pub const DEFAULT_LENGTH: usize = 1024;

/// The digest of the first bytes of a text, after a hole.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Fingerprint {
    /// Where they begin: the length of the hole, nearly always 0.
    pub at: u64,
    /// How many bytes: all of a shorter text.
    pub length: usize,
    /// The first half of their BLAKE3 digest, in hexadecimal; empty for no bytes.
    pub digest: String,
}

/// The first bytes of a file's text, decompressed.
#[derive(Clone, Debug)]
pub struct Head {
    /// How the file is stored.
    pub format: Format,
    /// Where the text begins, after a hole.
    pub at: u64,
    /// The bytes from there: at most the length that was asked for.
    pub text: Vec<u8>,
}

impl Fingerprint {
    /// The fingerprint of a text that begins so.
    pub fn of(head: &Head) -> Self {
        Self {
            at: head.at,
            length: head.text.len(),
            digest: digest(&head.text),
        }
    }

    /// Whether a text that begins so may be this one, grown since.
    pub fn begins(&self, head: &Head) -> bool {
        let start = head.text.get(..self.length);
        self.length == 0 || (self.at == head.at && start.is_some_and(|s| digest(s) == self.digest))
    }

    /// Whether a text in another file is this one, of which `read` bytes were read. A short text proves little as a beginning (every
    /// audit event starts alike), so it must be the same as a whole, or hold all that was read.
    pub fn is_copied(&self, head: &Head, read: u64, full_length: usize) -> bool {
        let whole = self.length == head.text.len();
        let telling = self.length >= full_length || whole || read <= self.at + self.length as u64;
        self.length > 0 && telling && self.begins(head)
    }
}

fn digest(text: &[u8]) -> String {
    let whole = blake3::hash(text).to_hex();
    whole.chars().take(32).collect()
}

impl Head {
    /// Reads the first `length` bytes of a file's text. What a damaged archive holds before the damage counts. `hole` is where the
    /// text began last time, to spare a walk through it.
    ///
    /// # Errors
    ///
    /// What the system says when the file is read.
    pub fn read(file: &Arc<impl Handle>, length: usize, hole: u64) -> io::Result<Self> {
        let mut magic = [0; MAGIC_LENGTH];
        let count = FileReader::new(Arc::clone(file), 0).read_full(&mut magic)?;
        let format = Format::of(magic.get(..count).unwrap_or_default());
        let start = |offset| FileReader::new(Arc::clone(file), offset);
        if matches!(format, Format::Gzip | Format::Zstd) {
            let (_, reader) = compression::decode(Box::new(start(0)))?;
            let (at, text) = after_hole(reader, length).unwrap_or_default();
            return Ok(Self { format, at, text });
        }
        if hole > 0 && magic.starts_with(&[0]) {
            let (skipped, text) = after_hole(start(hole - 1), length)?;
            if skipped == 1 {
                return Ok(Self {
                    format,
                    at: hole,
                    text,
                });
            }
        }
        let (at, text) = after_hole(start(0), length)?;
        Ok(Self { format, at, text })
    }
}

/// The length of the hole that a text begins with, and `length` bytes from there. An error after them is none.
fn after_hole(mut reader: impl Read, length: usize) -> io::Result<(u64, Vec<u8>)> {
    let mut chunk = vec![0; length.max(1)];
    let mut at = 0;
    loop {
        let count = reader.read(&mut chunk)?;
        let read = chunk.get(..count).unwrap_or_default();
        let nuls = read.iter().take_while(|byte| **byte == 0).count();
        at += nuls as u64;
        if count == 0 || nuls < count {
            let mut text = read.get(nuls..).unwrap_or_default().to_vec();
            text.truncate(length);
            let rest = (length - text.len()) as u64;
            let _cut = reader.take(rest).read_to_end(&mut text);
            return Ok((at, text));
        }
        chunk.resize(64 << 10, 0);
    }
}

/// Reads a file from an offset on; at its end it reads nothing, and more once the file has grown.
#[derive(Debug)]
pub struct FileReader<F> {
    file: Arc<F>,
    offset: u64,
}

impl<F: Handle> FileReader<F> {
    /// Begins at `offset`.
    pub fn new(file: Arc<F>, offset: u64) -> Self {
        Self { file, offset }
    }

    fn read_full(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let mut filled = 0;
        while let Some(rest) = into.get_mut(filled..).filter(|rest| !rest.is_empty()) {
            match self.read(rest)? {
                0 => break,
                count => filled += count,
            }
        }
        Ok(filled)
    }
}

impl<F: Handle> Read for FileReader<F> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let count = self.file.read_at(into, self.offset)?;
        self.offset += count as u64;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(text: &[u8]) -> Head {
        let (at, text) = after_hole(text, 8).unwrap();
        let format = Format::Plain;
        Head { format, at, text }
    }

    #[test]
    fn a_text_is_known_by_its_beginning_when_that_tells_enough() {
        let short = Fingerprint::of(&head(b"abc"));
        assert!(short.begins(&head(b"abcd")) && short.begins(&head(b"abc")));
        assert!(!short.begins(&head(b"ab")) && !short.begins(&head(b"xbcd")));
        assert!(short.is_copied(&head(b"abc"), 4, 8) && !short.is_copied(&head(b"abcd"), 4, 8));
        assert!(short.is_copied(&head(b"abcd"), 3, 8));
        let long = Fingerprint::of(&head(b"abcdefgh"));
        assert!(long.is_copied(&head(b"abcdefghi"), 9, 8));
        let nothing = Fingerprint::of(&head(b""));
        assert!(nothing.begins(&head(b"x")) && !nothing.is_copied(&head(b""), 0, 8));
    }

    #[test]
    fn a_hole_tells_nothing_and_what_follows_does() {
        let hole = vec![0; 200_000];
        let text = [&hole[..], b"abcdefgh"].concat();
        let first = Fingerprint::of(&head(&text));
        assert_eq!((first.at, first.length), (200_000, 8));
        assert!(!first.begins(&head(b"abcdefgh")));
        assert_eq!(Fingerprint::of(&head(&hole)).length, 0);
        assert!(!Fingerprint::of(&head(&hole)).is_copied(&head(&hole), 0, 8));
    }
}
