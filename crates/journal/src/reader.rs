//! One who reads in order and remembers where it was.

use crate::core::{Core, Found};
use crate::record::time_of;
use crate::segment::View;
use crate::walk::{Bounds, Gap, Payloads, Step, Walk};
use crate::{CommitError, Place, ReadError, Record};
use std::fs::File;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Gives the records of a journal in order, each once.
///
/// It starts after the place that its name has committed, so after a crash the records since then
/// come again. Damaged records are skipped and counted ([`Stats::corrupt`](crate::Stats)), and so
/// are records that retention deleted before they were read ([`Reader::lost`]).
///
/// Made by [`Journal::reader`](crate::Journal::reader). A journal closes when its last handle is
/// dropped, readers or not.
pub struct Reader {
    core: Arc<Core>,
    name: String,
    /// The place to be read next.
    next: u64,
    /// The segment that is being read, by its first place.
    walk: Option<(u64, Walk)>,
    /// The place at which the disk refuses to read, and since when.
    refused: Option<(u64, Instant)>,
}

/// So long an error of the disk is an error: it may pass, as those of a volume that is away for a
/// moment do. Then it is damage, and the reader goes on behind it.
const DISK_PATIENCE: Duration = Duration::from_secs(10);

/// How much one read may give.
struct Limits {
    records: usize,
    bytes: usize,
}

impl Reader {
    pub(crate) fn new(core: Arc<Core>, name: String, next: u64) -> Self {
        Reader {
            core,
            name,
            next,
            walk: None,
            refused: None,
        }
    }

    /// The next records: at most `max_records`, and about `max_bytes` of payload (always at least
    /// one record, however large). Blocks until there is one, at most for `timeout`; then the
    /// answer is empty. Only records that are on disk are seen.
    ///
    /// # Errors
    /// [`ReadError::Closed`] when the journal is closed and all was read; [`ReadError::Io`] when a
    /// segment cannot be opened or read now: try again. What cannot be read for ten seconds is
    /// skipped as damage.
    pub fn read(
        &mut self,
        max_records: usize,
        max_bytes: usize,
        timeout: Duration,
    ) -> Result<Vec<Record>, ReadError> {
        let deadline = Instant::now().checked_add(timeout);
        let limits = Limits {
            records: max_records.max(1),
            bytes: max_bytes,
        };
        loop {
            match self.core.find(self.next, deadline) {
                Found::There(view) => {
                    let records = self.read_segment(&view, &limits)?;
                    if !records.is_empty() {
                        return Ok(records);
                    }
                }
                Found::Gone(oldest) => self.lose(oldest),
                Found::Nothing => return Ok(Vec::new()),
                Found::Closed => return Err(ReadError::Closed),
            }
        }
    }

    /// Everything up to and including `place` is done: after a restart this name goes on behind
    /// it. On disk when this returns. The place may be any that is written, also an earlier one.
    ///
    /// # Errors
    /// When the place is not written yet, or the database cannot write.
    pub fn commit(&self, place: Place) -> Result<(), CommitError> {
        self.core.commit(&[(&self.name, place)], &[])
    }

    /// Goes on reading at `place`; commits nothing.
    pub fn seek(&mut self, place: Place) {
        self.next = place.number();
        self.walk = None;
    }

    /// The place that is read next.
    #[must_use]
    pub fn position(&self) -> Place {
        Place::new(self.next)
    }

    /// The name that its place is kept under.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Records on disk that are not committed as done.
    #[must_use]
    pub fn lag(&self) -> u64 {
        let (oldest, next) = self.core.span();
        let done = self.core.places.with_readers(|readers| {
            readers
                .get(&self.name)
                .map_or(self.next, |reader| reader.next)
        });
        next.saturating_sub(done.max(oldest))
    }

    /// Records that retention deleted before this name read them, since the journal was opened.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.core
            .places
            .with_readers(|readers| readers.get(&self.name).map_or(0, |reader| reader.lost))
    }

    /// Records of one segment; empty when only damage was left in it. Moves on in any case.
    fn read_segment(&mut self, view: &View, limits: &Limits) -> Result<Vec<Record>, ReadError> {
        let bounds = Bounds {
            limit: view.limit,
            end: Some(view.end),
        };
        let Some(mut walk) = self.enter(view, bounds)? else {
            return Ok(Vec::new());
        };
        let mut records = Vec::new();
        let mut bytes = 0_usize;
        self.next = walk.expected;
        while records.len() < limits.records && (records.is_empty() || bytes < limits.bytes) {
            match walk.step(bounds, Payloads::Checked) {
                Step::Record {
                    header, payload, ..
                } => {
                    bytes = bytes.saturating_add(payload.len());
                    self.next = walk.expected;
                    records.push(Record {
                        place: Place::new(header.place),
                        appended_at: time_of(header.appended_ns),
                        key: header.key,
                        payload,
                    });
                }
                Step::Damage(gap) => {
                    match self.trouble(&mut walk, view) {
                        Some(_) if !records.is_empty() => return Ok(records),
                        Some(error) => return Err(error),
                        None => self.core.report(&view.segment, gap),
                    }
                    self.next = walk.expected;
                }
                Step::End => {
                    walk.rest();
                    break;
                }
            }
        }
        self.walk = Some((view.segment.first, walk));
        Ok(records)
    }

    /// The error of the disk behind damage, as long as it may pass.
    fn trouble(&mut self, walk: &mut Walk, view: &View) -> Option<ReadError> {
        let source = walk.trouble.take()?;
        let since = match self.refused {
            Some((place, since)) if place == self.next => since,
            _ => Instant::now(),
        };
        self.refused = Some((self.next, since));
        (since.elapsed() < DISK_PATIENCE).then(|| ReadError::Io {
            path: view.segment.path.clone(),
            source,
        })
    }

    /// The walk at the next place; `None` when the segment's file or the place in it is gone.
    fn enter(&mut self, view: &View, bounds: Bounds) -> Result<Option<Walk>, ReadError> {
        let segment = &view.segment;
        if let Some((first, walk)) = self.walk.take()
            && first == segment.first
            && walk.expected == self.next
        {
            return Ok(Some(walk));
        }
        let file = match File::open(&segment.path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                self.miss(view);
                return Ok(None);
            }
            Err(source) => {
                return Err(ReadError::Io {
                    path: segment.path.clone(),
                    source,
                });
            }
        };
        let mut walk = Walk::new(file, segment.salt, segment.near(self.next));
        let gaps = walk.seek(self.next, bounds);
        if !gaps.is_empty()
            && let Some(error) = self.trouble(&mut walk, view)
        {
            return Err(error);
        }
        for gap in gaps {
            self.core.report(segment, gap);
        }
        Ok(Some(walk))
    }

    /// The file of a segment is not there. Retention may have just deleted it, which the next look
    /// tells; otherwise somebody else did.
    fn miss(&mut self, view: &View) {
        let (oldest, _) = self.core.span();
        if self.next < oldest {
            return;
        }
        let records = view.end.saturating_sub(self.next);
        let gap = Gap {
            offset: 0,
            bytes: view.limit,
            first: self.next,
            records,
        };
        self.core.report(&view.segment, gap);
        self.next = view.end;
    }

    fn lose(&mut self, oldest: u64) {
        let lost = oldest.saturating_sub(self.next);
        tracing::error!(reader = %self.name, lost, "records were deleted before they were read");
        self.core.places.with_readers(|readers| {
            if let Some(reader) = readers.get_mut(&self.name) {
                reader.lost = reader.lost.saturating_add(lost);
            }
        });
        self.next = oldest;
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.core.places.with_readers(|readers| {
            if let Some(reader) = readers.get_mut(&self.name) {
                reader.live = false;
            }
        });
    }
}

impl std::fmt::Debug for Reader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reader")
            .field("name", &self.name)
            .field("next", &self.next)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hold::hold;
    use crate::{Journal, NewRecord, Options, ReaderStart};

    /// A reader of three records that holds its segment open in a way that no byte can be read.
    fn refused(dir: &std::path::Path) -> (Journal, Reader) {
        let (journal, _) = Journal::open(dir, Options::default()).unwrap();
        let records = ["one", "two", "three"].map(NewRecord::unkeyed);
        journal.append(records.into()).unwrap().wait().unwrap();
        let mut reader = journal.reader("test", ReaderStart::Oldest).unwrap();
        let segment = hold(&reader.core.catalogue).segments[0].clone();
        let file = File::options().write(true).open(&segment.path).unwrap();
        let walk = Walk::new(file, segment.salt, segment.near(0));
        reader.walk = Some((segment.first, walk));
        (journal, reader)
    }

    fn read(reader: &mut Reader) -> Result<usize, ReadError> {
        Ok(reader.read(100, usize::MAX, Duration::ZERO)?.len())
    }

    #[test]
    fn what_the_disk_refuses_for_a_moment_is_read_after_it() {
        let dir = tempfile::tempdir().unwrap();
        let (journal, mut reader) = refused(dir.path());
        assert!(matches!(read(&mut reader), Err(ReadError::Io { .. })));
        assert_eq!(read(&mut reader).unwrap(), 3);
        assert_eq!(journal.stats().corrupt, 0);
    }

    #[test]
    fn what_the_disk_refuses_for_long_is_damage() {
        let dir = tempfile::tempdir().unwrap();
        let (journal, mut reader) = refused(dir.path());
        reader.refused = Some((0, Instant::now().checked_sub(DISK_PATIENCE).unwrap()));
        assert_eq!(read(&mut reader).unwrap(), 0);
        assert_eq!(
            (journal.stats().corrupt, reader.position().number()),
            (3, 3)
        );
    }
}
