//! From the journal of events, through the rules, into the journal of alerts.
//!
//! One thread reads events in order, so alerts have one order too. It appends what it found to the outbox and commits its place
//! among the events once that is on disk. A crash in between repeats events, whose alerts have the same identities: the outbox
//! knows its newest and does not take them twice. So places need not be committed with every round, each commit being a write to
//! disk, as long as the alerts since the last one are fewer than the outbox remembers (`progress::COMMIT_ALERTS`).

mod progress;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use kubevigil_alerts::outbox::Outbox;
use kubevigil_alerts::{Alert, EventSummary};
use kubevigil_audit::json::PathScratch;
use kubevigil_audit::time::Timestamp;
use kubevigil_detect::{Position, Scratch};
use kubevigil_journal::{Place, ReadError, Reader, Record, Ticket};
use kubevigil_sources::Origin;
use kubevigil_sources::envelope::Envelope;

use crate::run::detector::progress::Progress;
use crate::run::live_rules::{LiveRules, Ruling};

/// So many events that cannot be read are logged one by one.
const LOGGED_UNREADABLE: u64 = 100;

/// The name of the detector's place in the journal of events.
pub(crate) const READER: &str = "detect";

/// Most events of one round.
const ROUND_EVENTS: usize = 4_096;
/// Most bytes of one round: what waits in memory until its alerts are on disk.
const ROUND_BYTES: usize = 8 << 20;
/// How long a quiet journal is waited for.
const IDLE: Duration = Duration::from_millis(250);

/// What the detector counts.
#[derive(Debug, Default)]
pub(crate) struct DetectCounters {
    /// Events that were put to the rules.
    pub(crate) events: AtomicU64,
    /// Events whose bytes could not be read.
    pub(crate) unreadable: AtomicU64,
    /// Alerts that were appended to the outbox.
    pub(crate) alerts: AtomicU64,
    /// Alerts that the outbox had already.
    pub(crate) repeated: AtomicU64,
}

/// The detector's thread before it starts.
pub(crate) struct Detector {
    pub(crate) events: Reader,
    pub(crate) alerts: Outbox,
    pub(crate) rules: Arc<LiveRules>,
    pub(crate) counters: Arc<DetectCounters>,
    /// Stop when there is nothing left to read.
    pub(crate) drain: Arc<AtomicBool>,
    /// Stop at once.
    pub(crate) stop: Arc<AtomicBool>,
}

/// Alerts on their way to disk, and the last event that was read for them.
struct Found {
    alerts: Vec<Alert>,
    ticket: Option<Ticket>,
    last: Place,
}

impl Detector {
    /// Reads until it is told to stop.
    ///
    /// While the alerts of one round are brought to disk, the next round is put to the rules.
    pub(crate) fn run(mut self) {
        let (mut stream, mut progress) = (Stream::default(), Progress::default());
        let mut before: Option<Found> = None;
        while !self.stop.load(Ordering::Relaxed) {
            // Looked at first: what is journaled before it is set must be read.
            let draining = self.drain.load(Ordering::Relaxed);
            let patience = if draining || before.is_some() {
                Duration::ZERO
            } else {
                progress.patience().min(IDLE)
            };
            let Some(records) = self.read(patience) else {
                break;
            };
            if draining && records.is_empty() && before.is_none() {
                break;
            }
            let found = self.round(&records, &mut stream);
            if !self.settle(before.take(), &mut progress) {
                return;
            }
            before = found;
            progress.commit_if_due(&self.events);
        }
        if self.settle(before, &mut progress) {
            progress.commit(&self.events);
        }
    }

    /// The next events; none after a while without. `None` when the journal is closed.
    fn read(&mut self, patience: Duration) -> Option<Vec<Record>> {
        match self.events.read(ROUND_EVENTS, ROUND_BYTES, patience) {
            Ok(records) => Some(records),
            Err(ReadError::Closed) => None,
            Err(error) => {
                tracing::error!(%error, "cannot read the journal of events; trying again");
                std::thread::sleep(IDLE);
                Some(Vec::new())
            }
        }
    }

    /// Puts events to the rules and sends their alerts on their way to disk.
    fn round(&self, records: &[Record], stream: &mut Stream) -> Option<Found> {
        let last = records.last()?.place;
        let ruling = self.rules.current();
        let mut alerts = Vec::new();
        for record in records {
            self.detect(record, &ruling, stream, &mut alerts);
        }
        self.counters
            .events
            .fetch_add(records.len() as u64, Ordering::Relaxed);
        let ticket = if alerts.is_empty() {
            None
        } else {
            self.alerts.append(&alerts).ok()
        };
        Some(Found {
            alerts,
            ticket,
            last,
        })
    }

    fn detect(
        &self,
        record: &Record,
        ruling: &Ruling,
        stream: &mut Stream,
        alerts: &mut Vec<Alert>,
    ) {
        let envelope = match Envelope::decode(&record.payload) {
            Ok(envelope) => envelope,
            Err(error) => return self.unreadable(record.place, &error),
        };
        stream.number += 1;
        let position = Position {
            number: stream.number,
            first_time: stream.first_time,
            received: Timestamp {
                nanoseconds: envelope.received,
            },
        };
        let found =
            match ruling
                .matcher
                .detect(&envelope.arrival.raw, &position, &mut stream.scratch)
            {
                Ok(found) => found,
                Err(error) => return self.unreadable(record.place, &error),
            };
        stream.first_time.get_or_insert(found.time);
        if found.list.is_empty() {
            return;
        }
        let summary = summary(&envelope, record.place, &mut stream.summary);
        for detection in found.list {
            ruling.count(detection.rule_number);
            alerts.push(Alert::new(&detection, &summary));
        }
    }

    fn unreadable(&self, place: Place, error: &impl std::fmt::Display) {
        let before = self.counters.unreadable.fetch_add(1, Ordering::Relaxed);
        // Whoever can send events could fill the log with these. The counter has them all.
        if before < LOGGED_UNREADABLE {
            tracing::warn!(place = place.number(), %error, "an event in the journal cannot be read; the rules have not seen it");
        }
    }

    /// Waits until the alerts of a round are on disk, however long that is full. False when it was told to stop before.
    fn settle(&self, found: Option<Found>, progress: &mut Progress) -> bool {
        let Some(Found {
            alerts,
            ticket,
            last,
        }) = found
        else {
            return true;
        };
        let durable = alerts.is_empty()
            || match ticket.map(|ticket| self.wait(ticket)) {
                Some(Ok(())) => true,
                Some(Err(_)) | None => self.append(&alerts),
            };
        if durable {
            progress.settled(last, alerts.len());
        }
        durable
    }

    /// Tries until alerts are on disk. False when it was told to stop before.
    fn append(&self, alerts: &[Alert]) -> bool {
        let mut wait = Duration::from_millis(100);
        while !self.stop.load(Ordering::Relaxed) {
            let appended = self
                .alerts
                .append(alerts)
                .map_err(|error| error.to_string());
            match appended.and_then(|ticket| self.wait(ticket)) {
                Ok(()) => return true,
                Err(error) => tracing::error!(
                    error,
                    alerts = alerts.len(),
                    "cannot write alerts to the outbox; trying again"
                ),
            }
            std::thread::sleep(wait);
            wait = (wait * 2).min(Duration::from_secs(2));
        }
        false
    }

    fn wait(&self, ticket: Ticket) -> Result<(), String> {
        let appended = ticket.wait().map_err(|error| error.to_string())?;
        self.counters
            .alerts
            .fetch_add(appended.written, Ordering::Relaxed);
        self.counters
            .repeated
            .fetch_add(appended.duplicates, Ordering::Relaxed);
        Ok(())
    }
}

/// What is known about the stream of events since the start, and memory that is used again for each of them.
#[derive(Default)]
struct Stream {
    number: u64,
    first_time: Option<Timestamp>,
    scratch: Scratch,
    summary: PathScratch,
}

/// Who did what, and where the event is to be found.
fn summary(envelope: &Envelope, place: Place, scratch: &mut PathScratch) -> EventSummary {
    let mut summary = EventSummary::read(&envelope.arrival.raw, scratch);
    summary.event.place = Some(place.number());
    (summary.event.file, summary.event.line) = match &envelope.origin {
        Origin::File(path) => (Some(path.to_string()), Some(envelope.arrival.line)),
        Origin::Stdin => (Some("-".to_owned()), Some(envelope.arrival.line)),
        Origin::Webhook => (None, None),
    };
    summary
}
