//! Going through a segment from record to record, over damage.
//!
//! Recovery, the search for a place and readers all walk the same way, so they cannot disagree on
//! what a whole record is. A walk never fails and always ends: bytes that the disk refuses are
//! taken for zeros, which no checksum accepts, and every step moves on or says that it is the end.

use crate::layout::{RECORD_HEADER, RECORD_MAGIC, RecordHeader, Salt};
use bytes::Bytes;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;

/// Bytes read at a time.
const CHUNK: u64 = 256 << 10;
/// After an error of the disk, reading goes on at the next multiple of this.
const SECTOR: u64 = 4096;

/// Where a walk ends.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    /// Bytes of the file that count.
    pub(crate) limit: u64,
    /// The place after the segment's last, when it is known.
    pub(crate) end: Option<u64>,
}

impl Bounds {
    fn admits(self, place: u64) -> bool {
        self.end.is_none_or(|end| place < end)
    }
}

/// Whether payloads are read and checked, or hopped over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Payloads {
    Checked,
    Hopped,
}

/// What comes next in a segment.
#[derive(Debug)]
pub(crate) enum Step {
    /// A record; its payload is empty when payloads are hopped over.
    Record {
        header: RecordHeader,
        payload: Bytes,
        offset: u64,
    },
    /// Records that are lost.
    Damage(Gap),
    /// Nothing that is whole.
    End,
}

/// A spot that a walk passed over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Gap {
    pub(crate) offset: u64,
    pub(crate) bytes: u64,
    pub(crate) first: u64,
    pub(crate) records: u64,
}

/// A position in a segment.
#[derive(Debug)]
pub(crate) struct Walk {
    file: File,
    salt: Salt,
    /// Where the next record is looked for.
    pub(crate) offset: u64,
    /// The place that it should have.
    pub(crate) expected: u64,
    chunk: Bytes,
    chunk_at: u64,
    /// The first error of the disk, for those who must not take it for damage.
    pub(crate) trouble: Option<io::Error>,
}

impl Walk {
    /// Begins at a record: the place and offset that [`Segment::near`](crate::segment::Segment::near) gives.
    pub(crate) fn new(file: File, salt: Salt, (expected, offset): (u64, u64)) -> Self {
        Walk {
            file,
            salt,
            offset,
            expected,
            chunk: Bytes::new(),
            chunk_at: 0,
            trouble: None,
        }
    }

    /// Moves past the next record or the next damage.
    ///
    /// Where the end place is unknown, damage without a whole record after it is the end, and the
    /// offset stays before it: that is a torn tail.
    pub(crate) fn step(&mut self, bounds: Bounds, payloads: Payloads) -> Step {
        if !bounds.admits(self.expected) {
            return Step::End;
        }
        match self.whole_at(self.offset, bounds, payloads) {
            Some((header, _)) if header.place > self.expected => {
                Step::Damage(self.pass(self.offset, header.place))
            }
            Some((header, payload)) => {
                let offset = self.offset;
                self.offset = offset.saturating_add(header.total());
                self.expected = header.place.saturating_add(1);
                Step::Record {
                    header,
                    payload,
                    offset,
                }
            }
            None => self.skip(bounds),
        }
    }

    /// Goes on until the next record is the one with this place, or a later one. Gives the damage
    /// on the way.
    pub(crate) fn seek(&mut self, place: u64, bounds: Bounds) -> Vec<Gap> {
        let mut gaps = Vec::new();
        while self.expected < place {
            match self.step(bounds, Payloads::Hopped) {
                Step::Record { .. } => {}
                Step::Damage(gap) => gaps.push(gap),
                Step::End => break,
            }
        }
        gaps
    }

    /// Gives back the memory of what was read.
    pub(crate) fn rest(&mut self) {
        self.chunk = Bytes::new();
    }

    fn skip(&mut self, bounds: Bounds) -> Step {
        let broken = self.header_at(self.offset, bounds);
        let from = broken.map_or(self.offset.saturating_add(1), |header| {
            self.offset.saturating_add(header.total())
        });
        match (self.search(from, bounds), bounds.end) {
            (Some((offset, place)), _) => Step::Damage(self.pass(offset, place)),
            (None, Some(end)) => Step::Damage(self.pass(bounds.limit, end)),
            (None, None) => Step::End,
        }
    }

    fn pass(&mut self, offset: u64, place: u64) -> Gap {
        let gap = Gap {
            offset: self.offset,
            bytes: offset.saturating_sub(self.offset),
            first: self.expected,
            records: place.saturating_sub(self.expected),
        };
        self.offset = offset;
        self.expected = place;
        gap
    }

    /// The next whole record at or after an offset: its offset and place.
    fn search(&mut self, from: u64, bounds: Bounds) -> Option<(u64, u64)> {
        let mut at = from;
        while at.checked_add(RECORD_HEADER as u64)? <= bounds.limit {
            let window = self.window(at, bounds.limit);
            let found = window
                .windows(RECORD_MAGIC.len())
                .position(|bytes| bytes == RECORD_MAGIC);
            let Some(found) = found else {
                at += window.len().saturating_sub(RECORD_MAGIC.len() - 1).max(1) as u64;
                continue;
            };
            at += found as u64;
            if let Some((header, _)) = self.whole_at(at, bounds, Payloads::Checked) {
                return Some((at, header.place));
            }
            at += 1;
        }
        None
    }

    fn whole_at(
        &mut self,
        offset: u64,
        bounds: Bounds,
        payloads: Payloads,
    ) -> Option<(RecordHeader, Bytes)> {
        let header = self.header_at(offset, bounds)?;
        if payloads == Payloads::Hopped {
            return Some((header, Bytes::new()));
        }
        let payload = self.bytes(
            offset + RECORD_HEADER as u64,
            header.length.into(),
            bounds.limit,
        )?;
        let whole = self.salt.payload_checksum(&payload) == header.payload_checksum;
        whole.then_some((header, payload))
    }

    fn header_at(&mut self, offset: u64, bounds: Bounds) -> Option<RecordHeader> {
        let bytes = self.bytes(offset, RECORD_HEADER as u64, bounds.limit)?;
        let header = RecordHeader::decode(&bytes, self.salt)?;
        let fits = offset.checked_add(header.total())? <= bounds.limit;
        let ours = header.place >= self.expected && bounds.admits(header.place);
        (fits && ours).then_some(header)
    }

    /// Exactly `len` bytes, when the file has them below the limit.
    fn bytes(&mut self, offset: u64, len: u64, limit: u64) -> Option<Bytes> {
        if offset.checked_add(len)? > limit {
            return None;
        }
        if self.cached(offset).len() < usize::try_from(len).ok()? {
            self.load(offset, len.max(CHUNK.min(limit - offset)));
        }
        let bytes = self.cached(offset);
        let len = usize::try_from(len).ok()?;
        (bytes.len() >= len).then(|| bytes.slice(..len))
    }

    /// Whatever is at hand from an offset on, at least a header's length.
    fn window(&mut self, offset: u64, limit: u64) -> Bytes {
        if self.cached(offset).len() < RECORD_HEADER {
            self.load(offset, CHUNK.min(limit.saturating_sub(offset)));
        }
        self.cached(offset)
    }

    fn cached(&self, offset: u64) -> Bytes {
        let skip = offset
            .checked_sub(self.chunk_at)
            .and_then(|skip| usize::try_from(skip).ok());
        match skip {
            Some(skip) if skip <= self.chunk.len() => self.chunk.slice(skip..),
            _ => Bytes::new(),
        }
    }

    fn load(&mut self, offset: u64, len: u64) {
        let (bytes, trouble) = read(&self.file, offset, len);
        self.chunk = Bytes::from(bytes);
        self.chunk_at = offset;
        self.trouble = self.trouble.take().or(trouble);
    }
}

/// Reads, with zeros for what is missing or unreadable.
fn read(file: &File, offset: u64, len: u64) -> (Vec<u8>, Option<io::Error>) {
    let mut bytes = vec![0; usize::try_from(len).unwrap_or(0)];
    let mut trouble = None;
    let mut done = 0_u64;
    while let Some(rest) = bytes.get_mut(usize::try_from(done).unwrap_or(usize::MAX)..) {
        match file.read_at(rest, offset.saturating_add(done)) {
            Ok(0) => break,
            Ok(count) => done += count as u64,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => {
                trouble = trouble.or(Some(error));
                let at = offset.saturating_add(done);
                done += SECTOR - at % SECTOR;
            }
        }
    }
    (bytes, trouble)
}
