//! What the log says of connections that failed, and what their clients could do about it.

use std::error::Error as _;
use std::net::SocketAddr;

use tracing::{debug, warn};

use crate::activity::Activity;
use crate::throttle::Throttle;

/// Speaks of one connection in the name of a server.
pub struct Complaint<'c> {
    /// The server as its settings begin: `webhook`.
    pub server: &'static str,
    /// Who connected.
    pub peer: SocketAddr,
    /// What came in.
    pub activity: &'c Activity,
    /// Keeps the log readable.
    pub throttle: &'c Throttle,
}

impl Complaint<'_> {
    /// There was no TLS handshake.
    pub fn of_handshake(&self, error: &std::io::Error) {
        let advice = (self.activity.speaks_tls() == Some(false))
            .then_some("the client speaks plain HTTP: its kubeconfig must say https");
        if let Some(held_back) = self.throttle.pass() {
            let (server, peer, problem) = (self.server, self.peer, error.to_string());
            warn!(server, %peer, ?problem, held_back, advice, "TLS handshake failed");
        }
    }

    /// A server of plain HTTP was spoken to in TLS.
    pub fn of_tls(&self) {
        if let Some(held_back) = self.throttle.pass() {
            let (server, peer) = (self.server, self.peer);
            let advice = format!("set {server}.tls, or say http in the client's kubeconfig");
            warn!(server, %peer, held_back, advice, "a client speaks TLS, but the server speaks plain HTTP");
        }
    }

    /// A connection ended in disorder, which clients bring about every day.
    pub fn of_end(&self, error: &hyper::Error) {
        let (server, peer, problem) = (self.server, self.peer, error.to_string());
        let cause = error.source().map(ToString::to_string);
        debug!(server, %peer, ?problem, ?cause, "connection ended");
    }
}
