//! The detector's thread: its start and its end.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use kubevigil_alerts::outbox::Outbox;
use kubevigil_detect::StateLimits;
use kubevigil_journal::{Journal, ReaderStart};

use crate::run::detector::figures::DetectCounters;
use crate::run::detector::{Detector, READER, checkpoint};
use crate::run::live_rules::LiveRules;

/// A detector at work.
pub(crate) struct DetectorThread {
    thread: JoinHandle<()>,
    drain: Arc<AtomicBool>,
    stop: Arc<AtomicBool>,
    running: Arc<AtomicBool>,
}

impl DetectorThread {
    /// Starts behind what was detected before, remembering what it had to.
    pub(crate) fn start(
        events: &Journal,
        alerts: &Outbox,
        rules: &Arc<LiveRules>,
        limits: StateLimits,
        counters: &Arc<DetectCounters>,
    ) -> anyhow::Result<Self> {
        let stream = checkpoint::read(events, rules.current(), limits, &counters.state)?;
        let (drain, stop) = (Arc::<AtomicBool>::default(), Arc::<AtomicBool>::default());
        let detector = Detector {
            events: events
                .reader(READER, ReaderStart::Oldest)
                .context("cannot read the journal of events")?,
            journal: events.clone(),
            alerts: alerts.clone(),
            rules: Arc::clone(rules),
            stream,
            counters: Arc::clone(counters),
            drain: Arc::clone(&drain),
            stop: Arc::clone(&stop),
        };
        let running = Arc::new(AtomicBool::new(true));
        let ending = Ending(Arc::clone(&running));
        let thread = std::thread::Builder::new()
            .name(READER.to_owned())
            .spawn(move || {
                let _ending = ending;
                detector.run();
            });
        Ok(Self {
            thread: thread.context("cannot start the detector's thread")?,
            drain,
            stop,
            running,
        })
    }

    /// Whether the thread runs; stays current.
    pub(crate) fn running(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.running)
    }

    /// Lets it read what is journaled, but no longer than `within`; the rest is read after the next start.
    pub(crate) async fn drain(self, within: Duration) {
        self.drain.store(true, Ordering::Relaxed);
        let deadline = Instant::now() + within;
        while !self.thread.is_finished() && Instant::now() < deadline {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        self.stop.store(true, Ordering::Relaxed);
        let joining = tokio::task::spawn_blocking(move || self.thread.join());
        // A disk that hangs must not take the time in which alerts could be delivered.
        let joined = tokio::time::timeout(LAST_ROUND, joining).await;
        if !matches!(joined, Ok(Ok(Ok(())))) {
            tracing::error!(
                "the detector stopped unexpectedly; what it has not read is read after the next start"
            );
        }
    }
}

/// How long the round may take that is under way when the detector is told to stop.
const LAST_ROUND: Duration = Duration::from_secs(5);

/// Says that the thread has ended, also when it panics.
struct Ending(Arc<AtomicBool>);

impl Drop for Ending {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Relaxed);
        if std::thread::panicking() {
            tracing::error!(
                "the detector has stopped: events are kept but not put to the rules; restart kubevigil"
            );
        }
    }
}
