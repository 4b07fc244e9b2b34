//! What is recorded and where it goes: `--audit-*`, with the names, meanings and defaults of kube-apiserver 1.36.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use super::go;

/// What is recorded, and the log.
#[derive(Args, Debug)]
#[command(next_help_heading = "What is recorded")]
pub(crate) struct PolicyArgs {
    /// The audit policy. Read again when its content changes and at SIGHUP; `kubevigil policy recommend` proposes one.
    #[arg(long, value_name = "FILE", value_parser = go::path())]
    pub(crate) audit_policy_file: Option<PathBuf>,
}

/// The log backend.
#[derive(Args, Debug)]
#[command(next_help_heading = "Events into a log file")]
pub(crate) struct LogArgs {
    /// The file; `-` for standard output. Pipes need their reader first. Without the flag there is no log.
    #[arg(long, value_name = "FILE", value_parser = go::path())]
    pub(crate) audit_log_path: Option<PathBuf>,
    /// Days after which rotated files are deleted; 0 for never.
    #[arg(long, value_name = "DAYS", default_value = "366", value_parser = go::integer)]
    pub(crate) audit_log_maxage: i64,
    /// Rotated files that are kept; 0 for all.
    #[arg(long, value_name = "FILES", default_value = "100", value_parser = go::integer)]
    pub(crate) audit_log_maxbackup: i64,
    /// MiB at which the file is rotated; 0 for never.
    #[arg(long, value_name = "MIB", default_value = "100", value_parser = go::integer)]
    pub(crate) audit_log_maxsize: i64,
    /// How lines look: json or legacy.
    #[arg(long, value_name = "FORMAT", default_value = "json")]
    pub(crate) audit_log_format: String,
    /// Compress rotated files with gzip.
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_value = "false", default_missing_value = "true", value_parser = go::boolean)]
    pub(crate) audit_log_compress: bool,
    /// The version of events; only audit.k8s.io/v1 is written.
    #[arg(long, value_name = "VERSION", default_value = "audit.k8s.io/v1")]
    pub(crate) audit_log_version: String,
    /// Whether requests wait for the log: batch, blocking, blocking-strict, or kubevigil's durable, which loses nothing.
    #[arg(long, value_name = "MODE", default_value = "blocking")]
    pub(crate) audit_log_mode: String,
    /// Events that the queue of mode batch holds; further ones are dropped.
    #[arg(long, value_name = "EVENTS", default_value = "10000", value_parser = go::integer)]
    pub(crate) audit_log_batch_buffer_size: i64,
    /// Events of a batch.
    #[arg(long, value_name = "EVENTS", default_value = "1", value_parser = go::integer)]
    pub(crate) audit_log_batch_max_size: i64,
    /// How long a batch waits for more events, if it may have more than one [default: 0s].
    #[arg(long, value_name = "DURATION", value_parser = go::duration)]
    pub(crate) audit_log_batch_max_wait: Option<Duration>,
    /// Limit the batches a second.
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_value = "false", default_missing_value = "true", value_parser = go::boolean)]
    pub(crate) audit_log_batch_throttle_enable: bool,
    /// Batches a second.
    #[arg(long, value_name = "RATE", default_value = "0", value_parser = go::number)]
    pub(crate) audit_log_batch_throttle_qps: f64,
    /// Batches that may go at once after a pause.
    #[arg(long, value_name = "BATCHES", default_value = "0", value_parser = go::integer)]
    pub(crate) audit_log_batch_throttle_burst: i64,
    /// Take the bodies out of events that are too large, and drop what is too large even so.
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_value = "false", default_missing_value = "true", value_parser = go::boolean)]
    pub(crate) audit_log_truncate_enabled: bool,
    /// Bytes of the largest event.
    #[arg(long, value_name = "BYTES", default_value = "102400", value_parser = go::integer)]
    pub(crate) audit_log_truncate_max_event_size: i64,
    /// Bytes that are handed on at once.
    #[arg(long, value_name = "BYTES", default_value = "10485760", value_parser = go::integer)]
    pub(crate) audit_log_truncate_max_batch_size: i64,
}

/// The webhook backend.
#[derive(Args, Debug)]
#[command(next_help_heading = "Events to a webhook")]
pub(crate) struct WebhookArgs {
    /// A kubeconfig that says where the webhook is and how to reach it. Without it there is no webhook.
    #[arg(long, value_name = "FILE", value_parser = go::path())]
    pub(crate) audit_webhook_config_file: Option<PathBuf>,
    /// The wait before a failed batch is sent again; each further wait is half as long again.
    #[arg(long, value_name = "DURATION", default_value = "10s", value_parser = go::duration)]
    pub(crate) audit_webhook_initial_backoff: Duration,
    /// The old name of the former.
    #[arg(long, value_name = "DURATION", hide = true, value_parser = go::duration)]
    pub(crate) audit_webhook_batch_initial_backoff: Option<Duration>,
    /// The version of events; only audit.k8s.io/v1 is written.
    #[arg(long, value_name = "VERSION", default_value = "audit.k8s.io/v1")]
    pub(crate) audit_webhook_version: String,
    /// Whether requests wait for the webhook: batch, blocking, blocking-strict, or kubevigil's durable, which loses nothing.
    #[arg(long, value_name = "MODE", default_value = "batch")]
    pub(crate) audit_webhook_mode: String,
    /// Events that the queue of mode batch holds; further ones are dropped.
    #[arg(long, value_name = "EVENTS", default_value = "10000", value_parser = go::integer)]
    pub(crate) audit_webhook_batch_buffer_size: i64,
    /// Events of a batch.
    #[arg(long, value_name = "EVENTS", default_value = "400", value_parser = go::integer)]
    pub(crate) audit_webhook_batch_max_size: i64,
    /// How long a batch waits for more events, if it may have more than one [default: 30s, in mode durable 5s].
    #[arg(long, value_name = "DURATION", value_parser = go::duration)]
    pub(crate) audit_webhook_batch_max_wait: Option<Duration>,
    /// Limit the batches a second.
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_value = "true", default_missing_value = "true", value_parser = go::boolean)]
    pub(crate) audit_webhook_batch_throttle_enable: bool,
    /// Batches a second.
    #[arg(long, value_name = "RATE", default_value = "10", value_parser = go::number)]
    pub(crate) audit_webhook_batch_throttle_qps: f64,
    /// Batches that may go at once after a pause.
    #[arg(long, value_name = "BATCHES", default_value = "15", value_parser = go::integer)]
    pub(crate) audit_webhook_batch_throttle_burst: i64,
    /// Take the bodies out of events that are too large, and drop what is too large even so.
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_value = "false", default_missing_value = "true", value_parser = go::boolean)]
    pub(crate) audit_webhook_truncate_enabled: bool,
    /// Bytes of the largest event.
    #[arg(long, value_name = "BYTES", default_value = "102400", value_parser = go::integer)]
    pub(crate) audit_webhook_truncate_max_event_size: i64,
    /// Bytes that are handed on at once.
    #[arg(long, value_name = "BYTES", default_value = "10485760", value_parser = go::integer)]
    pub(crate) audit_webhook_truncate_max_batch_size: i64,
}
