//! Who sends the requests of the list, and with what credentials.

use std::collections::HashMap;
use std::sync::Arc;

use rustls::ClientConfig;
use serde_json::Value;

use super::exceptions::Mode;
use super::recorded::{Listed, Recording};
use crate::authority::{Authority, Certificate};

/// The client certificates: identity, name, groups.
const CERTIFICATES: &[(&str, &str, &[&str])] = &[
    ("admin", "kubernetes-admin", &["system:masters"]),
    ("jane", "jane", &["developers"]),
    ("mallory", "mallory", &["contractors"]),
    ("node", "system:node:worker-1", &["system:nodes"]),
    ("proxy", "system:kube-proxy", &[]),
];

/// All authorities and certificates of the test.
pub(super) struct Identities {
    /// Signs the gateway's certificate.
    pub(super) servers: Authority,
    /// Signs callers.
    pub(super) callers: Authority,
    /// Signs the proxy in front.
    pub(super) front: Authority,
    certificates: HashMap<&'static str, Certificate>,
}

impl Identities {
    pub(super) fn new() -> Self {
        let (callers, front) = (Authority::new("callers"), Authority::new("front proxies"));
        let mut certificates: HashMap<_, _> = CERTIFICATES
            .iter()
            .map(|&(identity, name, groups)| (identity, callers.client(name, groups)))
            .collect();
        certificates.insert(
            "front-proxy-client",
            front.client("front-proxy-client", &[]),
        );
        Self {
            servers: Authority::new("servers"),
            callers,
            front,
            certificates,
        }
    }

    /// What a client needs that shows its certificate, if it has one and it can be of use.
    pub(super) fn tls(&self, identity: &str, mode: Mode) -> Arc<ClientConfig> {
        let own = self.certificates.get(identity);
        self.servers
            .client_config(own.filter(|_| mode == Mode::Impersonate))
    }

    /// The id that the gateway gives to the certificate, as events have it.
    pub(super) fn credential(&self, identity: &str) -> Option<String> {
        let certificate = self.certificates.get(identity)?;
        let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, certificate.der());
        let hex: String = digest
            .as_ref()
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        Some(format!("X509SHA256={hex}"))
    }
}

/// The token that somebody sends, if any: a certificate cannot be passed through, so that everybody has one there.
pub(super) fn token(identity: &str, mode: Mode) -> Option<&str> {
    let by_certificate = CERTIFICATES.iter().any(|&(name, ..)| name == identity);
    match identity {
        "anon" | "front-proxy-client" => None,
        _ if by_certificate && mode == Mode::Impersonate => None,
        _ => Some(identity),
    }
}

/// The users by token, as the server recorded them.
pub(super) fn tokens(
    requests: &[Listed],
    everything: &Recording,
    here: &Recording,
) -> HashMap<String, Value> {
    let mut tokens = HashMap::new();
    for recording in [everything, here] {
        for listed in requests {
            let events = recording.of(listed);
            let user = events.first().map(|event| event.get("user"));
            let known = user.filter(|user| user.get("username").is_some());
            if let (Some(user), false) = (known, listed.identity == "bad-token") {
                tokens.insert(listed.identity.clone(), user);
            }
        }
    }
    tokens
}
