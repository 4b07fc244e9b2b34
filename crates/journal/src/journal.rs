//! The handle that everybody holds.

use crate::core::Core;
use crate::damage::DamageLog;
use crate::hold::hold;
use crate::layout::{RECORD_HEADER, Salt};
use crate::options::ReaderStart;
use crate::queue::{Checked, Queue};
use crate::recovery::{Recovered, recover};
use crate::segment::Catalogue;
use crate::stats::Counters;
use crate::writer::Writer;
use crate::{
    AppendError, CommitError, Health, NewRecord, OpenError, Options, Place, Reader, ReaderError,
    Recovery, Stats, Ticket,
};
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex};
use std::thread::{self, JoinHandle};

/// A journal that this process has open. Cheap to clone; all clones are the same journal.
///
/// The last handle that is dropped closes it as [`Journal::close`] does.
#[derive(Clone)]
pub struct Journal(Arc<Handle>);

struct Handle {
    core: Arc<Core>,
    salt: Salt,
    writer: Mutex<Option<JoinHandle<()>>>,
}

impl Journal {
    /// Opens the journal in a directory, making it if need be, and recovers what a crash left.
    /// One process at a time can have it open.
    ///
    /// # Errors
    /// See [`OpenError`]: every text names the path and what to do.
    pub fn open(dir: impl AsRef<Path>, options: Options) -> Result<(Journal, Recovery), OpenError> {
        let dir = dir.as_ref();
        let recovered = recover(dir, &options)?;
        let recovery = recovered.recovery.clone();
        let salt = recovered.salt;
        let (core, writer) = assemble(recovered, options);
        core.retain();
        let thread = thread::Builder::new().name("journal-writer".to_owned());
        let writer = thread
            .spawn(move || writer.run())
            .map_err(OpenError::io("start the writer of", dir))?;
        let handle = Handle {
            core,
            salt,
            writer: Mutex::new(Some(writer)),
        };
        Ok((Journal(Arc::new(handle)), recovery))
    }

    /// Hands records over to be written, in this order and without others between them. They count
    /// once the ticket resolves to `Ok`; returns at once, without waiting for the disk.
    ///
    /// # Errors
    /// When the queue is full (try later), a payload is too long (never will do), or the journal is
    /// closed.
    pub fn append(&self, records: Vec<NewRecord>) -> Result<Ticket, AppendError> {
        let limit = self.0.core.options.max_record_bytes.min(u32::MAX as usize);
        let mut bytes = 0_usize;
        for (index, record) in records.iter().enumerate() {
            let length = record.payload.len();
            if length > limit {
                return Err(AppendError::TooLarge {
                    index,
                    bytes: length,
                    limit,
                });
            }
            bytes = bytes.saturating_add(length).saturating_add(RECORD_HEADER);
        }
        let salt = self.0.salt;
        let check = |record: NewRecord| Checked {
            checksum: salt.payload_checksum(&record.payload),
            record,
        };
        self.0
            .core
            .queue
            .push(records.into_iter().map(check).collect(), bytes)
    }

    /// The reader of a name, behind the place that the name has committed. A new name is
    /// registered at `start`, on disk before this returns; from then on retention by age waits
    /// for it.
    ///
    /// # Errors
    /// When the name is already reading, or its place cannot be registered.
    pub fn reader(&self, name: &str, start: ReaderStart) -> Result<Reader, ReaderError> {
        let core = &self.0.core;
        let busy = || ReaderError::Busy {
            name: name.to_owned(),
        };
        let known = core
            .places
            .with_readers(|readers| readers.get(name).copied());
        let next = match known {
            Some(state) => state.next,
            None => {
                let (oldest, next) = core.span();
                let first = if start == ReaderStart::Newest {
                    next
                } else {
                    oldest
                };
                core.places.store(&[(name, first)], &[])?;
                first
            }
        };
        let taken = core.places.with_readers(|readers| {
            let state = readers.entry(name.to_owned()).or_default();
            std::mem::replace(&mut state.live, true)
        });
        if taken {
            Err(busy())
        } else {
            Ok(Reader::new(core.clone(), name.to_owned(), next))
        }
    }

    /// Removes a reader that will not come back, so that retention no longer waits for it.
    ///
    /// # Errors
    /// When it is reading now, or the database cannot write.
    pub fn forget_reader(&self, name: &str) -> Result<(), ReaderError> {
        let places = &self.0.core.places;
        if places.with_readers(|readers| readers.get(name).is_some_and(|reader| reader.live)) {
            return Err(ReaderError::Busy {
                name: name.to_owned(),
            });
        }
        Ok(places.forget(name)?)
    }

    /// Sets the places of several readers and several named blobs in one transaction: a reader's
    /// state and its place never disagree. On disk when this returns.
    ///
    /// # Errors
    /// When a reader is unknown, a place is not written yet, or the database cannot write; nothing
    /// is changed then.
    pub fn commit_all(
        &self,
        places: &[(&str, Place)],
        blobs: &[(&str, &[u8])],
    ) -> Result<(), CommitError> {
        self.0.core.commit(places, blobs)
    }

    /// The blob of a name as it was last committed.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn blob(&self, name: &str) -> Result<Option<Vec<u8>>, CommitError> {
        self.0.core.places.blob(name)
    }

    /// Deletes at once what retention no longer keeps, which otherwise happens with a new segment and once a minute. For those who have
    /// just read something and need the room.
    pub fn tidy(&self) {
        self.0.core.retain();
    }

    /// Figures for metrics.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.0.core.stats()
    }

    /// Whether records can be taken now: for readiness, and to refuse work early.
    #[must_use]
    pub fn health(&self) -> Health {
        self.0.core.health()
    }

    /// The directory.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.0.core.folder.path
    }

    /// Takes no more records, writes what waits, and returns when it is on disk and answered.
    /// Readers still get what they have not read, then [`ReadError::Closed`](crate::ReadError);
    /// commits still work.
    pub fn close(&self) {
        self.0.close();
    }
}

impl Handle {
    fn close(&self) {
        self.core.queue.stop();
        let writer = hold(&self.writer).take();
        if let Some(writer) = writer
            && writer.join().is_err()
        {
            tracing::error!(dir = %self.core.folder.path.display(), "the journal's writer failed");
        }
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.close();
    }
}

impl Core {
    /// Checks and stores committed places.
    pub(crate) fn commit(
        &self,
        places: &[(&str, Place)],
        blobs: &[(&str, &[u8])],
    ) -> Result<(), CommitError> {
        let (_, next) = self.span();
        for (name, place) in places {
            if !self
                .places
                .with_readers(|readers| readers.contains_key(*name))
            {
                return Err(CommitError::UnknownReader {
                    name: (*name).to_owned(),
                });
            }
            if place.number() >= next {
                return Err(CommitError::BeyondNewest { place: *place });
            }
        }
        let after = |(name, place): &(_, Place)| (*name, place.number().saturating_add(1));
        self.places
            .store(&places.iter().map(after).collect::<Vec<_>>(), blobs)
    }
}

/// The parts of an open journal; the writer does not run yet.
pub(crate) fn assemble(recovered: Recovered, options: Options) -> (Arc<Core>, Writer) {
    let Recovered {
        folder,
        places,
        segments,
        salt,
        next,
        newest,
        file,
        window,
        recovery,
    } = recovered;
    let end = newest.len();
    let core = Arc::new(Core {
        queue: Queue::new(options.max_waiting_bytes),
        folder,
        places,
        options,
        damage: DamageLog::default(),
        counters: Counters::default(),
        catalogue: Mutex::new(Catalogue {
            segments,
            next,
            closed: false,
        }),
        grown: Condvar::new(),
        trouble: Mutex::new(None),
    });
    recovery
        .damaged
        .into_iter()
        .for_each(|spot| core.damage.report(spot));
    let writer = Writer {
        core: core.clone(),
        salt,
        segment: newest,
        file,
        window,
        end,
        next,
        buffer: Vec::new(),
        suspect: false,
        rolling: false,
    };
    (core, writer)
}

impl std::fmt::Debug for Journal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Journal").field("dir", &self.dir()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn what_every_reader_has_finished_goes_at_once_when_room_is_asked_for() {
        let dir = tempfile::tempdir().unwrap();
        let options = Options {
            segment_bytes: 1_000,
            retain_age: Some(Duration::ZERO),
            ..Options::default()
        };
        let (journal, _) = Journal::open(dir.path(), options).unwrap();
        let reader = journal.reader("r", ReaderStart::Oldest).unwrap();
        for _ in 0..10 {
            let record = NewRecord::unkeyed(vec![b'x'; 500]);
            journal.append(vec![record]).unwrap().wait().unwrap();
        }
        journal.tidy();
        assert_eq!(journal.stats().oldest, Some(Place::new(0)));
        reader.commit(Place::new(9)).unwrap();
        journal.tidy();
        assert_eq!(journal.stats().segments, 1, "the newest stays");
    }
}
