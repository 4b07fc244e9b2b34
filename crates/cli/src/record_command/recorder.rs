//! The gateway as a process of its own: signals, health, the end.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::bail;
use tokio_util::sync::CancellationToken;

use super::checking::{check_files, describe};
use super::settings::Settings;
use super::words::in_flags;
use crate::gate::Gate;
use crate::run::health::{HealthServer, Vitals};
use crate::run::metrics::recording::RecordingMetrics;
use crate::run::state_dir;
use crate::run::stop::{Signal, Signals};
use crate::terminal;

/// A gateway that has everything it needs, and does not run yet.
pub(super) struct Recorder {
    gate: Gate,
    health: Option<HealthServer>,
    signals: Signals,
    /// What is said at the start.
    description: Vec<String>,
    scheme: &'static str,
}

impl Recorder {
    /// Does all that can fail on a mistake of the user: policy, certificates, backends, ports.
    pub(super) async fn prepare(settings: Settings) -> anyhow::Result<Self> {
        let signals = Signals::listen()?;
        check_files(&settings)?;
        if let Some(folder) = &settings.gate.state_dir {
            state_dir::prepare(folder)?;
        }
        let health = match settings.metrics {
            Some(address) => Some(HealthServer::bind(address, "--metrics-listen").await?),
            None => None,
        };
        let description = describe(&settings);
        let scheme = settings.scheme();
        let gate = Gate::prepare(settings.gate)
            .await
            .map_err(|error| anyhow::Error::msg(in_flags(&terminal::with_causes(&error))))?;
        Ok(Self {
            gate,
            health,
            signals,
            description,
            scheme,
        })
    }

    /// Runs until it is told to stop, then drains.
    pub(super) async fn run(self) -> anyhow::Result<()> {
        let health = self.health.as_ref().map(HealthServer::address);
        self.say(health);
        let vitals = Arc::new(RecorderVitals {
            metrics: self.gate.metrics(),
            stopping: AtomicBool::new(false),
        });
        let (stop, stop_health) = (CancellationToken::new(), CancellationToken::new());
        if let Some(health) = self.health {
            tokio::spawn(health.serve(vitals.clone(), stop_health.clone()));
        }
        let (handle, mut signals) = (self.gate.handle(), self.signals);
        let mut serving = tokio::spawn(self.gate.serve(stop.clone()));
        loop {
            tokio::select! {
                signal = signals.next() => match signal {
                    Signal::Reload => handle.reload().await,
                    Signal::Stop => break,
                },
                _ = &mut serving => bail!("the gateway has stopped unexpectedly"),
            }
        }
        tracing::info!(
            "stopping: taking no more requests, finishing those under way; once more to stop at once"
        );
        vitals.stopping.store(true, Ordering::Relaxed);
        stop.cancel();
        tokio::select! {
            _ = serving => {}
            () = signals.stop_again() => tracing::warn!("stopped at once; requests under way were cut off"),
        }
        stop_health.cancel();
        Ok(())
    }

    fn say(&self, health: Option<SocketAddr>) {
        tracing::info!(
            "kubevigil {} is recording to {}",
            env!("CARGO_PKG_VERSION"),
            self.gate.composition()
        );
        for line in &self.description {
            tracing::info!("{line}");
        }
        let address = self.gate.address();
        tracing::info!("auditing gateway on {}://{address}", self.scheme);
        if let Some(health) = health {
            tracing::info!("health checks and metrics on http://{health}");
        }
    }
}

/// What the gateway's own health server answers from.
struct RecorderVitals {
    metrics: Arc<RecordingMetrics>,
    stopping: AtomicBool,
}

impl Vitals for RecorderVitals {
    fn broken(&self) -> Option<String> {
        let stopping = self.stopping.load(Ordering::Relaxed);
        self.metrics.broken().filter(|_| !stopping)
    }

    fn not_ready(&self) -> Option<String> {
        let stopping = self.stopping.load(Ordering::Relaxed);
        let stopping = stopping.then(|| "shutting down".to_owned());
        stopping.or_else(|| self.metrics.not_ready())
    }

    fn exposition(&self) -> Result<String, fmt::Error> {
        crate::run::metrics::encode(&self.metrics.registries())
    }
}
