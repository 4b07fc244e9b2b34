//! Lines out of a stream of bytes.
//!
//! A line is the unit of an audit log: the API server writes each event with one `write` and one newline (spec 9). The
//! reader hands out [`Bytes`] that share its buffer, so a line is copied only when it straddles two reads. The price: a line that is kept pins the
//! buffer it came from (up to 1 MiB), so keep a copy of what is kept for long.
//!
//! What it promises whatever the bytes: memory stays below the limit on a line plus two buffers, line numbers and
//! offsets are exact, and an odd stretch (blank lines, holes of NUL bytes, a line without end) costs only itself.
//!
//! The end of the stream is not the end of the log: [`LineReader::next_line`] holds an unfinished last line back and goes on when the
//! stream has more; [`LineReader::finish`] takes it as it is.

use std::io::{self, Read};

use bytes::{Buf, Bytes, BytesMut};
use memchr::memchr;

/// The longest line that is read by default: 16 MiB. The API server's own limit on an event is 100 KiB, but it can be switched off.
pub const DEFAULT_LINE_LIMIT: usize = 16 << 20;

/// The most that is asked of the stream at once.
const CHUNK: usize = 1 << 20;

/// The least: a pipe holds this much, and an idle file should not cost a whole chunk.
const SMALL_CHUNK: usize = 64 << 10;

/// What the next line is.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Item {
    /// A line within the limit that is not blank.
    Line(Line),
    /// A line beyond the limit; its bytes are gone.
    TooLong(LineTooLong),
}

/// A line, without its line end (`\n` or `\r\n`) and without NUL bytes before it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Line {
    /// Its bytes.
    pub bytes: Bytes,
    /// Its number in the stream, from 1; blank lines count.
    pub number: u64,
    /// Where it begins: the offset of its first byte in the (uncompressed) stream.
    pub offset: u64,
}

/// A line that is longer than the limit was skipped.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct LineTooLong {
    /// Its number in the stream, from 1.
    pub line: u64,
    /// The offset of its first byte.
    pub offset: u64,
    /// Its length in bytes, without the newline.
    pub length: u64,
}

/// A place between two lines.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Place {
    /// Bytes before it.
    pub offset: u64,
    /// Lines before it.
    pub lines: u64,
}

/// Reads lines from a stream; see the module's page.
#[derive(Debug)]
pub struct LineReader<R> {
    reader: R,
    /// Read, but not handed out.
    buffer: BytesMut,
    /// So many bytes of the buffer hold no newline.
    searched: usize,
    /// Where the buffer begins.
    place: Place,
    /// The over-long line that the buffer continues.
    skipping: Option<LineTooLong>,
    limit: usize,
    blank: u64,
    ask: usize,
}

impl<R: Read> LineReader<R> {
    /// Reads `reader` from its first line; lines longer than `limit` bytes are skipped and reported.
    pub fn new(reader: R, limit: usize) -> Self {
        Self::resume(reader, limit, Place::default())
    }

    /// Reads `reader`, which stands at `place` of its log already.
    pub fn resume(reader: R, limit: usize, place: Place) -> Self {
        Self {
            reader,
            buffer: BytesMut::new(),
            searched: 0,
            place,
            skipping: None,
            limit,
            blank: 0,
            ask: SMALL_CHUNK,
        }
    }

    /// The next whole line. `None` when the stream has no more for now: an unfinished last line is held back, and a later call
    /// goes on where this one stopped.
    ///
    /// # Errors
    ///
    /// What the stream says. Reading may be tried again.
    pub fn next_line(&mut self) -> io::Result<Option<Item>> {
        loop {
            if let Some(item) = self.next_buffered() {
                return Ok(Some(item));
            }
            self.shed();
            if self.fill()? == 0 {
                return Ok(None);
            }
        }
    }

    /// The next whole line of those that were read already; never reads, so never waits.
    pub fn next_buffered(&mut self) -> Option<Item> {
        while let Some(end) = self.find_newline() {
            let item = self.take_line(end);
            if item.is_some() {
                return item;
            }
        }
        None
    }

    /// The unfinished last line, when there is one: the stream has ended and nothing more will come.
    pub fn finish(&mut self) -> Option<Item> {
        let end = self.buffer.len();
        if end == 0 && self.skipping.is_none() {
            return None;
        }
        self.take_line(end)
    }

    /// The next line, and at the end of the stream the unfinished one.
    ///
    /// # Errors
    ///
    /// What the stream says.
    pub fn next_or_last(&mut self) -> io::Result<Option<Item>> {
        match self.next_line()? {
            Some(item) => Ok(Some(item)),
            None => Ok(self.finish()),
        }
    }

    /// The place after the last line that was handed out: reading from there sees the rest of the lines, each once.
    pub fn place(&self) -> Place {
        match &self.skipping {
            Some(long) => Place {
                offset: long.offset,
                lines: self.place.lines,
            },
            None => self.place,
        }
    }

    /// How much has been read: the offset after the last byte that the stream gave.
    pub fn read_to(&self) -> u64 {
        self.place.offset + self.buffer.len() as u64
    }

    /// The unfinished last line as far as it is known, without NUL bytes before it.
    pub fn held_back(&self) -> &[u8] {
        &self.buffer
    }

    /// How many blank lines there were.
    pub fn blank_lines(&self) -> u64 {
        self.blank
    }

    fn find_newline(&mut self) -> Option<usize> {
        let found = memchr(b'\n', self.buffer.get(self.searched..)?);
        match found {
            Some(at) => Some(self.searched + at),
            None => {
                self.searched = self.buffer.len();
                None
            }
        }
    }

    /// Takes the line whose newline is at `end` of the buffer. `None` when it is blank.
    fn take_line(&mut self, end: usize) -> Option<Item> {
        let with_newline = (end + 1).min(self.buffer.len());
        let mut bytes = self.buffer.split_to(with_newline).freeze();
        self.searched = 0;
        let start = self.place;
        self.place.offset += with_newline as u64;
        self.place.lines += 1;
        bytes.truncate(end);
        if let Some(mut long) = self.skipping.take() {
            long.length += end as u64;
            return Some(Item::TooLong(long));
        }
        let before = leading_noise(&bytes, start);
        bytes.advance(before);
        self.judge(bytes, start.offset + before as u64)
    }

    fn judge(&mut self, mut bytes: Bytes, offset: u64) -> Option<Item> {
        let number = self.place.lines;
        if bytes.len() > self.limit {
            let length = bytes.len() as u64;
            return Some(Item::TooLong(LineTooLong {
                line: number,
                offset,
                length,
            }));
        }
        if bytes.last() == Some(&b'\r') {
            bytes.truncate(bytes.len() - 1);
        }
        if bytes.first().is_none_or(u8::is_ascii_whitespace) && bytes.trim_ascii().is_empty() {
            self.blank += 1;
            return None;
        }
        Some(Item::Line(Line {
            bytes,
            number,
            offset,
        }))
    }

    /// Lets go of what need not be kept while a line is unfinished: NUL bytes before it, and all of it once it is too long.
    fn shed(&mut self) {
        if self.skipping.is_none() && self.buffer.first() == Some(&0) {
            let nuls = leading_nuls(&self.buffer);
            self.drop_front(nuls);
        }
        if self.skipping.is_none() && self.buffer.len() > self.limit.saturating_add(1) {
            self.skipping = Some(LineTooLong {
                line: self.place.lines + 1,
                offset: self.place.offset,
                length: 0,
            });
        }
        if let Some(long) = &mut self.skipping {
            let all = self.buffer.len();
            long.length += all as u64;
            self.drop_front(all);
        }
    }

    fn drop_front(&mut self, count: usize) {
        self.buffer.advance(count);
        self.place.offset += count as u64;
        self.searched = self.buffer.len();
    }

    /// Reads once; how much came.
    fn fill(&mut self) -> io::Result<usize> {
        let kept = self.buffer.len();
        // Doubling keeps the copying of a long unfinished line linear.
        self.buffer.reserve(self.ask.max(kept));
        self.buffer.resize(kept + self.ask, 0);
        let spare = self.buffer.get_mut(kept..).unwrap_or_default();
        let read = read_some(&mut self.reader, spare);
        let count = *read.as_ref().unwrap_or(&0);
        self.buffer.truncate(kept + count);
        self.ask = (count * 2).clamp(SMALL_CHUNK, CHUNK);
        if self.buffer.is_empty() {
            self.buffer = BytesMut::new();
        }
        read
    }
}

fn read_some(reader: &mut impl Read, into: &mut [u8]) -> io::Result<usize> {
    loop {
        match reader.read(into) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}

/// Bytes before the line's text that are none of it: a hole that a truncation left behind (spec 9.1), and at the very
/// start of a stream a byte order mark.
fn leading_noise(line: &[u8], place: Place) -> usize {
    let mark = place.offset == 0 && line.starts_with(b"\xef\xbb\xbf");
    if mark { 3 } else { leading_nuls(line) }
}

fn leading_nuls(bytes: &[u8]) -> usize {
    bytes
        .iter()
        .position(|byte| *byte != 0)
        .unwrap_or(bytes.len())
}

#[cfg(test)]
mod tests;
