//! The gateway as a process of its own: signals, health, the end.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::bail;
use tokio_util::sync::CancellationToken;

use super::checking::describe;
use super::settings::Settings;
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
        if settings.gate.backends.need_state() {
            state_dir::prepare(&settings.gate.state_dir)?;
        }
        let health = match settings.metrics {
            Some(address) => Some(HealthServer::bind(address, "--metrics-listen").await?),
            None => None,
        };
        let description = describe(&settings);
        let scheme = if settings.gate.gateway.tls.is_some() {
            "https"
        } else {
            "http"
        };
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
        let health = self
            .health
            .as_ref()
            .map(HealthServer::address)
            .transpose()?;
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

/// What the gateway says of its configuration, in the words of the command line.
pub(super) fn in_flags(text: &str) -> String {
    // Of two that begin alike, the longer one first.
    const WORDS: [(&str, &str); 11] = [
        (
            "gateway.identity.mode is impersonate",
            "--identity is impersonate",
        ),
        (
            "gateway.identity.service_accounts.keys",
            "--service-account-key-file",
        ),
        ("gateway.identity.oidc.issuer", "--oidc-issuer-url"),
        ("gateway.identity.oidc", "--oidc-ca-file"),
        ("gateway.identity.client_ca", "--client-ca-file"),
        (
            "gateway.identity.front_proxy",
            "--requestheader-client-ca-file",
        ),
        ("gateway.identity.token_review", "--token-review"),
        ("gateway.listen", "--bind-address and --secure-port"),
        (", or set gateway.upstream.in_cluster", ""),
        ("gateway.upstream.kubeconfig", "--upstream-kubeconfig"),
        ("gateway.upstream", "--upstream"),
    ];
    WORDS
        .iter()
        .fold(text.to_owned(), |text, (key, flag)| text.replace(key, flag))
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
        stopping.or_else(|| self.metrics.broken())
    }

    fn exposition(&self) -> Result<String, fmt::Error> {
        crate::run::metrics::encode(&self.metrics.registries())
    }
}
