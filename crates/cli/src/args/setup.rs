//! The arguments of `kubevigil setup`.

use std::net::IpAddr;
use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use kubevigil_plan::KubernetesVersion;
use kubevigil_setup::{Address, Authentication};

use super::{Format, RuleArgs};

/// Make an API server send its audit events, and check that it does.
///
/// `setup DISTRIBUTION` writes everything into one folder and prints the steps; it changes nothing else, neither on this machine nor in
/// the cluster. `setup check` says what is wrong with an existing one, `setup verify` tries the way from end to end. On managed clusters (eks, gke, aks) it writes what can be had there and what cannot.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  kubevigil setup kubeadm --output audit-setup
  kubevigil setup kind --dry-run
  kubevigil setup check --manifest /etc/kubernetes/manifests/kube-apiserver.yaml --policy policy.yaml
  kubevigil setup verify https://192.0.2.10:8765 --ca client/ca.crt --cert client/client.crt --key client/client.key")]
pub(crate) struct SetupArgs {
    #[command(subcommand)]
    pub(crate) command: SetupCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum SetupCommand {
    /// A cluster made by kubeadm.
    Kubeadm(ClusterArgs),
    /// A cluster of kind, which is made anew.
    Kind(ClusterArgs),
    /// A cluster of k3s.
    K3s(ClusterArgs),
    /// A cluster of minikube.
    Minikube(ClusterArgs),
    /// A cluster of RKE2.
    Rke2(ClusterArgs),
    /// Amazon's clusters: what can be had there.
    Eks(ManagedArgs),
    /// Google's clusters: what can be had there.
    Gke(ManagedArgs),
    /// Microsoft's clusters: what can be had there.
    Aks(ManagedArgs),
    Check(SetupCheckArgs),
    Verify(VerifyArgs),
}

/// Where files go.
#[derive(Args, Clone, Debug)]
pub(crate) struct OutputArgs {
    /// The folder to write to; it is created, and must be empty.
    #[arg(long, value_name = "DIR", default_value = "kubevigil-setup")]
    pub(crate) output: PathBuf,
    /// Write into a folder that is not empty. Keys, certificates and tokens that are in it are kept and used again.
    #[arg(long)]
    pub(crate) force: bool,
    /// Print the files instead of writing them.
    #[arg(long)]
    pub(crate) dry_run: bool,
}

/// How a cluster is to be set up.
#[derive(Args, Debug)]
#[command(
    after_help = "Exit codes: 0 done; 1 done, but a rule cannot be fed, which is said on standard error; 2 could not do it."
)]
pub(crate) struct ClusterArgs {
    #[command(flatten)]
    pub(crate) output: OutputArgs,
    /// Where the API server reaches kubevigil: HOST:PORT, or NAME.NAMESPACE.svc:PORT for a Service. By default kubevigil runs on the API server's own
    /// machine (127.0.0.1:8765), or on the machine of kind's or minikube's nodes.
    #[arg(long, value_name = "HOST:PORT")]
    pub(crate) address: Option<Address>,
    /// The address that the Service is to have, a free one of the cluster's service range.
    #[arg(long, value_name = "IP")]
    pub(crate) cluster_ip: Option<IpAddr>,
    /// The version of the API server.
    #[arg(long, value_name = "VERSION", default_value_t = KubernetesVersion::DEFAULT)]
    pub(crate) kubernetes_version: KubernetesVersion,
    /// How the API server shows who it is.
    #[arg(long, value_enum, default_value_t = AuthChoice::Certificate)]
    pub(crate) auth: AuthChoice,
    /// The audit policy. By default the smallest one that feeds the rules, as `kubevigil policy recommend` proposes it.
    #[arg(long, value_name = "FILE")]
    pub(crate) policy: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) rules: RuleArgs,
}

/// Where files go.
#[derive(Args, Debug)]
pub(crate) struct ManagedArgs {
    #[command(flatten)]
    pub(crate) output: OutputArgs,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub(crate) enum AuthChoice {
    /// A client certificate.
    Certificate,
    /// A bearer token.
    Token,
}

impl From<AuthChoice> for Authentication {
    fn from(choice: AuthChoice) -> Self {
        match choice {
            AuthChoice::Certificate => Self::Certificate,
            AuthChoice::Token => Self::Token,
        }
    }
}

/// Report what is wrong with how an API server is told to audit.
///
/// Flags, mounts, the webhook's kubeconfig and the policy are looked at together; give as many of them as you have. What would keep the API server from starting
/// is an error, and what loses events, holds requests up or shows secrets is a finding. Mistakes inside the policy are the business of
/// `kubevigil policy check`; here only those count that stop the server.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  kubevigil setup check --manifest /etc/kubernetes/manifests/kube-apiserver.yaml --policy /etc/kubernetes/audit/policy.yaml
  kubevigil setup check --flags \"$(tr '\\0' ' ' < /proc/$(pgrep kube-apiserver)/cmdline)\" --kubernetes-version 1.33

Exit codes: 0 nothing is wrong, or only warnings; 1 there are errors; 2 a file cannot be read.")]
pub(crate) struct SetupCheckArgs {
    /// What starts the API server: the manifest of its static pod, a ClusterConfiguration of kubeadm, a Cluster of kind, or the config.yaml of k3s
    /// or RKE2.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["flags", "flags_file"], required_unless_present_any = ["flags", "flags_file", "webhook_config"])]
    pub(crate) manifest: Option<PathBuf>,
    /// The API server's flags, as on a command line.
    #[arg(
        long,
        value_name = "FLAGS",
        allow_hyphen_values = true,
        conflicts_with = "flags_file"
    )]
    pub(crate) flags: Option<String>,
    /// A file of flags.
    #[arg(long, value_name = "FILE")]
    pub(crate) flags_file: Option<PathBuf>,
    /// The webhook's kubeconfig.
    #[arg(long, value_name = "FILE")]
    pub(crate) webhook_config: Option<PathBuf>,
    /// The audit policy.
    #[arg(long, value_name = "FILE")]
    pub(crate) policy: Option<PathBuf>,
    /// The version of the API server.
    #[arg(long, value_name = "VERSION", default_value_t = KubernetesVersion::DEFAULT)]
    pub(crate) kubernetes_version: KubernetesVersion,
    /// What to print; JSON is one object a file.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub(crate) format: Format,
}

/// Send an event to a running kubevigil and say step by step what became of it.
///
/// The event is a canary: it is sent as an API server sends events, and says of itself what it is (user and user agent kubevigil-verify).
/// It stays in the journal as every event does, and no default rule fires on it.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  kubevigil setup verify http://127.0.0.1:8765
  kubevigil setup verify https://192.0.2.10:8765 --ca ca.crt --cert client.crt --key client.key
  kubevigil setup verify https://192.0.2.10:8765 --ca ca.crt --token-file token

Exit codes: 0 the event was accepted; 1 it was not, and what to do is said; 2 a file cannot be read.")]
pub(crate) struct VerifyArgs {
    /// The webhook: http://HOST:PORT or https://HOST:PORT, with a path unless it is /k8s_audit.
    #[arg(value_name = "URL")]
    pub(crate) url: String,
    /// The authority of kubevigil's certificate.
    #[arg(long, value_name = "FILE")]
    pub(crate) ca: Option<PathBuf>,
    /// The client certificate.
    #[arg(long, value_name = "FILE", requires = "key")]
    pub(crate) cert: Option<PathBuf>,
    /// The client certificate's key.
    #[arg(long, value_name = "FILE", requires = "cert")]
    pub(crate) key: Option<PathBuf>,
    /// A file whose first line is the bearer token.
    #[arg(long, value_name = "FILE")]
    pub(crate) token_file: Option<PathBuf>,
}
