//! The arguments of `kubevigil policy`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use kubevigil_plan::KubernetesVersion;

/// Check, evaluate and explain audit policies.
///
/// An audit policy decides which requests leave events, so it decides what can ever be found. These commands answer as kube-apiserver
/// does, without one.
#[derive(Args, Debug)]
pub(crate) struct PolicyArgs {
    #[command(subcommand)]
    pub(crate) command: PolicyCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum PolicyCommand {
    Check(PolicyCheckArgs),
    Coverage(PolicyCoverageArgs),
    Eval(PolicyEvalArgs),
    Explain(PolicyExplainArgs),
    Recommend(PolicyRecommendArgs),
    Simulate(PolicySimulateArgs),
    RequestInfo(RequestInfoArgs),
}

/// Report what is wrong with audit policies.
///
/// What would stop kube-apiserver is an error in its own words. What it would accept and the author would regret is a finding: secrets
/// in the log, rules that nothing reaches, patterns that match nothing. Policies are also found inside ConfigMaps and the
/// manifests of kops, Cluster API and others.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  kubevigil policy check audit-policy.yaml
  kubevigil policy check --kubernetes-version 1.33 *.yaml
  kubevigil policy check --format sarif audit-policy.yaml > policy.sarif

Exit codes: 0 nothing is wrong, or only warnings; 1 a policy is invalid or has errors; 2 a file cannot be read.")]
pub(crate) struct PolicyCheckArgs {
    /// Policy files, or files that hold policies; `-` for standard input.
    #[arg(required = true, value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,
    /// The version of the API server that the policy is for.
    #[arg(long, value_name = "VERSION", default_value_t = KubernetesVersion::DEFAULT)]
    pub(crate) kubernetes_version: KubernetesVersion,
    /// What to print.
    #[arg(long, value_enum, default_value_t = CheckFormat::Text)]
    pub(crate) format: CheckFormat,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub(crate) enum CheckFormat {
    /// For people.
    Text,
    /// One object a policy.
    Json,
    /// One SARIF log, for code review.
    Sarif,
}

/// Say which rules can fire under a policy.
///
/// For every rule that takes part: whether it can fire on everything that it is for, on a part of it or never, and which rule of the
/// policy is to blame. This follows from the rule's condition, not from samples.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  kubevigil policy coverage --policy audit-policy.yaml
  kubevigil policy coverage --policy audit-policy.yaml --no-default-rules --rules k8s_audit_rules.yaml

Exit codes: 0 every rule can fire; 1 a rule can never fire, or only in part; 2 the policy or the rules cannot be read.")]
pub(crate) struct PolicyCoverageArgs {
    /// The policy.
    #[arg(long, value_name = "FILE")]
    pub(crate) policy: PathBuf,
    #[command(flatten)]
    pub(crate) rules: super::RuleArgs,
    /// Show rules that can fire on everything as well.
    #[arg(long)]
    pub(crate) all: bool,
    /// What to print; JSON is one object a rule.
    #[arg(long, value_enum, default_value_t = super::Format::Text)]
    pub(crate) format: super::Format,
}

/// Say what a policy does with requests.
///
/// Reads one request a line: `{"method":"GET","url":"/api/v1/secrets","user":"jane","groups":["dev"]}`, or its attributes `user`,
/// `groups`, `verb`, `path`, `namespace`, `apiGroup`, `resource`, `subresource`, `name`, `isResourceRequest`. Without `user`, or with null, nobody was
/// recognised. Prints `level`, `omitStages`, `omitManagedFields` and `matchedRule` (counted from 0, null for none) for each.
#[derive(Args, Debug)]
#[command(after_help = "Example:
  kubevigil policy eval --policy audit-policy.yaml requests.jsonl

Exit codes: 0 done; 1 a line could not be read, which its own line says; 2 the policy cannot be read or is invalid.")]
pub(crate) struct PolicyEvalArgs {
    /// The policy.
    #[arg(long, value_name = "FILE")]
    pub(crate) policy: PathBuf,
    /// Files of requests; standard input without any, or for `-`.
    #[arg(value_name = "REQUESTS")]
    pub(crate) requests: Vec<PathBuf>,
}

/// Say which rule of a policy decides a request, and why the earlier ones do not.
///
/// The request is a kubectl command line or a method and a URL. `--as NAME` says who sends it; groups that the server gives to such a
/// user are added, `--as-group` replaces them.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  kubevigil policy explain --policy p.yaml kubectl get secrets -n kube-system --as system:serviceaccount:dev:ci
  kubevigil policy explain --policy p.yaml kubectl exec web -n dev
  kubevigil policy explain --policy p.yaml GET '/api/v1/pods?watch=1' --as system:node:worker-1")]
pub(crate) struct PolicyExplainArgs {
    /// The policy.
    #[arg(long, value_name = "FILE")]
    pub(crate) policy: PathBuf,
    /// What to print; JSON is one object a request.
    #[arg(long, value_enum, default_value_t = super::Format::Text)]
    pub(crate) format: super::Format,
    /// The request.
    #[arg(
        required = true,
        trailing_var_arg = true,
        allow_hyphen_values = true,
        value_name = "REQUEST"
    )]
    pub(crate) request: Vec<String>,
}

/// Propose the smallest policy that feeds the rules.
///
/// Everything is recorded at Metadata; bodies only where a rule that takes part reads them; secrets and tokens never above Metadata. What
/// a log shows to be noise, and no rule could fire on, is dropped and listed with its share.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  kubevigil policy recommend > audit-policy.yaml
  kubevigil policy recommend --log /var/log/kubernetes/audit.log --profile quiet
  kubevigil policy recommend --merge audit-policy.yaml > better.yaml

Exit codes: 0 done; 1 a rule cannot be fed, which is said on standard error; 2 something cannot be read.")]
pub(crate) struct PolicyRecommendArgs {
    /// A policy to extend: its own rules stay as they are, and what is missing is put between them.
    #[arg(long, value_name = "FILE", conflicts_with = "log")]
    pub(crate) merge: Option<PathBuf>,
    /// Logs that show what is noise; may be given again.
    #[arg(long, value_name = "FILE")]
    pub(crate) log: Vec<String>,
    /// The share of all events from which a kind of request is noise, in percent.
    #[arg(long, value_name = "PERCENT", default_value_t = 2.0)]
    pub(crate) noise: f64,
    #[command(flatten)]
    pub(crate) rules: super::RuleArgs,
}

/// Replay recorded events through a policy.
///
/// Says what would be kept and dropped, by rule of the policy, kind of user and resource, what it would cost, and which alerts would
/// disappear. Bodies that were never recorded have no size: their cost is estimated from others of the same verb and resource, or said
/// to be unknown.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  kubevigil policy simulate --policy new.yaml /var/log/kubernetes/audit*.log
  kubevigil policy simulate --policy new.yaml --against old.yaml audit.log")]
pub(crate) struct PolicySimulateArgs {
    /// The policy.
    #[arg(long, value_name = "FILE")]
    pub(crate) policy: PathBuf,
    /// The policy that it would replace; without it, the log as it is.
    #[arg(long, value_name = "FILE")]
    pub(crate) against: Option<PathBuf>,
    /// Logs, as `scan` takes them; standard input without any.
    #[arg(value_name = "LOG")]
    pub(crate) logs: Vec<String>,
    #[command(flatten)]
    pub(crate) rules: super::RuleArgs,
    /// What to print; JSON is one object.
    #[arg(long, value_enum, default_value_t = super::Format::Text)]
    pub(crate) format: super::Format,
}

/// Say how the API server understands methods and URLs.
///
/// Reads one `{"method":"GET","url":"/api/v1/pods?limit=5"}` a line and prints verb, group, version, namespace, resource, subresource and name, or
/// an error where the server would answer one.
#[derive(Args, Debug)]
pub(crate) struct RequestInfoArgs {
    /// Files of requests; standard input without any, or for `-`.
    #[arg(value_name = "REQUESTS")]
    pub(crate) requests: Vec<PathBuf>,
}
