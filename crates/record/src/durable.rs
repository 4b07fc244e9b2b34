//! Mode `durable`: an event is on disk before its request goes on, and stays there until the backend has it.
//!
//! The server's modes choose between requests that wait for a receiver and events that are lost when it is away. Here events are
//! appended to a journal in a folder of the backend's own, synced, many requests with one sync; a task reads
//! the journal and hands over to the backend in order, for ever. So a request waits for the local disk and for nothing else, and
//! whatever becomes of the backend, of this process or of the machine, no event of an answered request is lost.
//!
//! What that costs, and what follows from it:
//!
//! - An event that cannot be kept fails its request, at every stage ([`Sink::must_keep`]): the disk is full, too much waits. One that is
//!   too large, or has bodies that cannot be written, is kept without them ([`crate::shorten`]). `blocking-strict` does that for the first stage only, and then answers requests whose end nobody records.
//! - Nothing unread is ever deleted. What bounds the disk is [`DurableOptions::max_waiting_bytes`]: beyond it events are
//!   refused, with an error that says so, until the backend has caught up. What is delivered is deleted, at the latest a minute and a
//!   segment of 16 MiB later. On a disk that is full before that, 2 MiB are kept back with which the backend can go on.
//! - A webhook gets every event at least once and in order: after a crash the last batch comes again, since nobody knows whether
//!   the answer was lost or the request. A log gets each exactly once (see [`log`](LogDelivery)). On standard output the last
//!   second may be repeated.
//! - A batch that is refused is tried again for ever, whatever the status, and holds up everything behind it. That is said in this
//!   process's log once a minute, and in the figures. Dropping it instead would make loss a matter of one bad proxy.
//! - Events are encoded when they are taken. After a change of the format, what still waits is written in the old one.
//!
//! Of the options for batches, `batch-max-size` and `batch-max-wait` count for webhooks. The size of the buffer and the throttle
//! mean nothing here: the disk is the buffer, and as only one batch is under way at a time, the receiver sets the pace.

mod courier;
mod delivers;
mod figures;
mod log;
mod reserve;
mod tail;
mod webhook;

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use kubevigil_journal::{
    Health, Journal, NewRecord, OpenError, Options, ReaderError, ReaderStart, Recovery,
};
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::durable::courier::Courier;
use crate::durable::figures::Counters;
use crate::durable::reserve::Reserve;
use crate::shorten::{LONGEST_LINE, written};
use crate::sink::{ErrorCounters, Events, Sink, SinkError};
use crate::writable::{self, FolderError};

pub use crate::durable::delivers::{Delivers, DeliveryError, Pace};
pub use crate::durable::figures::DurableFigures;
pub use crate::durable::log::LogDelivery;
pub use crate::durable::webhook::WebhookDelivery;

/// The longest segment of the journal: small, so that what is delivered is deleted soon.
const SEGMENT_BYTES: u64 = 16 << 20;
/// And the shortest.
const SHORT_SEGMENT_BYTES: u64 = 1 << 20;
/// How many segments the longest queue has at least.
const SEGMENTS: u64 = 64;
/// Between two looks at how much waits, in calls.
const LOOK_EVERY: u64 = 32;

/// Where events wait, and how many.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct DurableOptions {
    /// The folder. Each backend needs its own, and keeps it across restarts.
    pub folder: PathBuf,
    /// The most bytes on disk that may wait for the backend; beyond it events are refused. 8 GiB by default.
    pub max_waiting_bytes: u64,
    /// For how long a shutdown goes on delivering; the rest is delivered after the next start. 10 s by default.
    pub drain: Duration,
}

impl DurableOptions {
    /// The defaults for this folder.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self {
            folder: folder.into(),
            max_waiting_bytes: 8 << 30,
            drain: Duration::from_secs(10),
        }
    }

    /// Whether events could be kept in the folder. Leaves no trace; what a start would see besides is what the folder holds, and
    /// whether another process has it.
    ///
    /// # Errors
    ///
    /// When the folder is none, belongs to somebody else, cannot be written, or cannot be made.
    pub fn check(&self) -> Result<(), FolderError> {
        writable::own(&self.folder)?;
        writable::folder(&self.journal_folder())
    }

    fn journal_folder(&self) -> PathBuf {
        self.folder.join("events")
    }
}

/// Why the events that wait cannot be taken up.
#[derive(Debug, thiserror::Error)]
pub enum DurableError {
    /// The folder is somebody else's.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// The folder cannot be used as a journal.
    #[error(transparent)]
    Journal(#[from] OpenError),
    /// The journal cannot be read.
    #[error(transparent)]
    Reader(#[from] ReaderError),
    /// What waits there is written as another backend wants it.
    #[error(
        "{folder} holds events for the backend `{found}`, not for `{expected}`; give each backend a folder of its own"
    )]
    OtherBackend {
        /// The folder.
        folder: PathBuf,
        /// Whose events they are.
        found: String,
        /// Who was to get them.
        expected: &'static str,
    },
}

/// The sink `durable<...>`.
pub struct Durable {
    backend: Arc<dyn Delivers>,
    journal: Journal,
    options: DurableOptions,
    shared: Arc<Shared>,
    courier: Mutex<Option<JoinHandle<()>>>,
    errors: Arc<ErrorCounters>,
    calls: AtomicU64,
    is_full: AtomicBool,
}

/// What the sink and the task that delivers have in common.
struct Shared {
    counters: Counters,
    reserve: Reserve,
    /// There is something to deliver.
    arrived: Notify,
    /// Deliver what is there, then stop.
    stop: CancellationToken,
    /// Stop now.
    abandon: CancellationToken,
}

impl Durable {
    /// Opens the folder and starts to deliver what waits there; to be called within a runtime.
    ///
    /// # Errors
    ///
    /// When the folder cannot be used, or holds events for another backend.
    pub fn open(
        backend: Arc<dyn Delivers>,
        options: DurableOptions,
        errors: Arc<ErrorCounters>,
    ) -> Result<Self, DurableError> {
        let plugin = backend.plugin();
        writable::own(&options.folder)?;
        let (reserve, journal, recovery) = open_journal(&options)?;
        let readers = journal.stats().readers;
        if let Some(other) = readers.into_iter().find(|reader| reader.name != plugin) {
            return Err(DurableError::OtherBackend {
                folder: options.folder,
                found: other.name,
                expected: plugin,
            });
        }
        if recovery.cut_bytes > 0 || !recovery.damaged.is_empty() {
            tracing::warn!(
                ?recovery,
                "the folder of audit events was not closed in order"
            );
        }
        let reader = journal.reader(plugin, ReaderStart::Oldest)?;
        let shared = Arc::new(Shared::new(reserve));
        let courier = Courier::new(
            Arc::clone(&backend),
            journal.clone(),
            reader,
            Arc::clone(&shared),
        );
        Ok(Self {
            backend,
            journal,
            options,
            shared,
            courier: Mutex::new(Some(tokio::spawn(courier.run()))),
            errors,
            calls: AtomicU64::default(),
            is_full: AtomicBool::default(),
        })
    }

    /// What it has kept and delivered, and what waits.
    pub fn figures(&self) -> DurableFigures {
        let stats = self.journal.stats();
        self.shared.counters.figures(self.backend.plugin(), &stats)
    }

    /// Why events are refused at this moment, and with them their requests; `None` while they are kept. It passes by itself when the cause
    /// does, whether anybody asks or not.
    pub fn trouble(&self) -> Option<String> {
        self.look();
        let why = match self.journal.health() {
            Health::Good => self.shortage()?,
            Health::Failing(trouble) => trouble.error.to_string(),
            Health::Closed => "the journal is closed".to_owned(),
        };
        let plugin = self.backend.plugin();
        Some(format!(
            "events for the audit {plugin} cannot be kept, so requests fail: {why}"
        ))
    }

    /// Brings what can be written to disk; what went wrong with the rest.
    async fn keep(&self, events: Events<'_>) -> Result<(), SinkError> {
        if self.shared.stop.is_cancelled() {
            return Err(self.error("this process is shutting down"));
        }
        self.check_room()?;
        let mut faults = Ok(());
        let mut payloads: Vec<Bytes> = Vec::with_capacity(events.len());
        for event in events {
            match written(event, LONGEST_LINE, |event| self.backend.encode(event)) {
                Ok((payload, _)) => payloads.push(payload),
                Err(fault) => faults = Err(fault),
            }
        }
        let records: Vec<NewRecord> = payloads.into_iter().map(NewRecord::unkeyed).collect();
        if !records.is_empty() {
            let ticket = self.journal.append(records);
            let ticket = ticket.map_err(|error| self.error(error.to_string()))?;
            let appended = ticket
                .await
                .map_err(|error| self.error(error.to_string()))?;
            self.shared.counters.kept(appended.written);
            self.shared.arrived.notify_one();
        }
        faults
    }

    /// Looks now and then how much waits, and at every call once it is too much.
    fn check_room(&self) -> Result<(), SinkError> {
        let calls = self.calls.fetch_add(1, Ordering::Relaxed);
        if self.is_full.load(Ordering::Relaxed) || calls.is_multiple_of(LOOK_EVERY) {
            self.look();
        }
        self.shortage().map_or(Ok(()), |why| Err(self.error(why)))
    }

    /// Looks how much waits.
    fn look(&self) {
        let is_full = self.figures().waiting_bytes > self.options.max_waiting_bytes;
        self.is_full.store(is_full, Ordering::Relaxed);
    }

    /// Why there is no room for events, as far as it is known.
    fn shortage(&self) -> Option<String> {
        if self.shared.reserve.is_spent() {
            let why = "the disk below the events that wait is full; make room, or make sure that the backend takes them";
            return Some(why.to_owned());
        }
        let limit = self.options.max_waiting_bytes;
        let is_full = self.is_full.load(Ordering::Relaxed);
        is_full.then(|| {
            format!(
                "more than {limit} bytes of events wait for the backend; find out why it does not take them, or allow more"
            )
        })
    }

    fn error(&self, message: impl Into<String>) -> SinkError {
        SinkError::new(self.backend.plugin(), message)
    }
}

#[async_trait]
impl Sink for Durable {
    fn name(&self) -> String {
        format!("durable<{}>", self.backend.plugin())
    }

    async fn emit(&self, events: Events<'_>) -> Result<(), SinkError> {
        let kept = self.keep(events).await;
        if let Err(error) = &kept {
            self.errors.add(self.backend.plugin(), events.len());
            let refused = self.shared.counters.refused(events.len());
            if self.shared.counters.refusals.is_due() {
                tracing::error!(%error, refused, "audit events cannot be kept, and their requests fail");
            }
        }
        kept
    }

    fn must_keep(&self) -> bool {
        true
    }

    async fn shutdown(&self) {
        self.shared.stop.cancel();
        let courier = self
            .courier
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        let Some(mut courier) = courier else { return };
        if tokio::time::timeout(self.options.drain, &mut courier)
            .await
            .is_err()
        {
            let waiting = self.figures().waiting_events;
            tracing::warn!(waiting, "audit events are left for the next start");
            self.shared.abandon.cancel();
            let _ = courier.await;
        }
        let journal = self.journal.clone();
        let _ = tokio::task::spawn_blocking(move || journal.close()).await;
    }
}

impl Drop for Durable {
    fn drop(&mut self) {
        self.shared.abandon.cancel();
    }
}

impl Shared {
    fn new(reserve: Reserve) -> Self {
        Self {
            counters: Counters::default(),
            reserve,
            arrived: Notify::new(),
            stop: CancellationToken::new(),
            abandon: CancellationToken::new(),
        }
    }
}

/// The journal, and the room beside it. The latter is given up if the former cannot be opened otherwise.
fn open_journal(options: &DurableOptions) -> Result<(Reserve, Journal, Recovery), OpenError> {
    let folder = options.journal_folder();
    let open = || Journal::open(&folder, journal_options(options.max_waiting_bytes));
    let reserve = Reserve::take(&options.folder);
    match open() {
        Ok((journal, recovery)) => {
            reserve.restore();
            Ok((reserve, journal, recovery))
        }
        Err(OpenError::Io { .. } | OpenError::Places { .. }) if reserve.spend() => {
            let (journal, recovery) = open()?;
            Ok((reserve, journal, recovery))
        }
        Err(error) => Err(error),
    }
}

/// Unread records are never deleted; those that are read go with their segment.
fn journal_options(max_waiting_bytes: u64) -> Options {
    let segment_bytes = (max_waiting_bytes / SEGMENTS).clamp(SHORT_SEGMENT_BYTES, SEGMENT_BYTES);
    Options {
        segment_bytes,
        retain_bytes: u64::MAX,
        retain_age: Some(Duration::ZERO),
        duplicate_window: 0,
        ..Options::default()
    }
}
