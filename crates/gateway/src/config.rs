//! What the gateway can be told, and what it refuses to be told.
//!
//! Every limit has a default that ordinary clients of an API server never meet and that a hostile one cannot exceed. The doc
//! comments are the user's reference: the configuration's schema is generated from them.

mod check;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use kubevigil_record::auditing::Limits;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use url::Url;

pub use self::check::ConfigError;
use crate::identity::IdentityConfig;

/// The gateway: a reverse proxy in front of an API server that records what a kube-apiserver would record.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct GatewayConfig {
    /// Address and port to listen on. Only this machine can reach the default; any other address needs `tls`.
    #[schemars(with = "String")]
    pub listen: SocketAddr,
    /// HTTPS. Without it the gateway speaks plain HTTP, and only on an address of this machine.
    pub tls: Option<GatewayTls>,
    /// The API server that requests are sent on to.
    pub upstream: UpstreamConfig,
    /// Who may ask, and how the upstream learns who asks.
    pub identity: IdentityConfig,
    /// Seconds after which a request is answered with 504, if the upstream has not begun to answer (`--request-timeout`). A client
    /// may ask for less with `?timeout=`. Watches, logs, proxied requests and upgrades have no such limit.
    pub request_timeout_seconds: u64,
    /// Seconds in which a connection to the upstream must be there, TLS included.
    pub connect_timeout_seconds: u64,
    /// Seconds in which the TLS handshake, and then the header of a request, must arrive.
    pub header_timeout_seconds: u64,
    /// Seconds for which the body of a request may stand still before the request is given up, and for which a client may take
    /// nothing of an answer that waits for it. Long-running requests (`kubectl logs -f | less`) and upgraded connections may rest.
    pub stall_timeout_seconds: u64,
    /// Seconds after which a connection without requests is closed. Go's clients close theirs after 90; more avoids races.
    pub idle_timeout_seconds: u64,
    /// Seconds that requests in flight get when the gateway stops. Then watches and upgraded connections are cut.
    pub drain_timeout_seconds: u64,
    /// Most connections at once. When all places are taken, a new client gets the place of the one that is idle longest, of the
    /// address that has most; where all are busy it waits. This and the next two are less where the limit of open files is.
    pub max_connections: usize,
    /// Most short requests at once; what is beyond is answered with 429 and recorded (`--max-requests-inflight`). A caller gets another
    /// place only while more are free than it holds.
    pub max_requests: usize,
    /// Most watches, logs, tunnels and other long-running requests at once, shared out in the same way. Each holds a connection to
    /// the upstream.
    pub max_long_running: usize,
    /// Most bytes of a request's header, its first line included; larger ones are answered with 431. A kube-apiserver takes
    /// 1 MiB, but no client needs it. Paths with their query are limited to 65,534 bytes in any case (414).
    pub max_header_bytes: u32,
    /// Most header lines of a request; more are answered with 431. Proxies that impersonate send one for each group.
    pub max_headers: usize,
    /// Most requests at once on one HTTP/2 connection. Clients open another connection for more.
    pub max_streams: u32,
    /// Largest body that is copied into an event, in bytes, before and after decompression; a larger one is left out of the
    /// event and counted. It passes untouched.
    pub recorded_body_max_bytes: usize,
    /// Most bytes of all copies at once; what goes beyond is left out of the events and counted.
    pub recorded_bodies_max_bytes: usize,
}

/// The gateway's certificate. Both files are PEM and read again when they change.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct GatewayTls {
    /// The gateway's certificate, followed by the intermediate ones.
    pub certificate: PathBuf,
    /// The private key of the certificate.
    pub key: PathBuf,
}

/// Where the API server is. One of `kubeconfig`, `server` and `in_cluster` must be set.
#[derive(Clone, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct UpstreamConfig {
    /// A kubeconfig with the server's address, its authority and the gateway's own credentials. Read again when it changes, or when a file
    /// that it names does.
    pub kubeconfig: Option<PathBuf>,
    /// The context of the kubeconfig; by default its `current-context`.
    pub context: Option<String>,
    /// The server's address, such as `https://10.0.0.1:6443`. The gateway then has no credentials of its own.
    #[schemars(with = "Option<String>")]
    pub server: Option<Url>,
    /// The authority of the certificate of `server`, PEM. Read again when it changes.
    pub ca: Option<PathBuf>,
    /// The API server of the cluster that the gateway runs in, with the credentials of its pod's service account.
    pub in_cluster: bool,
}

impl Default for GatewayConfig {
    fn default() -> Self {
        let recording = Limits::default();
        Self {
            listen: SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8443),
            tls: None,
            upstream: UpstreamConfig::default(),
            identity: IdentityConfig::default(),
            request_timeout_seconds: 60,
            connect_timeout_seconds: 10,
            header_timeout_seconds: 10,
            stall_timeout_seconds: 60,
            idle_timeout_seconds: 120,
            drain_timeout_seconds: 25,
            max_connections: 4096,
            max_requests: 1000,
            max_long_running: 10_000,
            max_header_bytes: 128 * 1024,
            max_headers: 256,
            max_streams: 250,
            recorded_body_max_bytes: recording.recorded_body,
            recorded_bodies_max_bytes: recording.recorded_bodies_in_all,
        }
    }
}

impl GatewayConfig {
    /// The limits of copies of bodies, for [`kubevigil_record::auditing::Auditing::with`].
    pub fn recording_limits(&self) -> Limits {
        Limits {
            recorded_body: self.recorded_body_max_bytes,
            recorded_bodies_in_all: self.recorded_bodies_max_bytes,
        }
    }

    /// Whether clients are asked for certificates: only where something is made of them, because browsers bother people.
    pub(crate) fn asks_for_certificates(&self) -> bool {
        self.identity.client_ca.is_some() || self.identity.front_proxy.is_some()
    }

    pub(crate) fn request_timeout(&self) -> Duration {
        Duration::from_secs(self.request_timeout_seconds)
    }

    pub(crate) fn connect_timeout(&self) -> Duration {
        Duration::from_secs(self.connect_timeout_seconds)
    }

    pub(crate) fn header_timeout(&self) -> Duration {
        Duration::from_secs(self.header_timeout_seconds)
    }

    pub(crate) fn stall_timeout(&self) -> Duration {
        Duration::from_secs(self.stall_timeout_seconds)
    }

    pub(crate) fn idle_timeout(&self) -> Duration {
        Duration::from_secs(self.idle_timeout_seconds)
    }

    pub(crate) fn drain_timeout(&self) -> Duration {
        Duration::from_secs(self.drain_timeout_seconds)
    }
}
