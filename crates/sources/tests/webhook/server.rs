//! A webhook under test, and an intake that does what the test wants.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use kubevigil_sources::webhook::{
    Drained, Handle, Readiness, Webhook, WebhookConfig, WebhookCounters,
};
use kubevigil_sources::{Batch, Intake, Refused};
use tempfile::TempDir;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// One event as the API server writes it into a list.
pub(crate) const EVENT: &str = r#"{"level":"Metadata","auditID":"a","stage":"ResponseComplete","requestURI":"/version","verb":"get","user":{"username":"jane"},"requestReceivedTimestamp":"2026-11-23T05:12:20.801681Z","stageTimestamp":"2026-11-23T05:12:20.802196Z"}"#;

/// One event as it stands alone.
pub(crate) fn single() -> String {
    EVENT.replacen('{', r#"{"kind":"Event","apiVersion":"audit.k8s.io/v1","#, 1)
}

/// A list of `count` events.
pub(crate) fn list(count: usize) -> String {
    list_of(&vec![EVENT; count])
}

/// A list of these items.
pub(crate) fn list_of(items: &[&str]) -> String {
    let items = items.join(",");
    format!(
        r#"{{"kind":"EventList","apiVersion":"audit.k8s.io/v1","metadata":{{}},"items":[{items}]}}{}"#,
        "\n"
    )
}

/// What the intake does with a batch.
#[derive(Clone, Debug, Default)]
pub(crate) enum Mode {
    #[default]
    Accept,
    Refuse(Refused),
    Hang,
    Take(Duration),
}

/// Remembers what it accepted.
#[derive(Debug, Default)]
pub(crate) struct Recorder {
    mode: Mutex<Mode>,
    events: Mutex<Vec<String>>,
}

impl Recorder {
    pub(crate) fn events(&self) -> Vec<String> {
        self.events.lock().unwrap().clone()
    }

    pub(crate) fn set(&self, mode: Mode) {
        *self.mode.lock().unwrap() = mode;
    }
}

#[async_trait]
impl Intake for Recorder {
    async fn accept(&self, batch: Batch) -> Result<(), Refused> {
        let mode = self.mode.lock().unwrap().clone();
        match mode {
            Mode::Accept => {}
            Mode::Refuse(refused) => return Err(refused),
            Mode::Hang => std::future::pending().await,
            Mode::Take(time) => tokio::time::sleep(time).await,
        }
        let texts = batch
            .events
            .iter()
            .map(|event| String::from_utf8_lossy(&event.raw).into_owned());
        self.events.lock().unwrap().extend(texts);
        Ok(())
    }
}

/// A server that runs until the test is over.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    pub(crate) intake: Arc<Recorder>,
    pub(crate) counters: Arc<WebhookCounters>,
    pub(crate) handle: Handle,
    pub(crate) stop: CancellationToken,
    pub(crate) serving: JoinHandle<Drained>,
    folder: TempDir,
}

impl Server {
    pub(crate) async fn start() -> Self {
        Self::with(|_| {}).await
    }

    /// Starts a server with settings that differ from the default ones.
    pub(crate) async fn with(change: impl FnOnce(&mut WebhookConfig)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut config = WebhookConfig {
            listen: "127.0.0.1:0".parse().unwrap(),
            dead_letters: Some(folder.path().join("dead")),
            ..WebhookConfig::default()
        };
        change(&mut config);
        Self::run(Webhook::bind(config).await.unwrap(), folder)
    }

    /// Starts a server that is ready when this says so.
    pub(crate) async fn ready_when(ready: Readiness) -> Self {
        let config = WebhookConfig {
            listen: "127.0.0.1:0".parse().unwrap(),
            ..WebhookConfig::default()
        };
        let webhook = Webhook::bind(config).await.unwrap().with_readiness(ready);
        Self::run(webhook, tempfile::tempdir().unwrap())
    }

    fn run(webhook: Webhook, folder: TempDir) -> Self {
        let intake = Arc::new(Recorder::default());
        let stop = CancellationToken::new();
        let (address, counters, handle) = (webhook.address(), webhook.counters(), webhook.handle());
        let serving =
            tokio::spawn(webhook.serve(Arc::clone(&intake) as Arc<dyn Intake>, stop.clone()));
        Self {
            address,
            intake,
            counters,
            handle,
            stop,
            serving,
            folder,
        }
    }

    /// The files of the dead-letter folder and what they hold.
    pub(crate) fn dead_letters(&self) -> Vec<(PathBuf, String)> {
        files(&self.folder.path().join("dead"))
    }

    /// How often a status was answered.
    pub(crate) fn answered(&self, status: u16) -> u64 {
        self.counters
            .by_status()
            .find(|(known, _)| *known == status)
            .unwrap()
            .1
    }
}

fn files(folder: &Path) -> Vec<(PathBuf, String)> {
    let entries = std::fs::read_dir(folder).unwrap();
    let paths = entries.map(|entry| entry.unwrap().path());
    paths
        .map(|path| {
            (
                path.clone(),
                String::from_utf8_lossy(&std::fs::read(path).unwrap()).into_owned(),
            )
        })
        .collect()
}
