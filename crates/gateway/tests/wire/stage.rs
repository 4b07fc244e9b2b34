//! A gateway in front of a raw upstream, and clients that send what they like.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use kubevigil_audit::policy::PolicyFile;
use kubevigil_gateway::identity::{IdentityConfig, IdentityMode};
use kubevigil_gateway::{Drained, Gateway, GatewayConfig, GatewayTls, Handle, UpstreamConfig};
use kubevigil_record::auditing::Auditing;
use kubevigil_record::event::AuditEvent;
use kubevigil_record::sink::{Events, Sink, SinkError};
use tempfile::TempDir;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::authority::{Authority, Certificate};
use crate::raw_upstream::RawUpstream;

const POLICY: &str = "apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules: [{level: Metadata}]
";

/// Events in the order in which they came, and whether the sink was closed.
#[derive(Default)]
pub(crate) struct Log {
    events: Mutex<Vec<Arc<AuditEvent>>>,
    closed: Mutex<bool>,
}

#[async_trait]
impl Sink for Log {
    fn name(&self) -> String {
        "log".to_owned()
    }

    async fn emit(&self, events: Events<'_>) -> Result<(), SinkError> {
        self.events.lock().unwrap().extend(events.iter().cloned());
        Ok(())
    }

    async fn shutdown(&self) {
        *self.closed.lock().unwrap() = true;
    }
}

impl Log {
    pub(crate) fn is_closed(&self) -> bool {
        *self.closed.lock().unwrap()
    }

    pub(crate) fn events(&self) -> Vec<Arc<AuditEvent>> {
        self.events.lock().unwrap().clone()
    }

    /// `stage requestURI code` of every event.
    pub(crate) fn lines(&self) -> Vec<String> {
        let line = |event: &Arc<AuditEvent>| {
            let code = event
                .response_status
                .as_ref()
                .map_or(0, |status| status.code);
            format!("{} {} {code}", event.stage.as_str(), event.request_uri)
        };
        self.events().iter().map(line).collect()
    }
}

pub(crate) struct Stage {
    pub(crate) address: SocketAddr,
    pub(crate) upstream: RawUpstream,
    pub(crate) log: Arc<Log>,
    pub(crate) handle: Handle,
    pub(crate) stop: CancellationToken,
    pub(crate) serving: JoinHandle<Drained>,
}

impl Stage {
    /// A gateway that lets everybody through as anonymous.
    pub(crate) async fn new() -> Self {
        Self::with(|_| {}).await
    }

    pub(crate) async fn with(change: impl FnOnce(&mut GatewayConfig)) -> Self {
        let upstream = RawUpstream::start().await;
        let server = format!("http://{}", upstream.address);
        let mut config = GatewayConfig {
            listen: "127.0.0.1:0".parse().unwrap(),
            upstream: UpstreamConfig {
                server: Some(server.parse().unwrap()),
                ..UpstreamConfig::default()
            },
            ..GatewayConfig::default()
        };
        change(&mut config);
        let policy = PolicyFile::read("policy.yaml", POLICY).policy.unwrap();
        let log = Arc::<Log>::default();
        let auditing = Auditing::new(policy, Arc::clone(&log) as Arc<dyn Sink>);
        let gateway = Gateway::bind(config, auditing).await.unwrap();
        let (address, handle) = (gateway.address(), gateway.handle());
        let stop = CancellationToken::new();
        let serving = tokio::spawn(gateway.serve(stop.clone()));
        Self {
            address,
            upstream,
            log,
            handle,
            stop,
            serving,
        }
    }

    pub(crate) async fn connect(&self) -> Wire<TcpStream> {
        Wire(TcpStream::connect(self.address).await.unwrap())
    }

    /// Sends bytes on a connection of their own; everything that comes back until the gateway closes or is silent.
    pub(crate) async fn send(&self, bytes: &[u8]) -> String {
        let mut wire = self.connect().await;
        wire.send(bytes).await;
        wire.rest().await
    }

    pub(crate) async fn stop(self) -> (Drained, Arc<Log>) {
        self.stop.cancel();
        let drained = tokio::time::timeout(Duration::from_secs(20), self.serving);
        (drained.await.expect("drains in time").unwrap(), self.log)
    }
}

/// A connection on which anything can be sent.
pub(crate) struct Wire<S>(pub(crate) S);

impl<S: AsyncRead + AsyncWrite + Unpin> Wire<S> {
    pub(crate) async fn send(&mut self, bytes: &[u8]) {
        // The gateway may have seen enough already.
        let _ = self.0.write_all(bytes).await;
    }

    /// One piece of what comes; empty at the end.
    pub(crate) async fn some(&mut self) -> String {
        let mut piece = vec![0; 65_536];
        let read = tokio::time::timeout(Duration::from_secs(10), self.0.read(&mut piece));
        let length = read.await.expect("something or the end comes").unwrap_or(0);
        piece.truncate(length);
        String::from_utf8_lossy(&piece).into_owned()
    }

    /// Reads until a text has come.
    pub(crate) async fn until(&mut self, text: &str) -> String {
        let mut all = String::new();
        while !all.contains(text) {
            let piece = self.some().await;
            assert!(!piece.is_empty(), "the connection ended: {all}");
            all += &piece;
        }
        all
    }

    /// Everything until the end, or until nothing has come for a while.
    pub(crate) async fn rest(&mut self) -> String {
        let mut all = Vec::new();
        let silence = Duration::from_millis(400);
        while let Ok(Ok(read)) = tokio::time::timeout(silence, self.0.read_buf(&mut all)).await {
            if read == 0 {
                break;
            }
        }
        String::from_utf8_lossy(&all).into_owned()
    }

    /// Whether the gateway closes within a time.
    pub(crate) async fn closes_within(&mut self, limit: Duration) -> bool {
        let mut rest = Vec::new();
        let end = self.0.read_to_end(&mut rest);
        tokio::time::timeout(limit, end).await.is_ok()
    }
}

/// The files of a gateway with TLS.
pub(crate) struct Files(TempDir);

impl Files {
    pub(crate) fn new(certificate: &Certificate) -> Self {
        let files = Self(tempfile::tempdir().unwrap());
        files.replace(certificate);
        files
    }

    pub(crate) fn replace(&self, certificate: &Certificate) {
        self.write("tls.crt", &certificate.certificate);
        self.write("tls.key", &certificate.key);
    }

    pub(crate) fn write(&self, name: &str, content: &str) -> std::path::PathBuf {
        let path = self.0.path().join(name);
        std::fs::write(&path, content).unwrap();
        path
    }

    pub(crate) fn tls(&self) -> GatewayTls {
        GatewayTls {
            certificate: self.0.path().join("tls.crt"),
            key: self.0.path().join("tls.key"),
        }
    }

    /// Client certificates of an authority name their users to the upstream.
    pub(crate) fn identity(&self, clients: &Authority) -> IdentityConfig {
        IdentityConfig {
            mode: IdentityMode::Impersonate,
            client_ca: Some(self.write("clients.crt", &clients.pem())),
            ..IdentityConfig::default()
        }
    }
}

/// Waits until something is so.
pub(crate) async fn eventually(what: &str, mut is_so: impl FnMut() -> bool) {
    for _ in 0..200 {
        if is_so() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    panic!("{what} did not come about");
}
