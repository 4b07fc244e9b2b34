//! The parts of the daemon, put together, started, and stopped in order.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use kubevigil_alerts::deliveries::{Deliveries, Surroundings};
use kubevigil_alerts::outbox::Outbox;
use kubevigil_detect::StateLimits;
use kubevigil_journal::{Journal, Options, Recovery};
use kubevigil_sources::Intake;
use kubevigil_sources::webhook::{Handle, Webhook};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::config::Config;
use crate::gate::{Gate, GateHandle};
use crate::hostname::hostname;
use crate::run::banner::Banner;
use crate::run::detector::figures::DetectCounters;
use crate::run::detector_thread::DetectorThread;
use crate::run::health::HealthServer;
use crate::run::intake::JournalIntake;
use crate::run::live_rules::LiveRules;
use crate::run::metrics::Metrics;
use crate::run::readers::{self, Readers};
use crate::run::record_source;
use crate::run::state_dir;
use crate::run::stop::{Signal, Signals};
use crate::unfed;

/// How long stopping may take: Kubernetes kills after 30 seconds. What is not done then is done after the next start.
const STOP_WITHIN: Duration = Duration::from_secs(28);
/// An output that is down is not waited for longer.
const DELIVERY: Duration = Duration::from_secs(10);
/// What the detector and the outputs are given of that at least, each.
const AT_LEAST: Duration = Duration::from_secs(1);

/// More than the envelope of an event can take beside the event.
const LONGEST_ENVELOPE: usize = 128 << 10;

/// A daemon that has everything it needs, and does not run yet.
pub(crate) struct Daemon {
    events: Journal,
    alerts: Outbox,
    rules: Arc<LiveRules>,
    limits: StateLimits,
    webhook: Option<Webhook>,
    gate: Option<Gate>,
    readers: Readers,
    deliveries: Deliveries,
    health: Option<HealthServer>,
    signals: Signals,
    banner: Banner,
    /// What the auditing gateway records, if it is a source.
    policy: Option<PathBuf>,
}

/// A daemon that runs.
struct Running {
    metrics: Arc<Metrics>,
    webhook: Option<Handle>,
    gate: Option<GateHandle>,
    detector: DetectorThread,
    /// The sources, which end when they are told to stop and what they have taken is journaled.
    sources: TaskTracker,
    stop_sources: CancellationToken,
    stop_health: CancellationToken,
    signals: Signals,
}

impl Daemon {
    /// Does all that can fail on a mistake of the user: rules, state folder, journals, certificates, ports.
    pub(crate) async fn prepare(config: Config) -> anyhow::Result<Self> {
        let signals = Signals::listen()?;
        let rules = Arc::new(LiveRules::load(config.rules.clone())?);
        let state_dir = state_dir::choose(config.state_dir.clone())?;
        state_dir::prepare(&state_dir)?;
        let events = open_journal(&state_dir.join("events"), options(&config))?;
        let (alerts, recovery) = Outbox::open(state_dir.join("alerts"))?;
        report(alerts.journal().dir(), &recovery);
        let webhook = webhook(&config, &state_dir, &events).await?;
        let mut readers = readers::prepare(&config.sources, &state_dir)?;
        let gate = match &config.sources.record {
            Some(record) => {
                Some(record_source::prepare(record, &state_dir, &events, &mut readers).await?)
            }
            None => None,
        };
        let health = match config.health.listen {
            Some(address) => Some(HealthServer::bind(address, "health.listen").await?),
            None => None,
        };
        let banner = Banner::new(&config, &state_dir);
        let policy = config.sources.record.as_ref();
        let policy = policy.map(|record| record.policy.clone());
        let surroundings = Surroundings {
            state_dir,
            hostname: hostname(),
        };
        let deliveries = Deliveries::start(&config.outputs, &alerts, &surroundings)?;
        Ok(Self {
            events,
            alerts,
            rules,
            limits: config.state.limits(),
            webhook,
            gate,
            readers,
            deliveries,
            health,
            signals,
            banner,
            policy,
        })
    }

    /// Runs until it is told to stop, then drains.
    pub(crate) async fn run(self) -> anyhow::Result<()> {
        let (events, alerts) = (self.events.clone(), self.alerts.clone());
        let mut running = self.start()?;
        while running.signals.next().await == Signal::Reload {
            running.reload().await;
        }
        running.stop().await;
        tokio::task::spawn_blocking(move || {
            events.close();
            alerts.journal().close();
        })
        .await
        .context("cannot close the journals")
    }

    fn start(self) -> anyhow::Result<Running> {
        let detect = Arc::<DetectCounters>::default();
        let (events, alerts) = (&self.events, &self.alerts);
        let detector = DetectorThread::start(events, alerts, &self.rules, self.limits, &detect)?;
        let metrics = Arc::new(Metrics {
            events: self.events.clone(),
            alerts: self.alerts.journal().clone(),
            detect,
            rules: Arc::clone(&self.rules),
            sources: self.readers.counters(),
            webhook: self.webhook.as_ref().map(Webhook::counters),
            recording: self.gate.as_ref().map(Gate::metrics),
            deliveries: Mutex::new(Some(self.deliveries)),
            stopping: AtomicBool::new(false),
            detecting: detector.running(),
        });
        let (sources, stop_sources, stop_health) = (
            TaskTracker::new(),
            CancellationToken::new(),
            CancellationToken::new(),
        );
        let health = self.health.as_ref().map(HealthServer::address);
        self.banner.say(
            &self.rules.current(),
            self.webhook.as_ref().map(Webhook::address),
            self.gate.as_ref().map(Gate::address),
            health,
        );
        if let Some(policy) = self.policy {
            unfed::warn_later(policy, self.rules.current().raising());
        }
        if let Some(health) = self.health {
            let vitals = Arc::new(Arc::clone(&metrics));
            tokio::spawn(health.serve(vitals, stop_health.clone()));
        }
        let intake: Arc<dyn Intake> = Arc::new(JournalIntake::new(self.events));
        let webhook = self.webhook.as_ref().map(Webhook::handle);
        if let Some(webhook) = self.webhook {
            sources.spawn(webhook.serve(Arc::clone(&intake), stop_sources.clone()));
        }
        let gate = self.gate.as_ref().map(Gate::handle);
        if let Some(gate) = self.gate {
            sources.spawn(gate.serve(stop_sources.clone()));
        }
        self.readers.start(&intake, &sources, &stop_sources);
        sources.close();
        let signals = self.signals;
        Ok(Running {
            metrics,
            webhook,
            gate,
            detector,
            sources,
            stop_sources,
            stop_health,
            signals,
        })
    }
}

impl Running {
    /// Rules, policy, certificates and tokens anew; files reopened. What is broken stays as it was.
    async fn reload(&self) {
        let rules = Arc::clone(&self.metrics.rules);
        let webhook = self.webhook.clone();
        // Reading files and compiling thousands of rules would hold up the connections of this thread.
        let reloading = tokio::task::spawn_blocking(move || {
            match rules.reload() {
                Ok(rules) => tracing::info!(
                    rules = rules.count_rules(),
                    refused = rules.refused,
                    "rules reloaded"
                ),
                Err(error) => tracing::error!(
                    error = format!("{error:#}"),
                    "the new rules were not loaded; the old ones stay in force"
                ),
            }
            if let Some(webhook) = webhook {
                // What went wrong is logged and counted there.
                drop(webhook.reload());
            }
        });
        if reloading.await.is_err() {
            tracing::error!("reloading stopped unexpectedly; what was in force stays");
        }
        if let Some(gate) = &self.gate {
            gate.reload().await;
        }
        self.metrics.with_deliveries(Deliveries::reopen);
        tracing::info!("outputs are told to reopen their files");
    }

    /// Drains, unless told to stop once more.
    async fn stop(self) {
        let Self {
            metrics,
            webhook: _,
            gate: _,
            detector,
            sources,
            stop_sources,
            stop_health,
            mut signals,
        } = self;
        tracing::info!(
            "stopping: taking no more events, delivering what is there; once more to stop at once"
        );
        metrics.stopping.store(true, Ordering::Relaxed);
        stop_sources.cancel();
        tokio::select! {
            () = drain(&metrics, detector, sources) => {}
            () = signals.stop_again() => tracing::warn!("stopped at once; what is left is done after the next start"),
        }
        stop_health.cancel();
    }
}

/// Stops in the direction of the data: sources, detector, outputs.
async fn drain(metrics: &Metrics, detector: DetectorThread, sources: TaskTracker) {
    let deadline = Instant::now() + STOP_WITHIN;
    let left = |kept: Duration| {
        deadline
            .saturating_duration_since(Instant::now())
            .saturating_sub(kept)
            .max(AT_LEAST)
    };
    if tokio::time::timeout(left(2 * AT_LEAST), sources.wait())
        .await
        .is_err()
    {
        tracing::warn!(
            "some senders did not finish; what was not acknowledged is sent again by them"
        );
    }
    detector.drain(left(AT_LEAST)).await;
    let unfinished = match metrics.take_deliveries() {
        Some(deliveries) => deliveries.drain(left(Duration::ZERO).min(DELIVERY)).await,
        None => Vec::new(),
    };
    if !unfinished.is_empty() {
        tracing::warn!(
            outputs = unfinished.join(", "),
            "alerts still wait for outputs; they are delivered after the next start"
        );
    }
}

async fn webhook(
    config: &Config,
    state_dir: &Path,
    events: &Journal,
) -> anyhow::Result<Option<Webhook>> {
    let Some(mut webhook) = config.sources.webhook.clone() else {
        return Ok(None);
    };
    webhook
        .dead_letters
        .get_or_insert_with(|| state_dir.join("dead-letters/webhook"));
    let events = events.clone();
    let ready = move || matches!(events.health(), kubevigil_journal::Health::Good);
    let bound = Webhook::bind(webhook).await;
    // Its text has the cause in it already.
    let bound = bound.map_err(|error| anyhow::Error::msg(error.to_string()))?;
    Ok(Some(bound.with_readiness(Arc::new(ready))))
}

fn open_journal(folder: &PathBuf, options: Options) -> anyhow::Result<Journal> {
    let (journal, recovery) = Journal::open(folder, options)?;
    report(folder, &recovery);
    Ok(journal)
}

fn report(folder: &Path, recovery: &Recovery) {
    let folder = folder.display().to_string();
    let milliseconds = recovery.duration.as_millis() as u64;
    tracing::debug!(
        folder,
        records = recovery.records,
        milliseconds,
        "opened a journal"
    );
    if recovery.cut_bytes > 0 {
        let bytes = recovery.cut_bytes;
        tracing::info!(
            folder,
            bytes,
            "cut a record off the end of the journal that was not whole: written halfway when the process or machine stopped"
        );
    }
    for path in &recovery.discarded {
        let path = path.display();
        tracing::warn!(%path, "a file of the journal has no readable record and is left out");
    }
    for damaged in &recovery.damaged {
        tracing::error!(
            folder,
            ?damaged,
            "a part of the journal is damaged and is skipped"
        );
    }
}

fn options(config: &Config) -> Options {
    let journal = &config.journal;
    Options {
        segment_bytes: journal.segment_bytes,
        retain_bytes: journal.retain_bytes,
        retain_age: Some(Duration::from_secs(
            journal.retain_hours.saturating_mul(3_600),
        )),
        max_record_bytes: longest_record(config),
        duplicate_window: journal.duplicate_window,
        max_waiting_bytes: journal.max_waiting_bytes,
    }
}

/// What any source may hand over fits into a record, or it would be sent again and again for nothing.
fn longest_record(config: &Config) -> usize {
    let body = config
        .sources
        .webhook
        .as_ref()
        .map_or(0, |webhook| webhook.max_body_bytes);
    let body = usize::try_from(body).unwrap_or(usize::MAX);
    let line = config
        .sources
        .files
        .iter()
        .map(|files| files.max_line_bytes)
        .max()
        .unwrap_or_default();
    // The bodies of a request and of its answer, and room for what is escaped in them.
    let recorded = config.sources.record.as_ref().map_or(0, |record| {
        record.gateway.recorded_body_max_bytes.saturating_mul(3)
    });
    body.max(line)
        .max(recorded)
        .saturating_add(LONGEST_ENVELOPE)
        .max(Options::default().max_record_bytes)
}
