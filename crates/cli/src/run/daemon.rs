//! The parts of the daemon, put together, started, and stopped in order.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use kubevigil_alerts::deliveries::{Deliveries, Surroundings};
use kubevigil_alerts::outbox::Outbox;
use kubevigil_journal::{Journal, Options, ReaderStart, Recovery};
use kubevigil_sources::Intake;
use kubevigil_sources::webhook::{Handle, Webhook};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::config::{Config, JournalConfig};
use crate::hostname::hostname;
use crate::run::detector::{DetectCounters, Detector, READER};
use crate::run::health::HealthServer;
use crate::run::intake::JournalIntake;
use crate::run::live_rules::LiveRules;
use crate::run::metrics::Metrics;
use crate::run::readers::{self, Readers};
use crate::run::state_dir;
use crate::run::stop::{Signal, Signals};

/// How long the detector may take to read what is journaled; what is left then is read after the next start.
const DETECTOR_DRAIN: Duration = Duration::from_secs(10);
/// How long alerts may take to be delivered when the daemon stops; what is left then is delivered after the next start.
const DELIVERY_DRAIN: Duration = Duration::from_secs(10);

/// A daemon that has everything it needs, and does not run yet.
pub(crate) struct Daemon {
    events: Journal,
    alerts: Outbox,
    rules: Arc<LiveRules>,
    webhook: Option<Webhook>,
    readers: Readers,
    deliveries: Deliveries,
    health: Option<HealthServer>,
    signals: Signals,
}

/// A daemon that runs.
struct Running {
    metrics: Arc<Metrics>,
    webhook: Option<Handle>,
    detector: DetectorThread,
    /// The sources, which end when they are told to stop and what they have taken is journaled.
    sources: TaskTracker,
    stop_sources: CancellationToken,
    stop_health: CancellationToken,
    signals: Signals,
}

struct DetectorThread {
    thread: JoinHandle<()>,
    drain: Arc<AtomicBool>,
    stop: Arc<AtomicBool>,
}

impl Daemon {
    /// Does all that can fail on a mistake of the user: rules, state folder, journals, certificates, ports.
    pub(crate) async fn prepare(config: Config) -> anyhow::Result<Self> {
        let signals = Signals::listen()?;
        let rules = Arc::new(LiveRules::load(config.rules.clone())?);
        let state_dir = state_dir::choose(config.state_dir.clone())?;
        state_dir::prepare(&state_dir)?;
        let events = open_journal(&state_dir.join("events"), options(&config.journal))?;
        let (alerts, recovery) = Outbox::open(state_dir.join("alerts"))?;
        report(alerts.journal().dir(), &recovery);
        let webhook = webhook(&config, &state_dir, &events).await?;
        let readers = readers::prepare(&config.sources, &state_dir)?;
        let health = match config.health.listen {
            Some(address) => Some(HealthServer::bind(address).await?),
            None => None,
        };
        let surroundings = Surroundings { state_dir, hostname: hostname() };
        let deliveries = Deliveries::start(&config.outputs, &alerts, &surroundings)?;
        Ok(Self { events, alerts, rules, webhook, readers, deliveries, health, signals })
    }

    /// Runs until it is told to stop, then drains.
    pub(crate) async fn run(self) -> anyhow::Result<()> {
        let (events, alerts) = (self.events.clone(), self.alerts.clone());
        let mut running = self.start()?;
        loop {
            match running.signals.next().await {
                Signal::Reload => running.reload(),
                Signal::Stop => break,
            }
        }
        running.drain().await;
        tokio::task::spawn_blocking(move || {
            events.close();
            alerts.journal().close();
        })
        .await
        .context("cannot close the journals")
    }

    fn start(self) -> anyhow::Result<Running> {
        let detect = Arc::<DetectCounters>::default();
        let detector = DetectorThread::start(&self.events, &self.alerts, &self.rules, &detect)?;
        let metrics = Arc::new(Metrics {
            events: self.events.clone(),
            alerts: self.alerts.journal().clone(),
            detect,
            rules: Arc::clone(&self.rules),
            sources: self.readers.counters(),
            webhook: self.webhook.as_ref().map(Webhook::counters),
            deliveries: Mutex::new(Some(self.deliveries)),
            stopping: AtomicBool::new(false),
        });
        let (sources, stop_sources, stop_health) = (TaskTracker::new(), CancellationToken::new(), CancellationToken::new());
        tracing::info!(rules = self.rules.current().matcher.rules().len(), "kubevigil {} is running", env!("CARGO_PKG_VERSION"));
        if let Some(health) = self.health {
            tracing::info!("health checks and metrics on http://{}", health.address()?);
            tokio::spawn(health.serve(Arc::clone(&metrics), stop_health.clone()));
        }
        let intake: Arc<dyn Intake> = Arc::new(JournalIntake::new(self.events));
        let webhook = self.webhook.as_ref().map(Webhook::handle);
        if let Some(webhook) = self.webhook {
            tracing::info!("audit webhook on {}", webhook.address());
            sources.spawn(webhook.serve(Arc::clone(&intake), stop_sources.clone()));
        }
        self.readers.start(&intake, &sources, &stop_sources);
        sources.close();
        let signals = self.signals;
        Ok(Running { metrics, webhook, detector, sources, stop_sources, stop_health, signals })
    }
}

impl Running {
    /// Rules, certificates and tokens anew; files reopened. What is broken stays as it was.
    fn reload(&self) {
        match self.metrics.rules.reload() {
            Ok(rules) => tracing::info!(rules, "rules reloaded"),
            Err(error) => tracing::error!(error = format!("{error:#}"), "the new rules were not loaded; the old ones stay in force"),
        }
        if let Some(webhook) = &self.webhook {
            // What went wrong is logged and counted there.
            drop(webhook.reload());
        }
        self.metrics.with_deliveries(Deliveries::reopen);
    }

    /// Stops in the direction of the data: sources, detector, outputs.
    async fn drain(self) {
        tracing::info!("stopping: taking no more events, delivering what is there");
        self.metrics.stopping.store(true, Ordering::Relaxed);
        self.stop_sources.cancel();
        self.sources.wait().await;
        self.detector.drain().await;
        let unfinished = match self.metrics.take_deliveries() {
            Some(deliveries) => deliveries.drain(DELIVERY_DRAIN).await,
            None => Vec::new(),
        };
        if !unfinished.is_empty() {
            tracing::warn!(outputs = unfinished.join(", "), "alerts still wait for outputs; they are delivered after the next start");
        }
        self.stop_health.cancel();
    }
}

impl DetectorThread {
    fn start(
        events: &Journal,
        alerts: &Outbox,
        rules: &Arc<LiveRules>,
        counters: &Arc<DetectCounters>,
    ) -> anyhow::Result<Self> {
        let (drain, stop) = (Arc::<AtomicBool>::default(), Arc::<AtomicBool>::default());
        let detector = Detector {
            events: events.reader(READER, ReaderStart::Oldest).context("cannot read the journal of events")?,
            alerts: alerts.clone(),
            rules: Arc::clone(rules),
            counters: Arc::clone(counters),
            drain: Arc::clone(&drain),
            stop: Arc::clone(&stop),
        };
        let thread = std::thread::Builder::new().name(READER.to_owned()).spawn(move || detector.run());
        Ok(Self { thread: thread.context("cannot start the detector's thread")?, drain, stop })
    }

    async fn drain(self) {
        self.drain.store(true, Ordering::Relaxed);
        let deadline = Instant::now() + DETECTOR_DRAIN;
        while !self.thread.is_finished() && Instant::now() < deadline {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        self.stop.store(true, Ordering::Relaxed);
        let joined = tokio::task::spawn_blocking(move || self.thread.join()).await;
        if !matches!(joined, Ok(Ok(()))) {
            tracing::error!("the detector stopped unexpectedly; what it has not read is read after the next start");
        }
    }
}

async fn webhook(config: &Config, state_dir: &Path, events: &Journal) -> anyhow::Result<Option<Webhook>> {
    let Some(mut webhook) = config.sources.webhook.clone() else { return Ok(None) };
    webhook.dead_letters.get_or_insert_with(|| state_dir.join("dead-letters/webhook"));
    let events = events.clone();
    let ready = move || matches!(events.health(), kubevigil_journal::Health::Good);
    Ok(Some(Webhook::bind(webhook).await?.with_readiness(Arc::new(ready))))
}

fn open_journal(folder: &PathBuf, options: Options) -> anyhow::Result<Journal> {
    let (journal, recovery) = Journal::open(folder, options)?;
    report(folder, &recovery);
    Ok(journal)
}

fn report(folder: &Path, recovery: &Recovery) {
    let folder = folder.display().to_string();
    if recovery.cut_bytes > 0 {
        let bytes = recovery.cut_bytes;
        tracing::info!(folder, bytes, "cut a half-written record off the journal; it was never acknowledged");
    }
    for damaged in &recovery.damaged {
        tracing::error!(folder, ?damaged, "a part of the journal is damaged and is skipped");
    }
}

fn options(config: &JournalConfig) -> Options {
    Options {
        segment_bytes: config.segment_bytes,
        retain_bytes: config.retain_bytes,
        retain_age: Some(Duration::from_secs(config.retain_hours.saturating_mul(3_600))),
        duplicate_window: config.duplicate_window,
        max_waiting_bytes: config.max_waiting_bytes,
        ..Options::default()
    }
}
