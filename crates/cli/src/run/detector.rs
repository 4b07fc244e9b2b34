//! From the journal of events, through the rules, into the journal of alerts.
//!
//! One thread reads events in order, so alerts have one order too. It appends what it found to the outbox and commits its place
//! among the events, together with what correlations remember there, once that is on disk. A crash in between repeats events, whose
//! alerts have the same identities: the outbox knows its newest and does not take them twice. So places need not be committed with
//! every round, each commit being a write to disk, as long as the alerts since the last one are fewer than the outbox remembers
//! (`progress::COMMIT_ALERTS`).

pub(crate) mod checkpoint;
pub(crate) mod figures;
mod progress;
mod stream;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use kubevigil_alerts::Alert;
use kubevigil_alerts::outbox::Outbox;
use kubevigil_journal::{Journal, Place, ReadError, Reader, Record, Ticket};
use kubevigil_sources::envelope::Envelope;

use crate::run::detector::figures::{DetectCounters, Snapshot};
use crate::run::detector::progress::Progress;
use crate::run::live_rules::{LiveRules, Ruling};

pub(crate) use crate::run::detector::stream::Stream;

/// So many events that cannot be read are logged one by one.
const LOGGED_UNREADABLE: u64 = 100;

/// The name of the detector's place in the journal of events.
pub(crate) const READER: &str = "detect";

/// Most events of one round.
const ROUND_EVENTS: usize = 4_096;
/// Most bytes of one round: what waits in memory until its alerts are on disk.
const ROUND_BYTES: usize = 8 << 20;
/// About the most events that the alerts of one round are about, for the same reason.
const ROUND_EVIDENCE: usize = ROUND_EVENTS / 2;
/// How long a quiet journal is waited for.
const IDLE: Duration = Duration::from_millis(250);
/// How old what metrics say of the state may become.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// The detector's thread before it starts.
pub(crate) struct Detector {
    pub(crate) events: Reader,
    /// The same, to commit to.
    pub(crate) journal: Journal,
    pub(crate) alerts: Outbox,
    pub(crate) rules: Arc<LiveRules>,
    pub(crate) stream: Stream,
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
    /// While the alerts of one round are brought to disk, the next round is put to the rules. A commit waits for those alerts: what is
    /// remembered then is what was there behind the last event of the round.
    pub(crate) fn run(mut self) {
        let mut progress = Progress::default();
        let mut before: Option<Found> = None;
        let (mut looked, mut stale) = (Instant::now(), true);
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
            let rules = self.changed_rules();
            if (rules.is_some() || progress.due()) && !self.finish(before.take(), &mut progress) {
                return;
            }
            if let Some(rules) = rules {
                self = self.adopt(rules);
            }
            if stale && (records.is_empty() || looked.elapsed() >= LOOK_EVERY) {
                self.look();
                looked = Instant::now();
            }
            stale = !records.is_empty();
            if !self.rounds(&records, &mut before, &mut progress) {
                return;
            }
        }
        self.finish(before, &mut progress);
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

    /// Other rules than before, if there are.
    fn changed_rules(&self) -> Option<Arc<Ruling>> {
        let current = self.rules.current();
        (!Arc::ptr_eq(&current, &self.stream.ruling)).then_some(current)
    }

    /// Goes on under other rules.
    fn adopt(self, rules: Arc<Ruling>) -> Self {
        let stream = self.stream.adopt(rules);
        self.counters.state.restored(stream.state.restored());
        checkpoint::report(stream.state.restored());
        let detector = Self { stream, ..self };
        detector.look();
        detector
    }

    /// Leaves behind how large the state is, for the metrics.
    fn look(&self) {
        self.counters.state.view.store(Arc::new(self.stream.view()));
    }

    /// Waits until all alerts are on disk, and writes down how far it is and what it remembers there. False when it was told to stop
    /// before.
    fn finish(&self, found: Option<Found>, progress: &mut Progress) -> bool {
        let settled = self.settle(found, progress);
        if settled && let Some(place) = progress.done() {
            self.commit(place, progress);
        }
        settled
    }

    fn commit(&self, place: Place, progress: &mut Progress) {
        let begin = Instant::now();
        let written = checkpoint::write(&self.journal, place, &self.stream);
        let (figures, took) = (&self.counters.state, begin.elapsed());
        match &written {
            Ok(bytes) => figures.written(Snapshot {
                bytes: *bytes,
                took,
                at: Instant::now(),
            }),
            Err(_) => drop(figures.failed_snapshots.fetch_add(1, Ordering::Relaxed)),
        }
        progress.committed(written.map(drop), took);
    }

    /// Puts events to the rules in rounds. False when it was told to stop before the alerts of one were on disk.
    fn rounds(
        &mut self,
        mut records: &[Record],
        before: &mut Option<Found>,
        progress: &mut Progress,
    ) -> bool {
        loop {
            let (found, rest) = self.round(records);
            if !self.settle(before.take(), progress) {
                return false;
            }
            *before = found;
            records = rest;
            if records.is_empty() {
                return true;
            }
        }
    }

    /// Puts events to the rules and sends their alerts on their way to disk; gives the events back that are for the next round.
    fn round<'r>(&mut self, records: &'r [Record]) -> (Option<Found>, &'r [Record]) {
        let (mut alerts, mut evidence, mut taken) = (Vec::new(), 0, 0);
        for record in records {
            let known = alerts.len();
            self.detect(record, &mut alerts);
            taken += 1;
            let new = alerts.iter().skip(known);
            evidence += new.map(|alert| 1 + alert.evidence.len()).sum::<usize>();
            if evidence > ROUND_EVIDENCE {
                break;
            }
        }
        let (round, rest) = records.split_at(taken);
        let Some(last) = round.last() else {
            return (None, rest);
        };
        self.counters
            .events
            .fetch_add(taken as u64, Ordering::Relaxed);
        let ticket = if alerts.is_empty() {
            None
        } else {
            self.alerts.append(&alerts).ok()
        };
        let found = Found {
            alerts,
            ticket,
            last: last.place,
        };
        (Some(found), rest)
    }

    fn detect(&mut self, record: &Record, alerts: &mut Vec<Alert>) {
        let detected = match Envelope::decode(&record.payload) {
            Ok(envelope) => {
                let detected = self.stream.detect(&envelope, record.place, alerts);
                detected.map_err(|error| error.to_string())
            }
            Err(error) => Err(error.to_string()),
        };
        if let Err(error) = detected {
            self.unreadable(record.place, &error);
        }
    }

    fn unreadable(&self, place: Place, error: &str) {
        let before = self.counters.unreadable.fetch_add(1, Ordering::Relaxed);
        // Whoever can send events could fill the log with these. The counter has them all.
        if before < LOGGED_UNREADABLE {
            tracing::warn!(
                place = place.number(),
                error,
                "an event in the journal cannot be read; the rules have not seen it"
            );
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
