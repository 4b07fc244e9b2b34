//! The one thread that writes.
//!
//! It takes everything that waits, writes it behind the newest record, syncs once, shows it to the
//! readers, and answers. While it syncs, the next group gathers: the slower the disk, the larger
//! the groups, and the cost of a sync is shared by all who waited for it.

use crate::core::Core;
use crate::layout::{RecordHeader, Salt};
use crate::queue::{Checked, Company, Request, Taken};
use crate::record::{NO_KEY, nanoseconds};
use crate::segment::Segment;
use crate::window::Window;
use crate::{Appended, Place, WriteError};
use hashbrown::HashSet;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

/// Bytes collected before they are handed to the kernel, while they are still in the processor's
/// cache. A group of any size costs this much memory.
const BUFFER_BYTES: usize = 256 << 10;
/// Between two looks at what retention may delete.
const TICK: Duration = Duration::from_secs(60);
/// The longest that a group waits for those who were in the last one.
const COMPANY: Duration = Duration::from_millis(2);
/// Between two tries of a disk that did not take the last write.
const RETRY: Duration = Duration::from_secs(1);

pub(crate) struct Writer {
    pub(crate) core: Arc<Core>,
    pub(crate) salt: Salt,
    pub(crate) segment: Arc<Segment>,
    pub(crate) file: File,
    pub(crate) window: Window,
    /// The end of the last durable record.
    pub(crate) end: u64,
    /// The place that the next record gets.
    pub(crate) next: u64,
    pub(crate) buffer: Vec<u8>,
    /// A write failed and the file may hold bytes after `end`.
    pub(crate) suspect: bool,
    /// A new segment was begun and not finished. Its file may stand there, and recovery would end the
    /// old segment where it begins: nothing more may be written to the old one.
    pub(crate) rolling: bool,
}

/// A group while it is written; it counts only once it is synced.
struct Draft {
    offset: u64,
    next: u64,
    now_ns: u64,
    /// Of the records of this group, in order.
    keys: Vec<[u8; 16]>,
    /// The same, to look up.
    fresh: HashSet<[u8; 16]>,
    outcomes: Vec<Appended>,
    /// Places and offsets of the first records of the appends, for the sparse index.
    notes: Vec<(u64, u64)>,
}

impl Writer {
    /// Writes until the journal is closed and nothing waits.
    pub(crate) fn run(mut self) {
        let _ending = Ending(self.core.clone());
        let mut retained = Instant::now();
        let mut company = Company::default();
        loop {
            let patience = if self.core.is_failing() { RETRY } else { TICK };
            match self.core.queue.take(patience, company) {
                Taken::Group(group) => company = self.serve(group),
                Taken::Idle => self.probe(),
                Taken::Stopped => break,
            }
            if retained.elapsed() >= TICK {
                self.core.retain();
                retained = Instant::now();
            }
        }
    }

    /// Brings a group to disk and answers it. Gives the company to expect for the next one.
    fn serve(&mut self, group: Vec<Request>) -> Company {
        let bytes = group.iter().map(|request| request.bytes).sum();
        let (expected, started) = (group.len(), Instant::now());
        let written = self.write(&group);
        let patience = (started.elapsed() / 4).min(COMPANY);
        // Before the answers: who is answered may append again at once.
        self.core.queue.done(bytes);
        match written {
            Ok(outcomes) => {
                self.core.note_success();
                for (request, outcome) in group.into_iter().zip(outcomes) {
                    // A caller that dropped its ticket does not want to know.
                    let _ = request.answer.send(Ok(outcome));
                }
            }
            Err(error) => self.refuse(group, &error),
        }
        Company { expected, patience }
    }

    fn write(&mut self, group: &[Request]) -> io::Result<Vec<Appended>> {
        self.prepare()?;
        let mut draft = self.draft();
        self.buffer.clear();
        for request in group {
            self.put(&mut draft, &request.records)?;
        }
        if draft.next == self.next {
            // All duplicates: their twins are on disk since an earlier group.
            self.core.counters.wrote(0, duplicates(&draft.outcomes));
            return Ok(draft.outcomes);
        }
        self.flush(&draft)?;
        self.file.sync_data()?;
        self.core.counters.synced();
        Ok(self.accept(draft))
    }

    /// Makes sure that the end of the file is the end of the last record, in a segment with room.
    fn prepare(&mut self) -> io::Result<()> {
        let full = self.end >= self.core.options.segment_bytes;
        if self.rolling || full || (self.suspect && self.cut_back().is_err()) {
            return self.roll();
        }
        Ok(())
    }

    fn draft(&self) -> Draft {
        Draft {
            offset: self.end,
            next: self.next,
            now_ns: nanoseconds(SystemTime::now()),
            keys: Vec::new(),
            fresh: HashSet::new(),
            outcomes: Vec::new(),
            notes: Vec::new(),
        }
    }

    fn put(&mut self, draft: &mut Draft, records: &[Checked]) -> io::Result<()> {
        let first = draft.next;
        for Checked { record, checksum } in records {
            let known = self.window.contains(&record.key);
            if known || !draft.admit(record.key, self.core.options.duplicate_window) {
                continue;
            }
            let length = u32::try_from(record.payload.len())
                .map_err(|_| io::Error::from(io::ErrorKind::FileTooLarge))?;
            let header = RecordHeader {
                length,
                payload_checksum: *checksum,
                place: draft.next,
                appended_ns: draft.now_ns,
                key: record.key,
            };
            if draft.next == first {
                draft
                    .notes
                    .push((first, draft.offset + self.buffer.len() as u64));
            }
            self.buffer.extend_from_slice(&header.encode(self.salt));
            self.buffer.extend_from_slice(&record.payload);
            draft.next += 1;
            if self.buffer.len() >= BUFFER_BYTES {
                self.flush(draft)?;
                draft.offset += self.buffer.len() as u64;
                self.buffer.clear();
            }
        }
        let written = draft.next - first;
        let places = (written > 0).then(|| (Place::new(first), Place::new(draft.next - 1)));
        let duplicates = (records.len() as u64).saturating_sub(written);
        draft.outcomes.push(Appended {
            places,
            written,
            duplicates,
        });
        Ok(())
    }

    fn flush(&mut self, draft: &Draft) -> io::Result<()> {
        self.suspect = true;
        self.file.write_all_at(&self.buffer, draft.offset)
    }

    /// The group is on disk: from here on it counts.
    fn accept(&mut self, draft: Draft) -> Vec<Appended> {
        self.suspect = false;
        self.end = draft.offset + self.buffer.len() as u64;
        self.next = draft.next;
        self.trim();
        draft.keys.into_iter().for_each(|key| self.window.push(key));
        draft
            .notes
            .into_iter()
            .for_each(|(place, offset)| self.segment.note(place, offset));
        self.core
            .publish(&self.segment, self.end, self.next, draft.now_ns);
        let written = draft.outcomes.iter().map(|outcome| outcome.written).sum();
        self.core
            .counters
            .wrote(written, duplicates(&draft.outcomes));
        draft.outcomes
    }

    /// The buffer keeps its usual size; one huge record does not enlarge it for good.
    fn trim(&mut self) {
        self.buffer.clear();
        self.buffer.shrink_to(2 * BUFFER_BYTES);
    }

    fn refuse(&mut self, group: Vec<Request>, error: &io::Error) {
        let error = WriteError::from_io(error);
        self.trim();
        if self.suspect && self.cut_back().is_err() {
            tracing::warn!(segment = %self.segment.path.display(), "cannot cut a failed write back");
        }
        self.core.note_trouble(&error);
        for request in group {
            let _ = request.answer.send(Err(error.clone()));
        }
    }

    fn cut_back(&mut self) -> io::Result<()> {
        self.file.set_len(self.end)?;
        self.file.sync_data()?;
        self.suspect = false;
        Ok(())
    }

    /// Begins a new segment. All records of the old one are durable.
    fn roll(&mut self) -> io::Result<()> {
        self.rolling = true;
        let (file, segment) = Segment::create(&self.core.folder.path, self.next, self.salt)?;
        self.rolling = false;
        self.segment = Arc::new(segment);
        self.file = file;
        self.end = self.segment.len();
        self.suspect = false;
        self.core.add(self.segment.clone());
        self.core.retain();
        Ok(())
    }

    /// While writes fail and nobody appends (they were told not to), finds out by itself whether
    /// there is room again. The bytes are a torn tail, should the process end here.
    fn probe(&mut self) {
        if !self.core.is_failing() {
            return;
        }
        let mut attempt = || -> io::Result<()> {
            self.prepare()?;
            self.suspect = true;
            self.file.write_all_at(&[0; 64 << 10], self.end)?;
            self.file.sync_data()?;
            self.cut_back()
        };
        match attempt() {
            Ok(()) => self.core.note_success(),
            Err(error) => {
                self.core.note_trouble(&WriteError::from_io(&error));
                // `prepare` tries again before anything is written.
                let _ = self.cut_back();
            }
        }
    }
}

impl Draft {
    /// Whether a record is the first of its key in this group.
    fn admit(&mut self, key: [u8; 16], window: usize) -> bool {
        if key != NO_KEY && window > 0 && !self.fresh.insert(key) {
            return false;
        }
        self.keys.push(key);
        true
    }
}

fn duplicates(outcomes: &[Appended]) -> u64 {
    outcomes.iter().map(|outcome| outcome.duplicates).sum()
}

/// However the thread ends, nobody waits for it any more.
struct Ending(Arc<Core>);

impl Drop for Ending {
    fn drop(&mut self) {
        self.0.queue.abandon();
        self.0.close();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::assemble;
    use crate::queue::Queue;
    use crate::recovery::recover;
    use crate::segment::open_options;
    use crate::{NewRecord, Options, WriteErrorKind};
    use std::fs;
    use std::path::Path;

    fn open(dir: &Path) -> Writer {
        let options = Options::default();
        assemble(recover(dir, &options).unwrap(), options).1
    }

    /// Serves one append as the thread would.
    fn append(writer: &mut Writer, text: &'static str) -> Result<Appended, WriteError> {
        let queue = Queue::new(usize::MAX);
        let record = NewRecord::unkeyed(text);
        let checksum = writer.salt.payload_checksum(&record.payload);
        let ticket = queue.push(vec![Checked { record, checksum }], 100).unwrap();
        let Taken::Group(group) = queue.take(Duration::ZERO, Company::default()) else {
            panic!("nothing to serve")
        };
        writer.serve(group);
        ticket.wait()
    }

    /// The disk neither writes the file nor cuts it.
    fn break_file(writer: &mut Writer) {
        writer.file = File::open(&writer.segment.path).unwrap();
    }

    #[test]
    fn an_empty_segment_that_cannot_be_written_is_begun_again_in_place() {
        let dir = tempfile::tempdir().unwrap();
        let mut writer = open(dir.path());
        break_file(&mut writer);
        let refused = append(&mut writer, "refused").unwrap_err();
        assert_eq!(refused.kind, WriteErrorKind::Io);
        append(&mut writer, "acknowledged").unwrap();
        assert_eq!(writer.core.stats().segments, 1);
        drop(writer);
        assert_eq!(open(dir.path()).core.stats().records, 1);
    }

    /// The new segment's file may be there after all, and recovery would end the old one where it
    /// begins.
    #[test]
    fn after_a_segment_was_begun_in_vain_the_old_one_gets_no_more_records() {
        let dir = tempfile::tempdir().unwrap();
        let mut writer = open(dir.path());
        append(&mut writer, "first").unwrap();
        break_file(&mut writer);
        append(&mut writer, "refused").unwrap_err();
        let obstacle = dir.path().join(crate::folder::segment_name(1));
        fs::create_dir(&obstacle).unwrap();
        append(&mut writer, "refused again").unwrap_err();
        writer.file = open_options().open(&writer.segment.path).unwrap();
        fs::remove_dir(&obstacle).unwrap();
        append(&mut writer, "second").unwrap();
        assert_eq!((writer.segment.first, writer.next), (1, 2));
        drop(writer);
        assert_eq!(open(dir.path()).core.stats().records, 2);
    }
}
