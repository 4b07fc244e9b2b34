//! The arguments of `kubevigil record`: kube-apiserver's flags as far as a gateway has a use for them, and its own.
//!
//! A whole command line of a kube-apiserver can be pasted. [`paste::unpack`] reads it as that program does and leaves to clap what
//! it can read; the help, the completions and the types of values stay clap's business.

mod audit;
mod gateway;
mod go;
mod ignored;
mod paste;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use crate::config::LogFormat;

pub(crate) use self::audit::{LogArgs, PolicyArgs, WebhookArgs};
pub(crate) use self::gateway::{
    FrontProxyArgs, IdentityArgs, IdentityChoice, OidcArgs, ServingArgs, UpstreamArgs,
};
pub(crate) use self::ignored::RECOGNISING;
pub(crate) use self::paste::{Pasted, unpack};

/// Record what passes through to an API server, as that server would.
///
/// An auditing gateway: clients speak to it, it speaks to the API server, and of each request it makes the audit events that the API server
/// itself would make under the same policy. For managed clusters, where nobody can set a policy, for extension API servers and virtual
/// clusters. Flags are kube-apiserver's: its command line can be pasted, and what means nothing here is ignored.
#[derive(Args, Debug)]
#[command(
    args_override_self = true,
    override_usage = "kubevigil record [OPTIONS] [[--] kube-apiserver FLAGS]",
    after_help = "Examples:
  kubevigil record --upstream-kubeconfig ~/.kube/config --token-review \\
      --audit-policy-file policy.yaml --audit-log-path audit.log
  kubevigil record --identity impersonate --client-ca-file ca.crt \\
      --tls-cert-file tls.crt --tls-private-key-file tls.key \\
      --audit-policy-file policy.yaml \\
      --audit-webhook-config-file webhook.yaml --audit-webhook-mode durable
  kubevigil record --upstream https://10.0.0.1:6443 --upstream-ca ca.crt -- \\
      kube-apiserver --audit-policy-file=policy.yaml --audit-log-path=- …

SIGTERM drains and stops; SIGHUP reads policy and certificates again. docs/record.md says how to set it up so that nobody gets around it."
)]
pub(crate) struct RecordArgs {
    #[command(flatten)]
    pub(crate) upstream: UpstreamArgs,
    #[command(flatten)]
    pub(crate) serving: ServingArgs,
    #[command(flatten)]
    pub(crate) identity: IdentityArgs,
    #[command(flatten)]
    pub(crate) policy: PolicyArgs,
    #[command(flatten)]
    pub(crate) log: LogArgs,
    #[command(flatten)]
    pub(crate) webhook: WebhookArgs,
    #[command(flatten)]
    pub(crate) operation: OperationArgs,
    /// What was pasted and is not for clap.
    #[arg(skip)]
    pub(crate) pasted: Pasted,
}

/// The process itself.
#[derive(Args, Debug)]
#[command(next_help_heading = "The gateway itself")]
pub(crate) struct OperationArgs {
    /// Where mode durable keeps events until the backend has them. By default as for `kubevigil run`, and there in `record`.
    #[arg(long, value_name = "DIR", value_parser = go::path())]
    pub(crate) state_dir: Option<PathBuf>,
    /// Address and port for /healthz, /readyz and /metrics; `off` for none.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8767", value_parser = metrics_address)]
    pub(crate) metrics_listen: MetricsAddress,
    /// How long requests may go on after SIGTERM; watches and the like are cut then.
    #[arg(long, value_name = "DURATION", default_value = "15s", value_parser = go::duration)]
    pub(crate) drain_timeout: Duration,
    /// Connections at once; further ones wait.
    #[arg(long, value_name = "NUMBER", default_value = "4096", value_parser = go::count)]
    pub(crate) max_connections: usize,
    /// The longest body that is recorded. Longer ones pass through and are left out of the event.
    #[arg(long, value_name = "SIZE", default_value = "16MiB", value_parser = go::bytes)]
    pub(crate) recorded_body_max_bytes: usize,
    /// The most that all bodies held for recording may take at once. What does not fit is left out of its event.
    #[arg(long, value_name = "SIZE", default_value = "256MiB", value_parser = go::bytes)]
    pub(crate) recorded_bodies_max_bytes: usize,
    /// What kubevigil says about itself, on standard error: text or json.
    #[arg(long, value_name = "FORMAT", default_value = "text", value_parser = log_format)]
    pub(crate) logging_format: LogFormat,
    /// Check flags, files and folders, say what would run, and stop. Nothing is made or changed.
    #[arg(long)]
    pub(crate) check: bool,
}

/// Where metrics are served, if they are.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct MetricsAddress(pub(crate) Option<SocketAddr>);

fn metrics_address(text: &str) -> Result<MetricsAddress, String> {
    if text == "off" {
        return Ok(MetricsAddress(None));
    }
    text.parse()
        .map(|address| MetricsAddress(Some(address)))
        .map_err(|_| "expected an address and a port, such as 127.0.0.1:8767, or `off`".to_owned())
}

fn log_format(text: &str) -> Result<LogFormat, String> {
    match text {
        "json" => Ok(LogFormat::Json),
        "text" => Ok(LogFormat::Text),
        _ => Err("expected text or json".to_owned()),
    }
}

#[cfg(test)]
impl RecordArgs {
    /// The arguments of a line, as they would be behind `kubevigil record`.
    pub(crate) fn of_line(line: &str) -> Self {
        use clap::FromArgMatches as _;

        let words = ["kubevigil", "record"].into_iter();
        let words = words.chain(line.split_whitespace());
        let (words, pasted) = unpack(words.map(Into::into).collect());
        assert_eq!(pasted, Pasted::default(), "{line}");
        let command = Self::augment_args(clap::Command::new("record"));
        let matches = command.get_matches_from(words.into_iter().skip(1));
        Self::from_arg_matches(&matches).unwrap()
    }
}
