//! The gateway as a whole: from settings to a port that is served, and to its end.
//!
//! [`Gateway::bind`] reads every file and takes the port, so that mistakes show before anything is promised. [`Gateway::serve`]
//! runs until it is told to stop. Then it drains: no new connections; requests in flight are answered, and each
//! connection is told that it will close (`Connection: close`, GOAWAY); after the drain time-out what is left (watches,
//! upgraded connections) is cut; their last events are kept, and the sink is closed.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use kubevigil_connections::{FreePlace, ListenError, Places, Throttle, Watched, listen};
use kubevigil_record::auditing::Auditing;
use kubevigil_tls::{ClientCertificates, CredentialsError, Look, ServerCredentials, ServerFiles};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{info, warn};
use url::Url;

use crate::config::{ConfigError, GatewayConfig};
use crate::connection::{self, Server};
use crate::counters::GatewayCounters;
use crate::identity::{Authenticator, IdentityError};
use crate::reach::{Reach, ReachError};
use crate::stack::{Parts, Stack};
use crate::workers::Workers;

/// How often certificates and authorities are looked at for changes.
const LOOK_FOR_CHANGES: Duration = Duration::from_secs(5);

/// How long the events of requests that were cut may take to be kept.
const LAST_EVENTS: Duration = Duration::from_secs(5);

/// A gateway that has its port, but does not serve yet.
pub struct Gateway {
    config: Arc<GatewayConfig>,
    listener: TcpListener,
    address: SocketAddr,
    auditing: Arc<Auditing>,
    workers: Workers<Stack>,
    places: Arc<Places>,
    handle: Handle,
    cut: CancellationToken,
}

/// Why the gateway cannot start.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// The settings contradict each other.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The gateway's certificate or key cannot be used.
    #[error(transparent)]
    Credentials(#[from] CredentialsError),
    /// The upstream cannot be reached as it was asked for.
    #[error(transparent)]
    Reach(#[from] ReachError),
    /// Nobody could be recognised as meant.
    #[error("gateway.{0}")]
    Identity(#[from] IdentityError),
    /// The address cannot be listened on.
    #[error(transparent)]
    Listen(#[from] ListenError),
    /// There are no threads to serve connections with.
    #[error("cannot start the threads that serve connections: {0}")]
    Workers(std::io::Error),
}

/// How serving ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Drained {
    /// Connections that were cut because their requests took longer than `drain_timeout_seconds`.
    pub cut: usize,
}

/// Reaches into a gateway that serves. Cheap to clone.
#[derive(Clone)]
pub struct Handle {
    tls: Option<Arc<ServerCredentials>>,
    reach: Arc<Reach>,
    authenticator: Arc<Authenticator>,
    counters: Arc<GatewayCounters>,
}

/// Why changed files cannot be used; what was in use stays.
#[derive(Debug, thiserror::Error)]
pub enum ReloadError {
    /// The gateway's certificate or key.
    #[error(transparent)]
    Credentials(#[from] CredentialsError),
    /// The kubeconfig or authority of the upstream, or of those that are asked instead of it.
    #[error(transparent)]
    Reach(#[from] ReachError),
    /// Authorities of clients or proxies.
    #[error("gateway.{0}")]
    Identity(#[from] IdentityError),
}

impl Gateway {
    /// Checks the settings, reads all files, and takes the port. What is recorded, and where to, is up to `auditing`.
    pub async fn bind(config: GatewayConfig, auditing: Arc<Auditing>) -> Result<Self, BindError> {
        config.check()?;
        let tls = server_credentials(&config)?.map(Arc::new);
        let cut = CancellationToken::new();
        let counters = Arc::<GatewayCounters>::default();
        let parts = Parts::new(&config, auditing, &counters, cut.clone())?;
        let (listener, address) = listen(config.listen, "gateway.listen").await?;
        let workers = Workers::start(|| parts.stack()).map_err(BindError::Workers)?;
        let handle = Handle {
            tls,
            reach: Arc::new(parts.reach),
            authenticator: parts.authenticator,
            counters,
        };
        Ok(Self {
            config: Arc::new(config),
            listener,
            address,
            auditing: parts.auditing,
            places: Places::new(parts.room.connections),
            workers,
            handle,
            cut,
        })
    }

    /// The address listened on, with the actual port when the settings say port 0.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The API server's address, as it was read when the port was taken.
    pub fn upstream(&self) -> &Url {
        self.handle.reach.server()
    }

    /// The addresses of those that are asked about callers instead of it, as they were read when the port was taken.
    pub fn delegates(&self) -> impl Iterator<Item = &Url> {
        self.handle.reach.delegates()
    }

    /// For reloading files and reading counters while it serves.
    pub fn handle(&self) -> Handle {
        self.handle.clone()
    }

    /// Serves until `stop` is cancelled and requests in flight are answered, or their time is up. It then waits for the last
    /// events and closes the sink of the auditing: nobody else has to drain it.
    pub async fn serve(self, stop: CancellationToken) -> Drained {
        // Whoever drops this future instead of stopping it leaves no connection behind.
        let _cut_when_dropped = self.cut.clone().drop_guard();
        let server = Arc::new(Server {
            tls: self.handle.tls.clone(),
            counters: Arc::clone(&self.handle.counters),
            throttle: Throttle::new(Duration::from_secs(1)),
            tasks: TaskTracker::new(),
            stop: stop.clone(),
            cut: self.cut,
            config: self.config,
        });
        tokio::select! {
            () = stop.cancelled() => {}
            () = accept(&server, &self.workers, &self.listener, &self.places) => {}
            () = watch_files(&self.handle) => {}
        }
        // From here on, new connections are refused by the system.
        drop(self.listener);
        let cut = drain(&server, &self.places).await;
        let settling = tokio::time::timeout(LAST_EVENTS, self.auditing.settle());
        if settling.await.is_err() {
            warn!("events of requests that were cut are still on their way and may be lost");
        }
        self.auditing.close().await;
        Drained { cut }
    }
}

impl Handle {
    /// Reads certificates, authorities and the upstream's kubeconfig again, whether they seem changed or not. What is broken stays as it
    /// was and is returned, and logged.
    pub fn reload(&self) -> Vec<ReloadError> {
        self.look(true)
    }

    /// What is counted while serving.
    pub fn counters(&self) -> &GatewayCounters {
        &self.counters
    }

    /// Each file for itself: a broken one keeps no other from being replaced.
    fn look(&self, insist: bool) -> Vec<ReloadError> {
        let mut errors: Vec<ReloadError> = Vec::new();
        let tls = self.tls.as_ref().map(|tls| tls.reload(insist));
        match tls.transpose() {
            Ok(look) => self.count(
                look.map_or(0, replaced),
                "the certificate has changed: new connections use the new one",
            ),
            Err(error) => errors.push(error.into()),
        }
        match self.reach.reload(insist) {
            Ok(look) => self.count(
                replaced(look),
                "the upstream's kubeconfig or authority has changed: new requests go by the new one",
            ),
            Err(error) => errors.push(error.into()),
        }
        for look in self.reach.reload_delegates(insist) {
            match look {
                Ok(look) => self.count(
                    replaced(look),
                    "the kubeconfig of an API server that is asked about callers has changed: new questions go by the new one",
                ),
                Err(error) => errors.push(error.into()),
            }
        }
        let renewal = self.authenticator.reload(insist);
        self.count(
            renewal.replaced,
            "authorities of client certificates have changed",
        );
        errors.extend(renewal.errors.into_iter().map(ReloadError::from));
        self.counters.failed_reloads.add(errors.len() as u64);
        for problem in &errors {
            warn!(%problem, "changed files cannot be used: the old ones stay in use");
        }
        errors
    }

    fn count(&self, replaced: u64, message: &str) {
        if replaced > 0 {
            self.counters.reloads.add(replaced);
            info!("{message}");
        }
    }
}

fn replaced(look: Look) -> u64 {
    u64::from(look == Look::Replaced)
}

fn server_credentials(
    config: &GatewayConfig,
) -> Result<Option<ServerCredentials>, CredentialsError> {
    let Some(tls) = &config.tls else {
        return Ok(None);
    };
    let files = ServerFiles {
        certificate: tls.certificate.clone(),
        key: tls.key.clone(),
    };
    let clients = match config.asks_for_certificates() {
        true => ClientCertificates::Asked,
        false => ClientCertificates::None,
    };
    ServerCredentials::load(files, clients).map(Some)
}

/// Accepts connections for ever.
async fn accept(
    server: &Arc<Server>,
    workers: &Workers<Stack>,
    listener: &TcpListener,
    places: &Arc<Places>,
) {
    loop {
        let (stream, address) = kubevigil_connections::accept(listener, &server.throttle).await;
        let place = place(server, places).await;
        workers.spawn(&server.tasks, |stack| {
            serve_here(Arc::clone(server), stack.clone(), stream, address, place)
        });
    }
}

/// Serves a connection that another thread accepted on the thread that this runs on.
async fn serve_here(
    server: Arc<Server>,
    stack: Stack,
    stream: TcpStream,
    address: SocketAddr,
    place: FreePlace,
) {
    let stream = match stream.into_std().and_then(TcpStream::from_std) {
        Ok(stream) => Watched::new(stream),
        Err(problem) => {
            return warn!(%problem, "a connection was accepted but cannot be served");
        }
    };
    let stop = server.stop.child_token();
    let place = place.occupy(address.ip(), stream.activity(), stop.clone());
    connection::serve(server, stack, stream, address, stop).await;
    drop(place);
}

async fn place(server: &Server, places: &Arc<Places>) -> FreePlace {
    if let Some(place) = places.try_take() {
        return place;
    }
    server.counters.full.add(1);
    if let Some(held_back) = server.throttle.pass() {
        let taken = places.taken();
        let advice = "raise gateway.max_connections, or find out who holds so many";
        warn!(
            taken,
            held_back, advice, "all connections are taken: those idle longest are closed"
        );
    }
    places.take().await
}

async fn watch_files(handle: &Handle) {
    loop {
        tokio::time::sleep(LOOK_FOR_CHANGES).await;
        let handle = handle.clone();
        // A panic there is reported by the runtime; the next look comes all the same.
        let _ = tokio::task::spawn_blocking(move || handle.look(false)).await;
    }
}

/// Waits for what is in flight, and cuts the rest. How many connections that were.
async fn drain(server: &Server, places: &Places) -> usize {
    server.tasks.close();
    let patience = server.config.drain_timeout();
    let in_time = tokio::time::timeout(patience, server.tasks.wait()).await;
    let left = places.taken();
    server.cut.cancel();
    if in_time.is_err() {
        warn!(
            connections = left,
            "connections were cut: watches, or requests that took too long"
        );
        // Nothing keeps a cut connection but a moment of processor time.
        let _ = tokio::time::timeout(LAST_EVENTS, server.tasks.wait()).await;
    }
    left
}
