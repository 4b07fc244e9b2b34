//! The task that hands over: it reads the journal, gathers batches, and tries until the backend takes them.
//!
//! What is delivered and what is committed are two things. After every batch the next one goes out; the place is committed, with the
//! backend's mark in the same transaction, when the backend's time for that is up, when it asks for it, and when there is
//! nothing more to do. Between the two lies what a crash may repeat.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use kubevigil_journal::{Journal, Place, ReadError, Reader};
use tokio::time::{Instant, sleep, sleep_until};
use tokio_util::task::TaskTracker;

use super::Shared;
use super::delivers::{Delivers, DeliveryError, Pace};

/// Between two looks into the journal that nobody asked for: a request that was given up does not tell that its event is there.
const IDLE: Duration = Duration::from_secs(1);
/// Between two looks while a batch gathers.
const GATHERING: Duration = Duration::from_millis(20);
/// The name that the backend's mark has in the journal.
const MARK: &str = "mark";

pub(super) struct Courier {
    backend: Arc<dyn Delivers>,
    plugin: &'static str,
    pace: Pace,
    journal: Journal,
    // Shared with the blocking threads that use it.
    reader: Arc<Mutex<Reader>>,
    shared: Arc<Shared>,
    /// Work with files, which goes on when nobody waits for it any more.
    files: TaskTracker,
    /// What is read and not delivered.
    waiting: VecDeque<(Place, Bytes)>,
    /// The last place that is delivered and not committed, and when the first of those was.
    delivered: Option<(Place, Instant)>,
    /// Everything before this place is committed.
    committed: Place,
    /// The most events of the next batch; lower than the pace says while the backend finds batches too large.
    limit: usize,
    /// In a row.
    failures: u32,
}

impl Courier {
    pub(super) fn new(
        backend: Arc<dyn Delivers>,
        journal: Journal,
        reader: Reader,
        shared: Arc<Shared>,
    ) -> Self {
        let pace = backend.pace();
        Self {
            plugin: backend.plugin(),
            backend,
            pace,
            journal,
            committed: reader.position(),
            reader: Arc::new(Mutex::new(reader)),
            shared,
            files: TaskTracker::new(),
            waiting: VecDeque::new(),
            delivered: None,
            limit: pace.events.max(1),
            failures: 0,
        }
    }

    /// Delivers until it is told to stop and nothing is left, or to abandon what is.
    pub(super) async fn run(mut self) {
        let abandon = self.shared.abandon.clone();
        let deliver = async {
            self.begin().await;
            loop {
                while self.gather().await {
                    self.deliver().await;
                }
                if self.delivered.is_none() {
                    break;
                }
                // The backend may take something back even now.
                self.commit().await;
            }
        };
        tokio::select! {
            biased;
            () = abandon.cancelled() => {}
            () = deliver => {}
        }
        self.backend.close().await;
        self.files.close();
        self.files.wait().await;
    }

    /// Lets the backend take up its work, and keeps its mark before anything is delivered.
    async fn begin(&mut self) {
        loop {
            match self.try_to_begin().await {
                Ok(()) => return self.committed(),
                Err(error) => self.failed(&error).await,
            }
        }
    }

    async fn try_to_begin(&self) -> Result<(), DeliveryError> {
        let journal = self.journal.clone();
        let mark = self.blocking(move || journal.blob(MARK)).await?;
        let mark = self.backend.begin(&mark.unwrap_or_default()).await?;
        let journal = self.journal.clone();
        let commit = move || journal.commit_all(&[], &[(MARK, &mark)]);
        self.blocking(commit).await
    }

    /// Waits until there is something to deliver and its time to gather is over. False when nothing is left and it is to stop.
    async fn gather(&mut self) -> bool {
        let mut end = None;
        loop {
            self.read().await;
            if self.has_batch() || self.shared.stop.is_cancelled() {
                return !self.waiting.is_empty();
            }
            if self.waiting.is_empty() {
                self.idle().await;
                continue;
            }
            let end = *end.get_or_insert_with(|| Instant::now() + self.pace.gather);
            if Instant::now() >= end {
                return true;
            }
            tokio::select! {
                () = sleep_until(end.min(Instant::now() + GATHERING)) => {}
                () = self.shared.stop.cancelled() => {}
            }
            self.commit_if_due().await;
        }
    }

    /// Waits for events, and commits meanwhile.
    async fn idle(&mut self) {
        let look = Instant::now() + IDLE;
        let due = self.due().map_or(look, |due| due.min(look));
        tokio::select! {
            () = self.shared.arrived.notified() => {}
            () = self.shared.stop.cancelled() => {}
            () = sleep_until(due) => {}
        }
        self.commit_if_due().await;
        self.restore().await;
    }

    /// Reads what there is, as much as a batch takes.
    async fn read(&mut self) {
        if self.has_batch() {
            return;
        }
        let events = self.limit.saturating_sub(self.waiting.len());
        let bytes = self.pace.bytes.saturating_sub(self.waiting_bytes());
        let reader = Arc::clone(&self.reader);
        let read = move || hold(&reader).read(events, bytes, Duration::ZERO);
        match self.files.spawn_blocking(read).await {
            Ok(Ok(records)) => {
                let records = records
                    .into_iter()
                    .map(|record| (record.place, record.payload));
                self.waiting.extend(records);
            }
            // Only a journal that is shut down: the end is near.
            Ok(Err(ReadError::Closed)) => self.shared.stop.cancel(),
            Ok(Err(error)) => self.failed(&DeliveryError::new(error.to_string())).await,
            Err(error) => self.failed(&DeliveryError::new(error.to_string())).await,
        }
    }

    /// Whether what is read fills a batch.
    fn has_batch(&self) -> bool {
        self.waiting.len() >= self.limit || self.waiting_bytes() >= self.pace.bytes
    }

    fn waiting_bytes(&self) -> usize {
        self.waiting.iter().map(|(_, event)| event.len()).sum()
    }

    /// Delivers a batch, or fails and waits.
    async fn deliver(&mut self) {
        let batch = self.batch();
        match self.backend.deliver(&batch).await {
            Ok(taken) => {
                self.took(taken);
                if taken < batch.len() {
                    self.commit().await;
                } else {
                    self.commit_if_due().await;
                }
            }
            Err(error) => {
                if error.is_too_large {
                    self.limit = (batch.len() / 2).max(1);
                }
                self.failed(&error).await;
            }
        }
    }

    /// The next events, at least one and otherwise within the bounds of a batch.
    fn batch(&self) -> Vec<Bytes> {
        let mut bytes = 0_usize;
        let within = |event: &Bytes| {
            let is_first = bytes == 0;
            bytes = bytes.saturating_add(event.len());
            is_first || bytes <= self.pace.bytes
        };
        let events = self.waiting.iter().map(|(_, event)| event.clone());
        events.take(self.limit).take_while(within).collect()
    }

    fn took(&mut self, events: usize) {
        let events = events.min(self.waiting.len());
        if let Some((place, _)) = self.waiting.drain(..events).next_back() {
            let since = self.delivered.map_or_else(Instant::now, |(_, since)| since);
            self.delivered = Some((place, since));
            self.shared.counters.delivered(events);
            self.limit = self.limit.saturating_mul(2).min(self.pace.events.max(1));
        }
    }

    /// When what is delivered has to be committed.
    fn due(&self) -> Option<Instant> {
        self.delivered.map(|(_, since)| since + self.pace.settle)
    }

    async fn commit_if_due(&mut self) {
        if self.due().is_some_and(|due| due <= Instant::now()) {
            self.commit().await;
        }
    }

    /// Tries until the place is committed with the backend's mark, or the backend takes back what it said.
    async fn commit(&mut self) {
        loop {
            let mark = match self.backend.settle().await {
                Ok(mark) => mark,
                Err(error) => {
                    self.again();
                    return self.failed(&error).await;
                }
            };
            let (journal, plugin) = (self.journal.clone(), self.plugin);
            let place = self.delivered.map(|(place, _)| (plugin, place));
            let commit = move || journal.commit_all(place.as_slice(), &[(MARK, &mark)]);
            match self.blocking(commit).await {
                Ok(()) => {
                    self.committed();
                    return self.restore().await;
                }
                Err(_) if self.shared.reserve.spend() => {}
                Err(error) => self.failed(&error).await,
            }
        }
    }

    /// Frees room that is not needed any more, if it was short.
    async fn restore(&self) {
        if !self.shared.reserve.is_spent() {
            return;
        }
        let (journal, shared) = (self.journal.clone(), Arc::clone(&self.shared));
        let restore = move || {
            journal.tidy();
            shared.reserve.restore();
        };
        let _ = self.files.spawn_blocking(restore).await;
    }

    fn committed(&mut self) {
        if let Some((place, _)) = self.delivered.take() {
            self.committed = Place::new(place.number().saturating_add(1));
        }
        if self.failures > 0 {
            tracing::info!(
                backend = self.plugin,
                "the backend takes audit events again"
            );
            self.failures = 0;
            self.shared.counters.succeeded();
        }
    }

    /// Begins again behind the last place that is committed.
    fn again(&mut self) {
        self.waiting.clear();
        self.delivered = None;
        hold(&self.reader).seek(self.committed);
    }

    /// Runs work with files off the runtime's threads.
    async fn blocking<T: Send + 'static, E: std::fmt::Display + Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, E> + Send + 'static,
    ) -> Result<T, DeliveryError> {
        match self.files.spawn_blocking(work).await {
            Ok(Ok(done)) => Ok(done),
            Ok(Err(error)) => Err(DeliveryError::new(error.to_string())),
            Err(error) => Err(DeliveryError::new(error.to_string())),
        }
    }

    /// Says it, once a minute, and waits.
    async fn failed(&mut self, error: &DeliveryError) {
        self.failures = self.failures.saturating_add(1);
        let counters = &self.shared.counters;
        counters.failed();
        if counters.failures.is_due() {
            let figures = counters.figures(self.plugin, &self.journal.stats());
            tracing::error!(
                backend = self.plugin,
                %error,
                waiting = figures.waiting_events,
                failing_seconds = figures.failing_for.unwrap_or_default().as_secs(),
                "audit events cannot be delivered; they are kept and tried again"
            );
        }
        let asked = error.pause.unwrap_or_default();
        sleep(asked.max(self.backend.pause(self.failures))).await;
    }
}

fn hold(reader: &Mutex<Reader>) -> std::sync::MutexGuard<'_, Reader> {
    reader.lock().unwrap_or_else(PoisonError::into_inner)
}
