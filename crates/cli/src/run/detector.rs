//! From the journal of events, through the rules, into the journal of alerts.
//!
//! One thread reads events in order, so alerts have one order too. It appends what it found to the outbox and waits until that is on
//! disk before it commits its place among the events. A crash in between repeats events, whose alerts have the same identities:
//! the outbox knows them and does not take them twice.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use kubevigil_alerts::outbox::Outbox;
use kubevigil_alerts::{Alert, EventSummary};
use kubevigil_audit::json::PathScratch;
use kubevigil_audit::time::Timestamp;
use kubevigil_detect::{Position, Scratch};
use kubevigil_journal::{Place, ReadError, Reader, Record};
use kubevigil_sources::Origin;
use kubevigil_sources::envelope::Envelope;

use crate::run::live_rules::{LiveRules, Ruling};

/// The name of the detector's place in the journal of events.
pub(crate) const READER: &str = "detect";

/// Most events of one round.
const ROUND_EVENTS: usize = 4_096;
/// Most bytes of one round: what waits in memory between two commits.
const ROUND_BYTES: usize = 8 << 20;
/// How long a quiet journal is waited for.
const IDLE: Duration = Duration::from_millis(250);
/// Places are committed this often while there is more to read; each commit is a write to disk.
const COMMIT_EVERY: Duration = Duration::from_millis(250);

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

impl Detector {
    /// Reads until it is told to stop.
    pub(crate) fn run(mut self) {
        let mut scratch = Scratch::default();
        let mut stream = Stream::default();
        let mut committed = Instant::now();
        let mut done: Option<Place> = None;
        while !self.stop.load(Ordering::Relaxed) {
            let idle = if done.is_some() { Duration::ZERO } else { IDLE };
            let records = match self.events.read(ROUND_EVENTS, ROUND_BYTES, idle) {
                Ok(records) => records,
                Err(ReadError::Closed) => break,
                Err(error) => {
                    tracing::error!(%error, "cannot read the journal of events; trying again");
                    std::thread::sleep(IDLE);
                    continue;
                }
            };
            if let Some(last) = records.last() {
                let last = last.place;
                if !self.round(&records, &mut stream, &mut scratch) {
                    break;
                }
                done = Some(last);
            } else if done.is_none() && self.drain.load(Ordering::Relaxed) {
                break;
            }
            if done.is_some() && (records.is_empty() || committed.elapsed() >= COMMIT_EVERY) {
                self.commit(done.take());
                committed = Instant::now();
            }
        }
        self.commit(done);
    }

    /// Puts events to the rules and brings their alerts to disk. False when it was told to stop before it could.
    fn round(&self, records: &[Record], stream: &mut Stream, scratch: &mut Scratch) -> bool {
        let ruling = self.rules.current();
        let mut alerts = Vec::new();
        for record in records {
            self.detect(record, &ruling, stream, scratch, &mut alerts);
        }
        self.counters.events.fetch_add(records.len() as u64, Ordering::Relaxed);
        alerts.is_empty() || self.append(&alerts)
    }

    fn detect(
        &self,
        record: &Record,
        ruling: &Ruling,
        stream: &mut Stream,
        scratch: &mut Scratch,
        alerts: &mut Vec<Alert>,
    ) {
        let envelope = match Envelope::decode(&record.payload) {
            Ok(envelope) => envelope,
            Err(error) => return self.unreadable(record.place, &error),
        };
        let event = &envelope.arrival.raw;
        stream.number += 1;
        let position = Position {
            number: stream.number,
            first_time: stream.first_time,
            received: Timestamp { nanoseconds: envelope.received },
        };
        let found = match ruling.matcher.detect(event, &position, scratch) {
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
        self.counters.unreadable.fetch_add(1, Ordering::Relaxed);
        tracing::warn!(place = place.number(), %error, "an event in the journal cannot be read; the rules have not seen it");
    }

    /// Brings alerts to disk, however long the disk is full. False when it was told to stop before it could.
    fn append(&self, alerts: &[Alert]) -> bool {
        let mut wait = Duration::from_millis(100);
        while !self.stop.load(Ordering::Relaxed) {
            match self.try_append(alerts) {
                Ok(()) => return true,
                Err(error) => tracing::error!(error, "cannot write alerts to the outbox; trying again"),
            }
            std::thread::sleep(wait);
            wait = (wait * 2).min(Duration::from_secs(5));
        }
        false
    }

    fn try_append(&self, alerts: &[Alert]) -> Result<(), String> {
        let ticket = self.alerts.append(alerts).map_err(|error| error.to_string())?;
        let appended = ticket.wait().map_err(|error| error.to_string())?;
        self.counters.alerts.fetch_add(appended.written, Ordering::Relaxed);
        self.counters.repeated.fetch_add(appended.duplicates, Ordering::Relaxed);
        Ok(())
    }

    fn commit(&self, place: Option<Place>) {
        let Some(place) = place else { return };
        if let Err(error) = self.events.commit(place) {
            tracing::error!(%error, "cannot commit the detector's place; after a restart it would read some events again");
        }
    }
}

/// What is known about the stream of events since the start.
#[derive(Debug, Default)]
struct Stream {
    number: u64,
    first_time: Option<Timestamp>,
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
