//! The auditing gateway with its policy and its backends, as `kubevigil record` runs it by itself and the daemon as a source.
//!
//! Everything that can fail on a mistake of the user is done by [`Gate::prepare`]. [`Gate::serve`] then runs until it is told to stop
//! and ends in the direction of the data: connections first, then the events of what was under way, then the backends.

pub(crate) mod backends;
mod files;
mod itself;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use kubevigil_gateway::identity::IdentityConfig;
use kubevigil_gateway::{Gateway, GatewayConfig, Handle};
use kubevigil_record::auditing::{Auditing, wall_clock};
use kubevigil_record::metrics::RecordMetrics;
use kubevigil_record::policy_file::{LivePolicy, LoadedPolicy};
use kubevigil_record::sink::{ErrorCounters, Sink};
use tokio_util::sync::CancellationToken;

use crate::gate::backends::{Backends, Opened};
use crate::run::metrics::recording::RecordingMetrics;

pub(crate) use crate::gate::files::{Problem, check_files};

/// Who is asked about callers instead of the upstream, a sentence each.
pub(crate) fn delegate_words(identity: &IdentityConfig) -> impl Iterator<Item = String> {
    let authentication = identity.authentication_kubeconfig.as_ref();
    let authorization = identity.authorization_kubeconfig.as_ref();
    let pairs = [("tokens", authentication), ("impersonation", authorization)];
    pairs.into_iter().filter_map(|(what, kubeconfig)| {
        let kubeconfig = kubeconfig?.display();
        Some(format!(
            "questions about {what} go to the API server of {kubeconfig}"
        ))
    })
}

/// What the end may take beyond the time for requests under way: their last events, and backends that write what they hold. A
/// webhook that is down would take minutes.
const LAST_EVENTS: Duration = Duration::from_secs(10);

/// What a gateway is made of.
pub(crate) struct GateOptions {
    /// The audit policy.
    pub(crate) policy: PathBuf,
    pub(crate) gateway: GatewayConfig,
    pub(crate) backends: Backends,
    /// Where mode `durable` keeps events. `None` if there is no such place, or it is not to be looked at.
    pub(crate) state_dir: Option<PathBuf>,
    /// What gets events before the backends: the daemon's journal.
    pub(crate) journal: Option<Arc<dyn Sink>>,
}

/// A gateway that has everything it needs, and does not serve yet.
pub(crate) struct Gate {
    gateway: Gateway,
    /// How long requests under way may take when it stops.
    drain: Duration,
    policy: Arc<LivePolicy>,
    metrics: Arc<RecordingMetrics>,
    /// The backends' names, put together as a kube-apiserver logs them.
    composition: String,
}

/// A hold on a gateway that serves.
#[derive(Clone)]
pub(crate) struct GateHandle {
    gateway: Handle,
    policy: Arc<LivePolicy>,
}

impl Gate {
    /// Reads policy and certificates, opens the backends, takes the port.
    pub(crate) async fn prepare(options: GateOptions) -> anyhow::Result<Self> {
        let loaded = LoadedPolicy::read(&options.policy)?;
        let errors = Arc::<ErrorCounters>::default();
        let Opened { sink, durable } =
            options
                .backends
                .open(options.state_dir.as_deref(), options.journal, &errors)?;
        let composition = sink.name();
        let auditing = Auditing::with(
            loaded.policy.clone(),
            sink,
            options.gateway.recording_limits(),
            Arc::new(wall_clock),
        );
        let policy = LivePolicy::new(loaded, Arc::clone(&auditing));
        let drain = Duration::from_secs(options.gateway.drain_timeout_seconds);
        let gateway = Gateway::bind(options.gateway, Arc::clone(&auditing)).await?;
        itself::refuse(&gateway)?;
        let record = RecordMetrics {
            auditing,
            errors,
            durable,
            policy: Some(Arc::clone(&policy)),
        };
        let metrics = RecordingMetrics::new(record, gateway.handle());
        Ok(Self {
            gateway,
            drain,
            policy,
            metrics: Arc::new(metrics),
            composition,
        })
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.gateway.address()
    }

    /// What it counts.
    pub(crate) fn metrics(&self) -> Arc<RecordingMetrics> {
        Arc::clone(&self.metrics)
    }

    /// The backends' names, put together as a kube-apiserver logs them.
    pub(crate) fn composition(&self) -> &str {
        &self.composition
    }

    /// To reload it while it serves.
    pub(crate) fn handle(&self) -> GateHandle {
        GateHandle {
            gateway: self.gateway.handle(),
            policy: Arc::clone(&self.policy),
        }
    }

    /// Serves until it is told to stop, then drains.
    pub(crate) async fn serve(self, stop: CancellationToken) {
        // However this ends.
        let _ended = self.metrics.ended_when_dropped();
        let watching = stop.child_token();
        let policy = Arc::clone(&self.policy);
        let watch = tokio::spawn(async move { policy.watch(watching).await });
        let out_of_time = async {
            stop.cancelled().await;
            tokio::time::sleep(self.drain + LAST_EVENTS).await;
        };
        tokio::select! {
            _ = self.gateway.serve(stop.clone()) => {}
            () = out_of_time => tracing::warn!(
                "a backend did not take all events in time; what only its queue held is lost, what mode durable holds is sent after the next start"
            ),
        }
        drop(watch.await);
    }
}

impl GateHandle {
    /// Reads policy, certificates and tokens again. What is broken stays as it was; what went wrong is logged and counted.
    pub(crate) async fn reload(&self) {
        self.policy.look(true).await;
        let gateway = self.gateway.clone();
        // Files are read.
        let reloading = tokio::task::spawn_blocking(move || drop(gateway.reload()));
        if reloading.await.is_err() {
            tracing::error!("reloading stopped unexpectedly; what was in force stays");
        }
    }
}
