//! What the webhook can be told, and what it refuses to be told.
//!
//! Every limit has a default that a busy API server never meets and that a hostile sender cannot exceed. The doc comments are
//! the user's reference: the configuration's schema is generated from them.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The webhook source: an HTTP or HTTPS server for the audit webhook backend of a kube-apiserver.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct WebhookConfig {
    /// Address and port to listen on. Only this machine can reach the default; use `0.0.0.0:8765` for all interfaces.
    #[schemars(with = "String")]
    pub listen: SocketAddr,
    /// Paths that take events. A query and one trailing slash are tolerated.
    pub paths: Vec<String>,
    /// HTTPS. Without it the server speaks plain HTTP.
    pub tls: Option<TlsConfig>,
    /// File with the bearer tokens that may send events, one a line; several lines allow rotation. Empty lines and lines that
    /// begin with `#` are skipped. Read again when it changes. The API server sends its token over HTTPS only.
    pub tokens: Option<PathBuf>,
    /// Folder that keeps what can never be accepted (not JSON, not audit events). By default the daemon chooses it.
    pub dead_letters: Option<PathBuf>,
    /// Most bytes that the dead-letter folder may hold. When it is full, the oldest are kept and new ones only counted and, one a
    /// second, logged.
    pub dead_letters_max_bytes: u64,
    /// Largest body, before and after decompression. Batches of 400 events with bodies reach 39 MiB.
    pub max_body_bytes: u64,
    /// Most bytes of bodies in memory at once; beyond, senders are asked to come back (429).
    pub max_memory_bytes: u64,
    /// Most connections at once; further ones wait.
    pub max_connections: usize,
    /// Seconds in which the TLS handshake, and then the header of a request, must arrive.
    pub header_timeout_seconds: u64,
    /// Seconds in which the body of a request must arrive.
    pub body_timeout_seconds: u64,
    /// Seconds after which a connection without requests is closed. Must be more than the API server's 90 to avoid races.
    pub idle_timeout_seconds: u64,
    /// Seconds to wait for the disk before answering 503. The API server itself gives up after 30.
    pub accept_timeout_seconds: u64,
    /// Seconds that requests in flight get when the daemon stops.
    pub drain_timeout_seconds: u64,
}

/// Certificates of the webhook. All files are PEM and read again when they change.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct TlsConfig {
    /// The server's certificate, followed by the intermediate ones.
    pub certificate: PathBuf,
    /// The private key of the certificate.
    pub key: PathBuf,
    /// Authorities that sign client certificates. With it, only clients with such a certificate can connect (mTLS).
    #[serde(default)]
    pub client_ca: Option<PathBuf>,
    /// Names that a client certificate must bear (common name, DNS name or IP address); empty allows every certificate that
    /// `client_ca` signed.
    #[serde(default)]
    pub allowed_names: Vec<String>,
}

impl Default for WebhookConfig {
    fn default() -> Self {
        Self {
            listen: SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8765),
            paths: vec!["/k8s_audit".to_owned(), "/k8s-audit".to_owned()],
            tls: None,
            tokens: None,
            dead_letters: None,
            dead_letters_max_bytes: 256 << 20,
            max_body_bytes: 48 << 20,
            max_memory_bytes: 192 << 20,
            max_connections: 256,
            header_timeout_seconds: 10,
            body_timeout_seconds: 30,
            idle_timeout_seconds: 120,
            accept_timeout_seconds: 25,
            drain_timeout_seconds: 25,
        }
    }
}

/// A setting that cannot work.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum ConfigError {
    /// No path, or one that does not begin with a slash.
    #[error("webhook.paths: {0}")]
    Paths(String),
    /// A limit of zero, or one that contradicts another.
    #[error("webhook.{setting}: {problem}")]
    Limit {
        /// The setting's name.
        setting: &'static str,
        /// What is wrong and what to write instead.
        problem: String,
    },
    /// Tokens over plain HTTP, readable by everybody on the way.
    #[error(
        "webhook.tokens needs webhook.tls when listening on {0}: over plain HTTP anybody on the way can read a token, and the \
         API server never sends one; set webhook.tls or listen on 127.0.0.1"
    )]
    TokensWithoutTls(SocketAddr),
    /// Names to allow, but no authority that vouches for them.
    #[error(
        "webhook.tls.allowed_names needs webhook.tls.client_ca, which says whose certificates to trust"
    )]
    NamesWithoutAuthority,
}

impl WebhookConfig {
    /// Checks what can be checked without touching files or the network.
    pub fn check(&self) -> Result<(), ConfigError> {
        self.check_paths()?;
        self.check_limits()?;
        if self.tokens.is_some() && self.tls.is_none() && !self.listen.ip().is_loopback() {
            return Err(ConfigError::TokensWithoutTls(self.listen));
        }
        match &self.tls {
            Some(tls) if tls.client_ca.is_none() && !tls.allowed_names.is_empty() => {
                Err(ConfigError::NamesWithoutAuthority)
            }
            _ => Ok(()),
        }
    }

    fn check_paths(&self) -> Result<(), ConfigError> {
        if self.paths.is_empty() {
            let problem = "at least one path is needed, for example /k8s_audit";
            return Err(ConfigError::Paths(problem.to_owned()));
        }
        for path in &self.paths {
            if !path.starts_with('/') || path.contains(['?', '#', ' ']) {
                let problem = format!(
                    "{path:?} is not a path: it must begin with / and have no query, for example /k8s_audit"
                );
                return Err(ConfigError::Paths(problem));
            }
            if matches!(path.as_str(), "/healthz" | "/readyz") {
                let problem = format!("{path:?} answers health checks already; choose another");
                return Err(ConfigError::Paths(problem));
            }
        }
        Ok(())
    }

    fn check_limits(&self) -> Result<(), ConfigError> {
        let limits = [
            ("max_body_bytes", self.max_body_bytes),
            ("max_connections", self.max_connections as u64),
            ("header_timeout_seconds", self.header_timeout_seconds),
            ("body_timeout_seconds", self.body_timeout_seconds),
            ("idle_timeout_seconds", self.idle_timeout_seconds),
            ("accept_timeout_seconds", self.accept_timeout_seconds),
        ];
        for (setting, value) in limits {
            if value == 0 {
                let problem = "must be at least 1".to_owned();
                return Err(ConfigError::Limit { setting, problem });
            }
        }
        self.check_memory()
    }

    /// A body must fit into the budget twice, because a compressed one is held with its text.
    fn check_memory(&self) -> Result<(), ConfigError> {
        let most = u64::from(u32::MAX) * 1024;
        let least = self.max_body_bytes.saturating_mul(2);
        let problem = if self.max_memory_bytes < least {
            format!(
                "must be at least {least}, twice max_body_bytes, or the largest body never fits"
            )
        } else if self.max_memory_bytes > most {
            format!("must be at most {most}")
        } else {
            return Ok(());
        };
        let setting = "max_memory_bytes";
        Err(ConfigError::Limit { setting, problem })
    }

    pub(super) fn header_timeout(&self) -> Duration {
        Duration::from_secs(self.header_timeout_seconds)
    }

    pub(super) fn body_timeout(&self) -> Duration {
        Duration::from_secs(self.body_timeout_seconds)
    }

    pub(super) fn idle_timeout(&self) -> Duration {
        Duration::from_secs(self.idle_timeout_seconds)
    }

    pub(super) fn accept_timeout(&self) -> Duration {
        Duration::from_secs(self.accept_timeout_seconds)
    }

    pub(super) fn drain_timeout(&self) -> Duration {
        Duration::from_secs(self.drain_timeout_seconds)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(yaml_as_json: &str) -> WebhookConfig {
        serde_json::from_str(yaml_as_json).unwrap()
    }

    #[test]
    fn the_default_needs_no_configuration() {
        assert_eq!(config("{}"), WebhookConfig::default());
        assert_eq!(WebhookConfig::default().check(), Ok(()));
    }

    #[test]
    fn settings_that_cannot_work_are_refused_with_what_to_do() {
        let cases = [
            (r#"{"paths": []}"#, "at least one path is needed"),
            (r#"{"paths": ["k8s"]}"#, "must begin with /"),
            (r#"{"paths": ["/healthz"]}"#, "choose another"),
            (
                r#"{"max_body_bytes": 0}"#,
                "webhook.max_body_bytes: must be at least 1",
            ),
            (r#"{"max_memory_bytes": 1}"#, "must be at least 100663296"),
            (
                r#"{"max_memory_bytes": 18446744073709551615}"#,
                "must be at most",
            ),
            (
                r#"{"listen": "0.0.0.0:8765", "tokens": "/t"}"#,
                "set webhook.tls or listen on 127.0.0.1",
            ),
            (
                r#"{"tls": {"certificate": "c", "key": "k", "allowed_names": ["a"]}}"#,
                "needs webhook.tls.client_ca",
            ),
        ];
        for (text, expected) in cases {
            let error = config(text).check().unwrap_err().to_string();
            assert!(error.contains(expected), "{text} says {error}");
        }
    }

    #[test]
    fn tokens_over_plain_http_are_allowed_on_loopback() {
        assert_eq!(config(r#"{"tokens": "/t"}"#).check(), Ok(()));
    }

    #[test]
    fn every_setting_is_described_in_the_schema() {
        let schema = schemars::schema_for!(WebhookConfig).to_value();
        let own = schema["properties"].as_object().unwrap();
        let tls = schema["$defs"]["TlsConfig"]["properties"]
            .as_object()
            .unwrap();
        assert_eq!((own.len(), tls.len()), (14, 4));
        for (name, setting) in own.iter().chain(tls) {
            assert!(
                setting["description"].is_string(),
                "{name} has no description"
            );
        }
    }

    #[test]
    fn unknown_settings_are_errors() {
        assert!(serde_json::from_str::<WebhookConfig>(r#"{"lissten": "x"}"#).is_err());
    }
}
