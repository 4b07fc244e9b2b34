//! The whole gateway in this process, in front of some upstream.

use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use kubevigil_audit::policy::{Policy, PolicyFile};
use kubevigil_gateway::{Gateway, GatewayConfig, GatewayTls, Handle};
use kubevigil_record::auditing::Auditing;
use tempfile::TempDir;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::authority::Authority;
use crate::recorder::Recorder;

/// Reads a policy; only its rules need to be written.
pub(crate) fn policy(text: &str) -> Policy {
    let text = match text.contains("kind: Policy") {
        true => text.to_owned(),
        false => format!("apiVersion: audit.k8s.io/v1\nkind: Policy\n{text}\n"),
    };
    PolicyFile::read("policy.yaml", &text).policy.unwrap()
}

/// Files that a gateway reads.
pub(crate) struct Files {
    folder: TempDir,
}

impl Files {
    pub(crate) fn new() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
        }
    }

    pub(crate) fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.folder.path().join(name);
        fs::write(&path, text).unwrap();
        path
    }

    /// A gateway for callers by TLS, in front of an upstream by TLS, both with certificates of `servers`.
    pub(crate) fn config(&self, servers: &Authority, upstream: SocketAddr) -> GatewayConfig {
        let own = servers.server();
        let mut config = GatewayConfig {
            listen: "127.0.0.1:0".parse().unwrap(),
            ..GatewayConfig::default()
        };
        config.tls = Some(GatewayTls {
            certificate: self.write("gateway.crt", &own.certificate),
            key: self.write("gateway.key", &own.key),
        });
        let ca = self.write("servers.crt", &servers.pem());
        let kubeconfig = kubeconfig(&format!("https://{upstream}"), &ca, "gateway");
        config.upstream.kubeconfig = Some(self.write("upstream.kubeconfig", &kubeconfig));
        config
    }
}

/// A kubeconfig with one cluster, and one user with a token.
pub(crate) fn kubeconfig(server: &str, ca: &std::path::Path, token: &str) -> String {
    let ca = ca.display();
    format!(
        "apiVersion: v1\nkind: Config\ncurrent-context: it\n\
         clusters: [{{name: it, cluster: {{server: \"{server}\", certificate-authority: \"{ca}\"}}}}]\n\
         users: [{{name: it, user: {{token: \"{token}\"}}}}]\n\
         contexts: [{{name: it, context: {{cluster: it, user: it, namespace: dev}}}}]\n"
    )
}

/// A gateway that runs until it is stopped.
pub(crate) struct Running {
    pub(crate) address: SocketAddr,
    pub(crate) handle: Handle,
    recorder: Arc<Recorder>,
    stop: CancellationToken,
    serving: JoinHandle<()>,
}

impl Running {
    pub(crate) async fn start(config: GatewayConfig, rules: &str) -> Self {
        let recorder = Recorder::new();
        let auditing = Auditing::new(policy(rules), recorder.clone());
        let gateway = Gateway::bind(config, auditing).await.unwrap();
        let (address, handle) = (gateway.address(), gateway.handle());
        let stop = CancellationToken::new();
        let stopping = stop.clone();
        let serving = tokio::spawn(async move {
            gateway.serve(stopping).await;
        });
        Self {
            address,
            handle,
            recorder,
            stop,
            serving,
        }
    }

    /// The lines that were recorded so far.
    pub(crate) fn lines(&self) -> Vec<String> {
        self.recorder.lines()
    }

    /// Ends it in good order, and hands out all lines that it recorded.
    pub(crate) async fn finish(self) -> Vec<String> {
        self.stop.cancel();
        self.serving.await.unwrap();
        self.recorder.lines()
    }
}
