//! What the daemon says when it has started: what runs, what listens where, where state lies, and what to do next.

use std::net::SocketAddr;
use std::path::Path;

use kubevigil_alerts::config::OutputConfig;

use crate::config::{Config, SourcesConfig};
use crate::gate;
use crate::run::live_rules::Ruling;

/// What is said, gathered while the configuration is still at hand.
#[derive(Debug)]
pub(crate) struct Banner {
    state_dir: String,
    /// Scheme and path of the webhook, and whether anybody may send.
    webhook: Option<(&'static str, String, bool)>,
    files: Vec<String>,
    stdin: bool,
    /// The scheme of the auditing gateway.
    record: Option<&'static str>,
    /// Whom it asks about callers besides its upstream.
    delegates: Vec<String>,
    outputs: Vec<String>,
}

impl Banner {
    /// What a configuration leads to.
    pub(crate) fn new(config: &Config, state_dir: &Path) -> Self {
        let SourcesConfig {
            webhook,
            files,
            stdin,
            record,
        } = &config.sources;
        let webhook = webhook.as_ref().map(|webhook| {
            let scheme = if webhook.tls.is_some() {
                "https"
            } else {
                "http"
            };
            let certificates = webhook
                .tls
                .as_ref()
                .is_some_and(|tls| tls.client_ca.is_some());
            let open = webhook.tokens.is_none() && !certificates;
            (
                scheme,
                webhook.paths.first().cloned().unwrap_or_default(),
                open,
            )
        });
        Self {
            state_dir: state_dir.display().to_string(),
            webhook,
            files: files.iter().flat_map(|files| files.paths.clone()).collect(),
            stdin: *stdin,
            record: record.as_ref().map(|record| match record.gateway.tls {
                Some(_) => "https",
                None => "http",
            }),
            delegates: record
                .iter()
                .flat_map(|record| gate::delegate_words(&record.gateway.identity))
                .collect(),
            outputs: config.outputs.iter().map(describe).collect(),
        }
    }

    /// Says it.
    pub(crate) fn say(
        &self,
        rules: &Ruling,
        webhook: Option<SocketAddr>,
        gate: Option<SocketAddr>,
        health: Option<SocketAddr>,
    ) {
        let refused = match rules.refused {
            0 => String::new(),
            refused => format!(" ({refused} refused, see above)"),
        };
        tracing::info!(
            "kubevigil {} is running: {} rules{refused}, state in {}",
            env!("CARGO_PKG_VERSION"),
            rules.count_rules(),
            self.state_dir
        );
        self.say_sources(webhook, gate);
        match self.outputs.as_slice() {
            [] => tracing::warn!(
                "no output is configured: alerts are kept and go nowhere; add one to `outputs`"
            ),
            outputs => tracing::info!("alerts go to {}", outputs.join(", ")),
        }
        if let Some(health) = health {
            tracing::info!("health checks and metrics on http://{health}");
        }
    }

    fn say_sources(&self, webhook: Option<SocketAddr>, gate: Option<SocketAddr>) {
        if let (Some((scheme, path, open)), Some(address)) = (&self.webhook, webhook) {
            let url = format!("{scheme}://{address}{path}");
            tracing::info!("audit webhook on {url}");
            tracing::info!(
                "to send events here, start kube-apiserver with --audit-policy-file and with --audit-webhook-config-file, a \
                 kubeconfig whose server is {url} (docs/kube-apiserver.md has both files)"
            );
            if *open && !address.ip().is_loopback() {
                tracing::warn!(
                    "anybody who reaches {address} can send events; set client_ca or tokens under sources.webhook"
                );
            }
        }
        if let (Some(scheme), Some(address)) = (self.record, gate) {
            tracing::info!("auditing gateway on {scheme}://{address}");
            for line in &self.delegates {
                tracing::info!("{line}");
            }
        }
        if !self.files.is_empty() {
            tracing::info!("following {}", self.files.join(", "));
        }
        if self.stdin {
            tracing::info!("reading events from standard input");
        }
        let reads = !self.files.is_empty() || self.stdin;
        if self.webhook.is_none() && self.record.is_none() && !reads {
            tracing::warn!("no source is configured: no events will come; set one under `sources`");
        }
    }
}

/// An output by its kind and name. Not by its address, which may hold a secret.
fn describe(output: &OutputConfig) -> String {
    match output {
        OutputConfig::File(file) => format!("the file {}", file.path.display()),
        OutputConfig::Http(_) => format!("{} (HTTP)", output.name()),
        OutputConfig::Stdout(_) => "standard output".to_owned(),
    }
}
