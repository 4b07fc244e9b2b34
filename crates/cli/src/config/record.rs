//! The auditing gateway as a source of the daemon.

use std::path::{Path, PathBuf};
use std::time::Duration;

use kubevigil_gateway::GatewayConfig;
use kubevigil_record::backend::{BackendOptions, Mode};
use kubevigil_record::log::{LogFormat, LogOptions};
use kubevigil_record::webhook::INITIAL_BACKOFF;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::gate::GateOptions;
use crate::gate::backends::{Backends, LogBackend, WebhookBackend};

/// An auditing gateway in this process: a proxy before an API server that makes audit events of what passes through. Requests are
/// answered only when their events are in the journal.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RecordConfig {
    /// The audit policy, which says what is recorded of which request. Read again when its content changes and at SIGHUP.
    pub(crate) policy: PathBuf,
    /// Where it listens, who is recognised, where requests go.
    #[serde(default)]
    pub(crate) gateway: GatewayConfig,
    /// A log file that gets the events, too, as the log backend of a kube-apiserver writes it.
    #[serde(default)]
    pub(crate) log: Option<RecordLogConfig>,
    /// A webhook that gets the events, too, as the webhook backend of a kube-apiserver sends them.
    #[serde(default)]
    pub(crate) webhook: Option<RecordWebhookConfig>,
}

/// A log file for the events of the auditing gateway.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RecordLogConfig {
    /// The file; `-` for standard output, which is never rotated.
    pub(crate) path: PathBuf,
    /// How lines look.
    #[serde(default)]
    pub(crate) format: LineFormat,
    /// MiB at which the file is rotated; 0 for never.
    #[serde(default = "default_max_size")]
    pub(crate) max_size_mib: u64,
    /// Rotated files that are kept; 0 for all.
    #[serde(default = "default_max_backups")]
    pub(crate) max_backups: usize,
    /// Days after which rotated files are deleted; 0 for never.
    #[serde(default = "default_max_age")]
    pub(crate) max_age_days: u64,
    /// Whether rotated files are compressed with gzip.
    #[serde(default)]
    pub(crate) compress: bool,
    /// Whether requests wait for it. Default: `blocking`.
    #[serde(default)]
    pub(crate) mode: Option<ModeConfig>,
}

/// A webhook for the events of the auditing gateway.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RecordWebhookConfig {
    /// A kubeconfig that says where the webhook is and how to reach it.
    pub(crate) kubeconfig: PathBuf,
    /// Seconds before a failed batch is sent again; each further wait is half as long again.
    #[serde(default = "default_initial_backoff")]
    pub(crate) initial_backoff_seconds: u64,
    /// Whether requests wait for it. Default: `batch`.
    #[serde(default)]
    pub(crate) mode: Option<ModeConfig>,
}

/// How lines of an audit log look.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum LineFormat {
    /// An event as JSON.
    #[default]
    Json,
    /// The line from before events were JSON.
    Legacy,
}

/// Whether requests wait for a backend, and what becomes of events that it does not take.
#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum ModeConfig {
    /// They do not wait; what does not fit into the queue is lost.
    Batch,
    /// They wait, and are answered even if the event is lost.
    Blocking,
    /// They wait, and fail if their first event is lost.
    BlockingStrict,
    /// Nothing is lost: events wait on disk until the backend has them.
    Durable,
}

impl RecordConfig {
    /// The gateway with its backends, besides the daemon's journal. `state_dir` is the daemon's, if it is to be looked at.
    pub(crate) fn gate_options(&self, state_dir: Option<&Path>) -> GateOptions {
        let backends = Backends {
            log: self.log.as_ref().map(RecordLogConfig::backend),
            webhook: self.webhook.as_ref().map(RecordWebhookConfig::backend),
        };
        let state_dir = state_dir.filter(|_| backends.need_state());
        GateOptions {
            policy: self.policy.clone(),
            gateway: self.gateway.clone(),
            backends,
            state_dir: state_dir.map(|folder| folder.join("record")),
            journal: None,
        }
    }
}

impl RecordLogConfig {
    fn backend(&self) -> LogBackend {
        let options = LogOptions {
            path: self.path.clone(),
            format: match self.format {
                LineFormat::Json => LogFormat::Json,
                LineFormat::Legacy => LogFormat::Legacy,
            },
            max_size: self.max_size_mib,
            max_backups: self.max_backups,
            max_age: self.max_age_days,
            compress: self.compress,
        };
        let around = in_mode(BackendOptions::log(), self.mode);
        LogBackend { options, around }
    }
}

impl RecordWebhookConfig {
    fn backend(&self) -> WebhookBackend {
        WebhookBackend {
            kubeconfig: self.kubeconfig.clone(),
            initial_backoff: Duration::from_secs(self.initial_backoff_seconds),
            around: in_mode(BackendOptions::webhook(), self.mode),
        }
    }
}

fn in_mode(defaults: BackendOptions, mode: Option<ModeConfig>) -> BackendOptions {
    defaults.in_mode(match mode {
        None => defaults.mode,
        Some(ModeConfig::Batch) => Mode::Batch,
        Some(ModeConfig::Blocking) => Mode::Blocking,
        Some(ModeConfig::BlockingStrict) => Mode::BlockingStrict,
        Some(ModeConfig::Durable) => Mode::Durable,
    })
}

/// A log of which nothing is said but where it is.
fn usual_log() -> LogOptions {
    LogOptions::new("")
}

fn default_max_size() -> u64 {
    usual_log().max_size
}

fn default_max_backups() -> usize {
    usual_log().max_backups
}

fn default_max_age() -> u64 {
    usual_log().max_age
}

fn default_initial_backoff() -> u64 {
    INITIAL_BACKOFF.as_secs()
}
