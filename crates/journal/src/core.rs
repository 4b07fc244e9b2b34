//! What the handles, the readers and the writer of one journal share.

use crate::damage::{DamageLog, Damaged};
use crate::folder::{Folder, sync_directory};
use crate::hold::{hold, wait};
use crate::places::Places;
use crate::queue::Queue;
use crate::record::nanoseconds;
use crate::retention::{Kept, excess};
use crate::segment::{Catalogue, Segment, View};
use crate::stats::Counters;
use crate::walk::Gap;
use crate::{Health, Options, Place, ReaderStats, Stats, WriteError, WriteTrouble};
use std::fs;
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant, SystemTime};

pub(crate) struct Core {
    pub(crate) folder: Folder,
    pub(crate) options: Options,
    pub(crate) queue: Queue,
    pub(crate) places: Places,
    pub(crate) damage: DamageLog,
    pub(crate) counters: Counters,
    pub(crate) catalogue: Mutex<Catalogue>,
    /// Rung when records become durable and when the journal closes.
    pub(crate) grown: Condvar,
    pub(crate) trouble: Mutex<Option<WriteTrouble>>,
}

/// What a reader finds at a place.
#[derive(Debug)]
pub(crate) enum Found {
    /// The segment that owns the place.
    There(View),
    /// The place was deleted; this is the oldest that is kept.
    Gone(u64),
    /// Nothing came in time.
    Nothing,
    /// Nothing will come any more.
    Closed,
}

impl Core {
    /// Waits until a place is durable, at most until the deadline (`None`: for ever).
    pub(crate) fn find(&self, place: u64, deadline: Option<Instant>) -> Found {
        let mut catalogue = hold(&self.catalogue);
        loop {
            if place < catalogue.oldest() {
                return Found::Gone(catalogue.oldest());
            }
            if let Some(view) = catalogue.view(place) {
                return Found::There(view);
            }
            if catalogue.closed {
                return Found::Closed;
            }
            let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
            if left == Some(Duration::ZERO) {
                return Found::Nothing;
            }
            catalogue = wait(
                &self.grown,
                catalogue,
                left.unwrap_or(Duration::from_secs(3600)),
            );
        }
    }

    /// Records up to `next` are durable: readers may see them.
    pub(crate) fn publish(&self, segment: &Segment, len: u64, next: u64, newest_ns: u64) {
        let mut catalogue = hold(&self.catalogue);
        segment.grow(len, newest_ns);
        catalogue.next = next;
        drop(catalogue);
        self.grown.notify_all();
    }

    /// A new newest segment. An empty one that was begun again at the same place is replaced: both
    /// have one file, which retention must not delete for the sake of the other.
    pub(crate) fn add(&self, segment: Arc<Segment>) {
        let segments = &mut hold(&self.catalogue).segments;
        if segments
            .back()
            .is_some_and(|last| last.first == segment.first)
        {
            segments.pop_back();
        }
        segments.push_back(segment);
    }

    pub(crate) fn close(&self) {
        hold(&self.catalogue).closed = true;
        self.grown.notify_all();
    }

    /// A walk over a segment passed damage.
    pub(crate) fn report(&self, segment: &Segment, gap: Gap) {
        self.damage.report(Damaged {
            segment: segment.path.clone(),
            offset: gap.offset,
            bytes: gap.bytes,
            first: Place::new(gap.first),
            records: gap.records,
        });
    }

    /// Deletes the segments that retention no longer keeps.
    pub(crate) fn retain(&self) {
        let finished = self.places.finished();
        let retired = self.retire(finished);
        for segment in &retired {
            if let Err(error) = fs::remove_file(&segment.path) {
                tracing::warn!(%error, segment = %segment.path.display(), "cannot delete a segment");
            }
        }
        let Some(last) = retired.last() else { return };
        tracing::info!(segments = retired.len(), last = %last.path.display(), "deleted old segments");
        let oldest = hold(&self.catalogue).oldest();
        self.damage.forget_before(oldest);
        self.warn_of_losses(oldest);
        if let Err(error) = sync_directory(&self.folder.path) {
            tracing::debug!(%error, "cannot sync the directory after a deletion");
        }
    }

    fn retire(&self, finished: u64) -> Vec<Arc<Segment>> {
        let mut catalogue = hold(&self.catalogue);
        let ends = catalogue
            .segments
            .iter()
            .skip(1)
            .map(|segment| segment.first);
        let ends: Vec<u64> = ends.chain([catalogue.next]).collect();
        let kept = catalogue.segments.iter().zip(ends);
        let kept: Vec<Kept> = kept
            .map(|(segment, end)| Kept {
                bytes: segment.len(),
                end,
                newest_ns: segment.newest_ns(),
            })
            .collect();
        let count = excess(
            &kept,
            &self.options,
            finished,
            nanoseconds(SystemTime::now()),
        );
        catalogue.segments.drain(..count.min(kept.len())).collect()
    }

    fn warn_of_losses(&self, oldest: u64) {
        self.places.with_readers(|readers| {
            for (name, _) in readers.iter().filter(|(_, reader)| reader.next < oldest) {
                tracing::error!(
                    reader = %name,
                    "the size limit deleted records that this reader has not finished; raise \
                     retain_bytes or find out why it lags"
                );
            }
        });
    }

    pub(crate) fn note_trouble(&self, error: &WriteError) {
        self.counters.failed();
        let mut trouble = hold(&self.trouble);
        let since = trouble
            .as_ref()
            .map_or_else(SystemTime::now, |trouble| trouble.since);
        if trouble.is_none() {
            tracing::error!(%error, dir = %self.folder.path.display(), "the journal cannot write");
        }
        *trouble = Some(WriteTrouble {
            error: error.clone(),
            since,
        });
    }

    pub(crate) fn note_success(&self) {
        if hold(&self.trouble).take().is_some() {
            tracing::info!(dir = %self.folder.path.display(), "the journal can write again");
        }
    }

    pub(crate) fn is_failing(&self) -> bool {
        hold(&self.trouble).is_some()
    }

    pub(crate) fn health(&self) -> Health {
        if self.queue.is_stopped() {
            return Health::Closed;
        }
        hold(&self.trouble)
            .clone()
            .map_or(Health::Good, Health::Failing)
    }

    /// The oldest kept place and the next one.
    pub(crate) fn span(&self) -> (u64, u64) {
        let catalogue = hold(&self.catalogue);
        (catalogue.oldest(), catalogue.next)
    }

    pub(crate) fn stats(&self) -> Stats {
        let (bytes, segments) = {
            let catalogue = hold(&self.catalogue);
            (catalogue.bytes(), catalogue.segments.len())
        };
        let (oldest, next) = self.span();
        let [appended, duplicates, write_errors, syncs] = self.counters.read();
        let (waiting_appends, waiting_bytes) = self.queue.depth();
        Stats {
            records: next.saturating_sub(oldest),
            bytes,
            segments,
            oldest: (oldest < next).then(|| Place::new(oldest)),
            newest: next
                .checked_sub(1)
                .filter(|newest| *newest >= oldest)
                .map(Place::new),
            appended,
            duplicates,
            corrupt: self.damage.records(),
            write_errors,
            syncs,
            waiting_appends,
            waiting_bytes,
            readers: self.reader_stats(oldest, next),
            damaged: self.damage.spots(),
        }
    }

    fn reader_stats(&self, oldest: u64, next: u64) -> Vec<ReaderStats> {
        self.places.with_readers(|readers| {
            let stats = readers.iter().map(|(name, reader)| {
                let pending = if reader.live {
                    0
                } else {
                    oldest.saturating_sub(reader.next)
                };
                ReaderStats {
                    name: name.clone(),
                    committed: reader.next.checked_sub(1).map(Place::new),
                    lag: next.saturating_sub(reader.next.max(oldest)),
                    lost: reader.lost.saturating_add(pending),
                    reading: reader.live,
                }
            });
            stats.collect()
        })
    }
}
