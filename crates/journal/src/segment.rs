//! The segments of a journal, as everybody in the process sees them.

use crate::folder::{segment_name, sync_directory};
use crate::hold::hold;
use crate::layout::{SEGMENT_HEADER, Salt, SegmentHeader, VERSION};
use crate::record::nanoseconds;
use std::collections::VecDeque;
use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::SystemTime;

/// Bytes between two entries of the sparse index: 4 KiB of index for a segment of 64 MiB, and a
/// walk over at most this much to find a record.
const INDEX_STRIDE: u64 = 256 << 10;

/// One file of records.
#[derive(Debug)]
pub(crate) struct Segment {
    /// The place of its first record.
    pub(crate) first: u64,
    pub(crate) path: PathBuf,
    pub(crate) salt: Salt,
    extent: Mutex<Extent>,
}

#[derive(Debug)]
struct Extent {
    /// Bytes that are on disk.
    len: u64,
    /// When the newest record was written.
    newest_ns: u64,
    /// Places and offsets, rising. Empty for a segment that was sealed before this process.
    index: Vec<(u64, u64)>,
}

impl Segment {
    pub(crate) fn new(path: PathBuf, first: u64, salt: Salt, len: u64, newest_ns: u64) -> Self {
        let extent = Mutex::new(Extent {
            len,
            newest_ns,
            index: Vec::new(),
        });
        Segment {
            first,
            path,
            salt,
            extent,
        }
    }

    /// Makes a new segment, on disk with its name before this returns.
    ///
    /// A file of this name is one that holds no record: a creation that failed, or an empty segment
    /// that could not be written. It is begun again in place. Removing it instead, here or after a
    /// failure, could take the name from a file that is still written to.
    pub(crate) fn create(dir: &Path, first: u64, salt: Salt) -> io::Result<(File, Self)> {
        let path = dir.join(segment_name(first));
        let created_ns = nanoseconds(SystemTime::now());
        let header = SegmentHeader {
            version: VERSION,
            first,
            salt,
            created_ns,
        }
        .encode();
        let mut file = open_options().create(true).truncate(true).open(&path)?;
        file.write_all(&header)?;
        file.sync_all()?;
        sync_directory(dir)?;
        let segment = Segment::new(path, first, salt, SEGMENT_HEADER as u64, created_ns);
        Ok((file, segment))
    }

    pub(crate) fn len(&self) -> u64 {
        hold(&self.extent).len
    }

    pub(crate) fn newest_ns(&self) -> u64 {
        hold(&self.extent).newest_ns
    }

    /// More bytes are on disk.
    pub(crate) fn grow(&self, len: u64, newest_ns: u64) {
        let mut extent = hold(&self.extent);
        extent.len = len;
        extent.newest_ns = newest_ns;
    }

    /// Notes where a record lies, when the last note is far enough behind.
    pub(crate) fn note(&self, place: u64, offset: u64) {
        let mut extent = hold(&self.extent);
        let last = extent
            .index
            .last()
            .map_or(SEGMENT_HEADER as u64, |(_, offset)| *offset);
        if offset >= last.saturating_add(INDEX_STRIDE) {
            extent.index.push((place, offset));
        }
    }

    /// The nearest known record at or before a place: its place and offset.
    pub(crate) fn near(&self, place: u64) -> (u64, u64) {
        let extent = hold(&self.extent);
        let after = extent.index.partition_point(|(known, _)| *known <= place);
        let found = after
            .checked_sub(1)
            .and_then(|index| extent.index.get(index));
        found
            .copied()
            .unwrap_or((self.first, SEGMENT_HEADER as u64))
    }
}

/// How segment files are opened to be written: by their owner alone.
pub(crate) fn open_options() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.read(true).write(true).mode(0o600);
    options
}

/// All segments, oldest first, and the end of what readers may see.
#[derive(Debug)]
pub(crate) struct Catalogue {
    pub(crate) segments: VecDeque<Arc<Segment>>,
    /// The place that the next record gets.
    pub(crate) next: u64,
    /// Nothing more will come.
    pub(crate) closed: bool,
}

/// What a reader may see of one segment at one moment.
#[derive(Debug)]
pub(crate) struct View {
    pub(crate) segment: Arc<Segment>,
    /// Bytes on disk.
    pub(crate) limit: u64,
    /// The place after the last that belongs to the segment.
    pub(crate) end: u64,
}

impl Catalogue {
    /// The oldest place that is kept, or the next one when nothing is.
    pub(crate) fn oldest(&self) -> u64 {
        self.segments
            .front()
            .map_or(self.next, |segment| segment.first)
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.segments.iter().map(|segment| segment.len()).sum()
    }

    /// The segment that owns a place; `None` when the place is not kept or not yet written.
    pub(crate) fn view(&self, place: u64) -> Option<View> {
        if place >= self.next {
            return None;
        }
        let after = self
            .segments
            .partition_point(|segment| segment.first <= place);
        let segment = self.segments.get(after.checked_sub(1)?)?.clone();
        let end = self
            .segments
            .get(after)
            .map_or(self.next, |following| following.first);
        Some(View {
            limit: segment.len(),
            end,
            segment,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn segment(first: u64) -> Arc<Segment> {
        Arc::new(Segment::new(PathBuf::new(), first, Salt(0), 100, 0))
    }

    #[test]
    fn a_place_is_looked_up_in_the_segment_that_owns_it() {
        let segments = [10, 20, 35].map(segment).into();
        let catalogue = Catalogue {
            segments,
            next: 40,
            closed: false,
        };
        let owner = |place| {
            catalogue
                .view(place)
                .map(|view| (view.segment.first, view.end))
        };
        assert_eq!(owner(9), None);
        assert_eq!(owner(10), Some((10, 20)));
        assert_eq!(owner(34), Some((20, 35)));
        assert_eq!(owner(39), Some((35, 40)));
        assert_eq!(owner(40), None);
        assert_eq!(catalogue.oldest(), 10);
    }

    #[test]
    fn the_index_leads_to_the_nearest_record_before_a_place() {
        let segment = segment(10);
        segment.note(11, 60);
        segment.note(500, 300_000);
        segment.note(501, 300_100);
        segment.note(900, 600_000);
        assert_eq!(segment.near(499), (10, 48));
        assert_eq!(segment.near(500), (500, 300_000));
        assert_eq!(segment.near(899), (500, 300_000));
        assert_eq!(segment.near(5000), (900, 600_000));
    }
}
