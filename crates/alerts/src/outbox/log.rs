//! The outbox on disk: a journal whose records are alerts.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use kubevigil_journal::{
    AppendError, Journal, NewRecord, OpenError, Options, Place, ReadError, Reader, ReaderStart,
    Recovery, Ticket,
};

use super::{AlertLog, AlertReader, LogError, Record, Waiting, encode};
use crate::alert::Alert;

/// About how many bytes of alerts one read gives at most.
const READ_BYTES: usize = 8 << 20;

/// The longest that a read blocks its thread: an abandoned read keeps the next one waiting for so long.
const LONGEST_BLOCK: Duration = Duration::from_millis(500);

/// The alerts that wait for delivery, on disk.
#[derive(Clone)]
pub struct Outbox {
    journal: Journal,
}

impl Outbox {
    /// Opens the outbox in this folder, creating it if there is none.
    ///
    /// Delivered alerts are kept for a week, so that one that is found again is recognised; 2 GiB of them at most, delivered
    /// or not.
    pub fn open(folder: impl AsRef<Path>) -> Result<(Self, Recovery), OpenError> {
        let options = Options {
            segment_bytes: 16 << 20,
            retain_bytes: 2 << 30,
            ..Options::default()
        };
        let (journal, recovery) = Journal::open(folder, options)?;
        Ok((Self { journal }, recovery))
    }

    /// Puts alerts into the outbox; those that are in it already are not put in again. They are durable when the ticket
    /// says so: await it, or wait for it on a plain thread.
    pub fn append(&self, alerts: &[Alert]) -> Result<Ticket, AppendError> {
        let record = |alert: &Alert| NewRecord::keyed(*alert.id.as_bytes(), encode(alert));
        self.journal.append(alerts.iter().map(record).collect())
    }

    /// The journal underneath, for its health and its figures.
    pub fn journal(&self) -> &Journal {
        &self.journal
    }
}

impl AlertLog for Outbox {
    fn reader(&self, name: &str) -> Result<Box<dyn AlertReader>, LogError> {
        let reader = self
            .journal
            .reader(name, ReaderStart::Newest)
            .map_err(trouble)?;
        let resume = reader.position();
        Ok(Box::new(JournalReader {
            inner: Arc::new(Mutex::new(Inner { reader, resume })),
        }))
    }
}

/// A reader of the outbox on disk.
struct JournalReader {
    // Shared with the blocking thread, which outlives a read that was dropped.
    inner: Arc<Mutex<Inner>>,
}

struct Inner {
    reader: Reader,
    /// The first place that is not committed.
    resume: Place,
}

impl Inner {
    fn read(&mut self, limit: usize, patience: Duration) -> Result<Vec<Record>, LogError> {
        if self.reader.position() != self.resume {
            self.reader.seek(self.resume);
        }
        let records = match self.reader.read(limit, READ_BYTES, patience) {
            Ok(records) => records,
            Err(ReadError::Closed) => return Err(LogError::Closed),
            Err(error) => return Err(trouble(error)),
        };
        // If records are gone this is later than before: they must not be missed, and counted, again.
        self.resume = records
            .first()
            .map_or_else(|| self.reader.position(), |first| first.place);
        Ok(records
            .into_iter()
            .map(|record| Record {
                place: record.place,
                payload: record.payload,
            })
            .collect())
    }

    fn commit(&mut self, place: Place) -> Result<(), LogError> {
        self.reader.commit(place).map_err(trouble)?;
        self.resume = Place::new(place.number().saturating_add(1));
        Ok(())
    }
}

impl JournalReader {
    /// Runs file work off the runtime's threads.
    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Inner) -> Result<T, LogError> + Send + 'static,
    ) -> Result<T, LogError> {
        let inner = Arc::clone(&self.inner);
        let locked = move || work(&mut inner.lock().unwrap_or_else(PoisonError::into_inner));
        tokio::task::spawn_blocking(locked).await.map_err(trouble)?
    }
}

#[async_trait]
impl AlertReader for JournalReader {
    async fn read(&mut self, limit: usize, patience: Duration) -> Result<Vec<Record>, LogError> {
        self.blocking(move |inner| inner.read(limit, patience.min(LONGEST_BLOCK)))
            .await
    }

    async fn commit(&mut self, place: Place) -> Result<(), LogError> {
        self.blocking(move |inner| inner.commit(place)).await
    }

    async fn waiting(&mut self) -> Waiting {
        let look = |inner: &mut Inner| {
            Ok(Waiting {
                lag: inner.reader.lag(),
                lost: inner.reader.lost(),
            })
        };
        self.blocking(look).await.unwrap_or_default()
    }
}

fn trouble(error: impl std::fmt::Display) -> LogError {
    LogError::Trouble(error.to_string())
}
