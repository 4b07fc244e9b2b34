//! The webhook: an HTTP and HTTPS server for the audit webhook backend of a kube-apiserver.
//!
//! # What it promises
//!
//! - **200 means durable.** The answer is sent when [`Intake::accept`] has returned `Ok`, never before. Falco answers first and
//!   parses later; killed in between it has lost what it acknowledged, and the API server will not send it again.
//! - **One bad event never costs its neighbours.** The API server sends a refused batch five times and then drops it for good.
//!   So the good events of a list are taken and the bad elements go to a folder of dead letters.
//! - **Pressure is answered, not buffered.** Bodies share one budget of memory. Beyond it, and when the intake is busy, the
//!   answer is 429 with `Retry-After`, which the API server heeds; a failing disk is 503.
//! - **Nobody can hold the server up.** Headers, bodies, handshakes and idle connections have their time; bodies, headers and
//!   connections their size and number, before and after decompression.
//!
//! # Shape
//!
//! [`Webhook::bind`] loads certificates and tokens and takes the port, so that their mistakes show before the daemon starts.
//! [`Webhook::serve`] then runs until it is told to stop: it refuses new connections, answers what is in flight, and returns.
//! [`Handle`] reloads certificates and tokens meanwhile.
//!
//! Hyper is used without a framework on top: the limits of connections, handshakes and headers lie below what a framework
//! shows, and three paths need no router.
//!
//! ```
//! # use std::sync::Arc;
//! # use kubevigil_sources::webhook::{Webhook, WebhookConfig};
//! # use kubevigil_sources::{Batch, Intake, Refused};
//! # use tokio_util::sync::CancellationToken;
//! struct Printer;
//!
//! #[async_trait::async_trait]
//! impl Intake for Printer {
//!     async fn accept(&self, batch: Batch) -> Result<(), Refused> {
//!         println!("{} events", batch.events.len());
//!         Ok(())
//!     }
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let config = WebhookConfig { listen: "127.0.0.1:0".parse()?, ..WebhookConfig::default() };
//! let webhook = Webhook::bind(config).await?;
//! println!("listening on {}", webhook.address());
//! let stop = CancellationToken::new();
//! # stop.cancel();
//! webhook.serve(Arc::new(Printer), stop).await;
//! # Ok(())
//! # }
//! ```

mod answer;
mod body;
mod config;
mod connection;
mod counters;
mod credentials;
mod dead_letters;
mod deliver;
mod request;
mod tls;
mod tokens;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use kubevigil_connections::{ListenError, Throttle, listen};
use tokio::net::TcpListener;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{info, warn};

pub use self::config::{ConfigError, TlsConfig, WebhookConfig};
pub use self::counters::WebhookCounters;
pub use self::credentials::{CredentialsError, check as check_credentials};
pub use self::dead_letters::{DeadLetters, DeadLettersError, Kept, Letter};
pub use self::request::Readiness;

use self::body::Budget;
use self::credentials::{Credentials, Reloaded};
use self::deliver::Delivery;
use self::request::Service;
use crate::Intake;

/// How often certificates and tokens are looked at for changes.
const LOOK_FOR_CHANGES: Duration = Duration::from_secs(5);

/// A webhook that has its port, but does not serve yet.
pub struct Webhook {
    config: Arc<WebhookConfig>,
    listener: TcpListener,
    address: SocketAddr,
    credentials: Arc<Credentials>,
    counters: Arc<WebhookCounters>,
    dead_letters: Option<Arc<DeadLetters>>,
    ready: Readiness,
}

/// Why the webhook cannot start.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// The settings contradict each other.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// Certificates, keys or tokens cannot be used.
    #[error(transparent)]
    Credentials(#[from] CredentialsError),
    /// The folder of dead letters cannot be used.
    #[error(transparent)]
    DeadLetters(#[from] DeadLettersError),
    /// The address cannot be listened on.
    #[error(transparent)]
    Listen(#[from] ListenError),
}

/// How serving ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Drained {
    /// Connections that were cut because their requests took longer than `drain_timeout_seconds`.
    pub cut: usize,
}

/// Reaches into a webhook that serves.
#[derive(Clone)]
pub struct Handle {
    credentials: Arc<Credentials>,
    counters: Arc<WebhookCounters>,
}

impl Webhook {
    /// Checks the settings, loads certificates and tokens, and takes the port.
    pub async fn bind(config: WebhookConfig) -> Result<Self, BindError> {
        config.check()?;
        let credentials = Arc::new(Credentials::load(&config)?);
        let open = |folder| DeadLetters::open(folder, config.dead_letters_max_bytes);
        let dead_letters = config
            .dead_letters
            .as_ref()
            .map(open)
            .transpose()?
            .map(Arc::new);
        let (listener, address) = listen(config.listen, "webhook.listen").await?;
        warn_of_strangers(&config);
        Ok(Self {
            config: Arc::new(config),
            listener,
            address,
            credentials,
            counters: Arc::default(),
            dead_letters,
            ready: Arc::new(|| true),
        })
    }

    /// Lets `/readyz` ask whether the daemon can take events; without it, it always can.
    #[must_use]
    pub fn with_readiness(mut self, ready: Readiness) -> Self {
        self.ready = ready;
        self
    }

    /// The address listened on, with the actual port when the settings say port 0.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What is counted while serving.
    pub fn counters(&self) -> Arc<WebhookCounters> {
        Arc::clone(&self.counters)
    }

    /// For reloading certificates and tokens while serving.
    pub fn handle(&self) -> Handle {
        Handle {
            credentials: Arc::clone(&self.credentials),
            counters: Arc::clone(&self.counters),
        }
    }

    /// Serves until `stop` is cancelled and requests in flight are answered, or their time is up.
    pub async fn serve(self, intake: Arc<dyn Intake>, stop: CancellationToken) -> Drained {
        let drain_timeout = self.config.drain_timeout();
        let handle = self.handle();
        let (tasks, deliveries) = (TaskTracker::new(), TaskTracker::new());
        let (service, listener) = self.into_service(intake, deliveries.clone());
        let cut = CancellationToken::new();
        // Whoever drops this future instead of stopping it leaves no connection behind.
        let _cut_when_dropped = cut.clone().drop_guard();
        tokio::select! {
            () = stop.cancelled() => {}
            () = accept(&service, &listener, &tasks, &stop, &cut) => {}
            () = watch_files(&handle) => {}
        }
        // From here on, new connections are refused by the system.
        drop(listener);
        drain(&tasks, &deliveries, drain_timeout, &cut).await
    }

    fn into_service(
        self,
        intake: Arc<dyn Intake>,
        tasks: TaskTracker,
    ) -> (Arc<Service>, TcpListener) {
        let delivery = Delivery {
            intake,
            dead_letters: self.dead_letters,
            counters: Arc::clone(&self.counters),
            timeout: self.config.accept_timeout(),
            memory: self.config.max_memory_bytes,
            throttle: Throttle::new(Duration::from_secs(1)),
            tasks,
        };
        let service = Service {
            budget: Budget::new(self.config.max_memory_bytes),
            config: self.config,
            credentials: self.credentials,
            counters: self.counters,
            delivery,
            ready: self.ready,
            throttle: Throttle::new(Duration::from_secs(1)),
        };
        (Arc::new(service), self.listener)
    }
}

impl Handle {
    /// Reads certificates and tokens again, whether they seem changed or not. What is broken stays as it was and is returned,
    /// and logged.
    pub fn reload(&self) -> Vec<CredentialsError> {
        self.look(true)
    }

    fn look(&self, insist: bool) -> Vec<CredentialsError> {
        let Reloaded { changed, errors } = self.credentials.reload(insist);
        if changed > 0 {
            self.counters.reloads.add(changed as u64);
            info!("certificates or tokens have changed: new connections use the new ones");
        }
        self.counters.failed_reloads.add(errors.len() as u64);
        for problem in &errors {
            warn!(%problem, "changed certificates or tokens cannot be used: the old ones stay in use");
        }
        errors
    }
}

fn warn_of_strangers(config: &WebhookConfig) {
    let authority = config.tls.as_ref().and_then(|tls| tls.client_ca.as_ref());
    let open = config.tokens.is_none() && authority.is_none();
    if open && !config.listen.ip().is_loopback() {
        let listen = config.listen;
        warn!(%listen, "anybody who reaches the webhook can send false events: set webhook.tls.client_ca or webhook.tokens");
    }
}

/// Accepts connections for ever. When all places are taken, further ones wait in the system's queue.
async fn accept(
    service: &Arc<Service>,
    listener: &TcpListener,
    tasks: &TaskTracker,
    stop: &CancellationToken,
    cut: &CancellationToken,
) {
    let most = service.config.max_connections.min(Semaphore::MAX_PERMITS);
    let places = Arc::new(Semaphore::new(most));
    loop {
        let Ok(place) = Arc::clone(&places).acquire_owned().await else {
            return;
        };
        let (stream, address) = kubevigil_connections::accept(listener, &service.throttle).await;
        let serving = connection::serve(Arc::clone(service), stream, address, stop.clone());
        tasks.spawn(with_place(place, cut.clone(), serving));
    }
}

async fn with_place(
    place: OwnedSemaphorePermit,
    cut: CancellationToken,
    serving: impl Future<Output = ()>,
) {
    tokio::select! {
        () = serving => {}
        () = cut.cancelled() => {}
    }
    drop(place);
}

async fn watch_files(handle: &Handle) {
    loop {
        tokio::time::sleep(LOOK_FOR_CHANGES).await;
        let handle = handle.clone();
        // A panic there is reported by the runtime; the next look comes all the same.
        let _ = tokio::task::spawn_blocking(move || handle.look(false)).await;
    }
}

async fn drain(
    tasks: &TaskTracker,
    deliveries: &TaskTracker,
    timeout: Duration,
    cut: &CancellationToken,
) -> Drained {
    tasks.close();
    deliveries.close();
    let finished = async {
        tasks.wait().await;
        deliveries.wait().await;
    };
    let in_time = tokio::time::timeout(timeout, finished).await.is_ok();
    let left = tasks.len();
    if !in_time {
        warn!(
            connections = left,
            "requests took too long to finish and were cut: their senders will try again"
        );
    }
    cut.cancel();
    Drained { cut: left }
}
