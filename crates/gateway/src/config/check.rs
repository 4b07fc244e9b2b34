//! Contradictions in the settings, and what to do about them.

use std::net::SocketAddr;

use super::{GatewayConfig, UpstreamConfig};
use crate::identity::{AUTHENTICATION_KUBECONFIG, AUTHORIZATION_KUBECONFIG, IdentityMode};

/// A setting that cannot work, or that nobody can mean.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum ConfigError {
    /// A limit of zero, or one beyond what is possible.
    #[error("gateway.{setting}: {problem}")]
    Limit {
        /// The setting's name.
        setting: &'static str,
        /// What is wrong and what to write instead.
        problem: String,
    },
    /// Not one upstream.
    #[error("gateway.upstream: {0}")]
    Upstream(&'static str),
    /// Plain HTTP where others can listen.
    #[error(
        "gateway.listen is {0}, but gateway.tls is not set: over plain HTTP anybody on the way can read tokens and change \
         requests; set gateway.tls, or listen on 127.0.0.1"
    )]
    PlainHttp(SocketAddr),
    /// An API server that would never be asked.
    #[error("gateway.identity.{setting} {problem}")]
    NeverAsked {
        /// The setting's name.
        setting: &'static str,
        /// What it needs.
        problem: &'static str,
    },
    /// Certificates of clients without TLS.
    #[error("gateway.identity.{0} needs gateway.tls: clients present certificates over HTTPS only")]
    CertificatesWithoutTls(&'static str),
    /// Everybody who reaches the gateway would be let through as anonymous.
    #[error(
        "gateway.listen is {0}, but nothing in gateway.identity can tell who asks, so that everybody would be system:anonymous; \
         set token_review, client_ca, service_accounts, oidc or front_proxy, or listen on 127.0.0.1"
    )]
    OpenToAll(SocketAddr),
    /// Nobody could ever be let in.
    #[error(
        "gateway.identity.anonymous is false and nothing can tell who asks, so that every request would be refused; set \
         token_review, client_ca, service_accounts, oidc or front_proxy"
    )]
    ClosedToAll,
}

impl GatewayConfig {
    /// Checks what can be checked without touching files or the network.
    pub fn check(&self) -> Result<(), ConfigError> {
        self.check_limits()?;
        self.upstream.check()?;
        self.check_delegates()?;
        let others_reach_it = !self.listen.ip().is_loopback();
        if self.tls.is_none() {
            if others_reach_it {
                return Err(ConfigError::PlainHttp(self.listen));
            }
            self.check_plain_http()?;
        }
        if self.identity.recognises_somebody() {
            return Ok(());
        }
        match (self.identity.anonymous, others_reach_it) {
            (false, _) => Err(ConfigError::ClosedToAll),
            (true, true) => Err(ConfigError::OpenToAll(self.listen)),
            (true, false) => Ok(()),
        }
    }

    fn check_plain_http(&self) -> Result<(), ConfigError> {
        let settings = [
            ("client_ca", self.identity.client_ca.is_some()),
            ("front_proxy", self.identity.front_proxy.is_some()),
        ];
        match settings.iter().find(|(_, is_set)| *is_set) {
            Some((setting, _)) => Err(ConfigError::CertificatesWithoutTls(setting)),
            None => Ok(()),
        }
    }

    fn check_delegates(&self) -> Result<(), ConfigError> {
        let identity = &self.identity;
        let (setting, problem) = if identity.authentication_kubeconfig.is_some()
            && !identity.asks_about_tokens()
        {
            let problem = "is of no use without token_review, or service_accounts with keys of the upstream: nothing is asked about tokens";
            (AUTHENTICATION_KUBECONFIG, problem)
        } else if identity.authorization_kubeconfig.is_some()
            && identity.mode == IdentityMode::Passthrough
        {
            let problem = "is of no use in mode passthrough, in which the upstream itself decides who may impersonate whom: leave it out, or \
                           set mode to impersonate";
            (AUTHORIZATION_KUBECONFIG, problem)
        } else {
            return Ok(());
        };
        Err(ConfigError::NeverAsked { setting, problem })
    }

    fn check_limits(&self) -> Result<(), ConfigError> {
        let limits = [
            ("request_timeout_seconds", self.request_timeout_seconds),
            ("connect_timeout_seconds", self.connect_timeout_seconds),
            ("header_timeout_seconds", self.header_timeout_seconds),
            ("stall_timeout_seconds", self.stall_timeout_seconds),
            ("idle_timeout_seconds", self.idle_timeout_seconds),
            ("max_connections", self.max_connections as u64),
            ("max_requests", self.max_requests as u64),
            ("max_long_running", self.max_long_running as u64),
            ("max_headers", self.max_headers as u64),
            ("max_streams", u64::from(self.max_streams)),
        ];
        if let Some((setting, _)) = limits.iter().find(|(_, value)| *value == 0) {
            return Err(limit(setting, "must be at least 1"));
        }
        if !(LEAST_HEADER..=MOST_HEADER).contains(&self.max_header_bytes) {
            return Err(limit(
                "max_header_bytes",
                "must be between 8192 and 1048576 (1 MiB, the limit of a kube-apiserver)",
            ));
        }
        if self.max_headers > MOST_HEADERS {
            return Err(limit("max_headers", "must be at most 4096"));
        }
        Ok(())
    }
}

/// The least that hyper reads at once.
const LEAST_HEADER: u32 = 8192;
const MOST_HEADER: u32 = 1024 * 1024;
/// Room for so many is made for each request.
const MOST_HEADERS: usize = 4096;

fn limit(setting: &'static str, problem: &str) -> ConfigError {
    ConfigError::Limit {
        setting,
        problem: problem.to_owned(),
    }
}

impl UpstreamConfig {
    fn check(&self) -> Result<(), ConfigError> {
        let ways = [
            self.kubeconfig.is_some(),
            self.server.is_some(),
            self.in_cluster,
        ];
        let problem = match ways.iter().filter(|is_set| **is_set).count() {
            0 => "nothing says where the API server is: set kubeconfig, server or in_cluster",
            2.. => "set only one of kubeconfig, server and in_cluster",
            _ if self.context.is_some() && self.kubeconfig.is_none() => {
                "context chooses from a kubeconfig: set kubeconfig, or leave context out"
            }
            _ => return self.check_server(),
        };
        Err(ConfigError::Upstream(problem))
    }

    fn check_server(&self) -> Result<(), ConfigError> {
        let scheme = self.server.as_ref().map(url::Url::scheme);
        let problem = match (scheme, &self.ca) {
            (None, Some(_)) => {
                "ca belongs to server; a kubeconfig names its own authority: leave ca out"
            }
            (Some("http"), Some(_)) => {
                "ca has no meaning for an http server: write https, or leave ca out"
            }
            (None | Some("http" | "https"), _) => return Ok(()),
            _ => "server must be an http or https address, for example https://10.0.0.1:6443",
        };
        Err(ConfigError::Upstream(problem))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(json: &str) -> Result<(), ConfigError> {
        let config: GatewayConfig = serde_json::from_str(json).unwrap();
        config.check()
    }

    #[test]
    fn an_upstream_is_all_that_must_be_set() {
        assert_eq!(check(r#"{"upstream": {"in_cluster": true}}"#), Ok(()));
        assert_eq!(check(r#"{"upstream": {"kubeconfig": "k"}}"#), Ok(()));
        assert_eq!(
            check(r#"{"upstream": {"server": "https://a", "ca": "ca"}}"#),
            Ok(())
        );
    }

    #[test]
    fn settings_that_cannot_work_are_refused_with_what_to_do() {
        let cases = [
            ("{}", "set kubeconfig, server or in_cluster"),
            (
                r#"{"upstream": {"in_cluster": true, "kubeconfig": "k"}}"#,
                "set only one of",
            ),
            (
                r#"{"upstream": {"in_cluster": true, "context": "c"}}"#,
                "leave context out",
            ),
            (
                r#"{"upstream": {"kubeconfig": "k", "ca": "c"}}"#,
                "leave ca out",
            ),
            (
                r#"{"upstream": {"server": "http://a", "ca": "c"}}"#,
                "write https",
            ),
            (
                r#"{"upstream": {"server": "ftp://a"}}"#,
                "for example https://10.0.0.1:6443",
            ),
        ];
        for (json, expected) in cases {
            let error = check(json).unwrap_err().to_string();
            assert!(error.contains(expected), "{json} says {error}");
        }
    }

    #[test]
    fn nothing_is_open_to_others_by_mistake() {
        const REVIEW: &str = r#""token_review": {}"#;
        let tls = r#""tls": {"certificate": "c", "key": "k"}"#;
        let open = r#""listen": "0.0.0.0:6443""#;
        let cases = [
            (open.to_owned(), REVIEW, "set gateway.tls, or listen on"),
            (format!("{open}, {tls}"), "", "listen on 127.0.0.1"),
            (format!("{open}, {tls}"), REVIEW, ""),
            (tls.to_owned(), "", ""),
            (
                tls.to_owned(),
                r#""anonymous": false"#,
                "every request would be refused",
            ),
            (
                r#""listen": "127.0.0.1:0""#.to_owned(),
                r#""client_ca": "c""#,
                "client_ca needs gateway.tls",
            ),
        ];
        for (settings, identity, expected) in cases {
            let json = format!(
                r#"{{"upstream": {{"in_cluster": true}}, {settings}, "identity": {{{identity}}}}}"#
            );
            let error = check(&json).err().map(|error| error.to_string());
            let error = error.unwrap_or_default();
            assert!(error.contains(expected), "{json} says {error:?}");
            assert_eq!(error.is_empty(), expected.is_empty(), "{json} says {error}");
        }
    }

    #[test]
    fn whom_nobody_would_ask_is_refused() {
        let cases = [
            (
                r#""authentication_kubeconfig": "k""#,
                "without token_review",
            ),
            (
                r#""authentication_kubeconfig": "k", "token_review": {}"#,
                "",
            ),
            (
                r#""authentication_kubeconfig": "k", "service_accounts": {"issuers": ["i"]}"#,
                "",
            ),
            (
                r#""authorization_kubeconfig": "k""#,
                "set mode to impersonate",
            ),
            (
                r#""authorization_kubeconfig": "k", "mode": "impersonate""#,
                "",
            ),
        ];
        for (identity, expected) in cases {
            let json =
                format!(r#"{{"upstream": {{"in_cluster": true}}, "identity": {{{identity}}}}}"#);
            let error = check(&json).err().map(|error| error.to_string());
            let error = error.unwrap_or_default();
            assert!(error.contains(expected), "{json} says {error:?}");
            assert_eq!(error.is_empty(), expected.is_empty(), "{json} says {error}");
        }
    }

    #[test]
    fn limits_have_limits() {
        for (setting, value, expected) in [
            (
                "max_connections",
                0,
                "gateway.max_connections: must be at least 1",
            ),
            ("max_header_bytes", 100, "between 8192 and"),
            ("max_headers", 100_000, "at most 4096"),
        ] {
            let json = format!(r#"{{"upstream": {{"in_cluster": true}}, "{setting}": {value}}}"#);
            let error = check(&json).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
    }

    #[test]
    fn unknown_settings_are_errors() {
        assert!(serde_json::from_str::<GatewayConfig>(r#"{"lissten": "x"}"#).is_err());
    }

    #[test]
    fn every_setting_is_described_in_the_schema() {
        let schema = schemars::schema_for!(GatewayConfig).to_value();
        let own = schema["properties"].as_object().unwrap();
        let upstream = schema["$defs"]["UpstreamConfig"]["properties"].as_object();
        assert_eq!((own.len(), upstream.unwrap().len()), (18, 5));
        for (name, setting) in own.iter().chain(upstream.unwrap()) {
            let described = setting["description"].is_string();
            assert!(described, "{name} has no description");
        }
    }
}
