//! Where requests come in, who is recognised, where requests go. Names, meanings and defaults of kube-apiserver where it has the flag.

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};

use super::go;

/// The API server behind the gateway.
#[derive(Args, Debug)]
#[command(next_help_heading = "Where requests go")]
pub(crate) struct UpstreamArgs {
    /// A kubeconfig that says where the API server is, and with which credentials the gateway itself speaks to it. Without this and
    /// --upstream, inside a pod: the cluster that it runs in.
    #[arg(long, value_name = "FILE", value_parser = go::path())]
    pub(crate) upstream_kubeconfig: Option<PathBuf>,
    /// The context of the kubeconfig; by default its current one.
    #[arg(long, value_name = "NAME")]
    pub(crate) upstream_context: Option<String>,
    /// The API server by its URL instead, without credentials.
    #[arg(long, value_name = "URL")]
    pub(crate) upstream: Option<String>,
    /// The authorities of its certificate, with --upstream; by default those of the public web.
    #[arg(long, value_name = "FILE", value_parser = go::path())]
    pub(crate) upstream_ca: Option<PathBuf>,
    /// How the API server learns who asks: the client's own token is passed through, or the gateway impersonates who it recognised.
    #[arg(long, value_enum, value_name = "HOW", default_value_t = IdentityChoice::Passthrough)]
    pub(crate) identity: IdentityChoice,
}

/// How the API server learns who asks.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub(crate) enum IdentityChoice {
    /// The client's bearer token goes on, and the API server judges it once more.
    Passthrough,
    /// The gateway's own credentials, with Impersonate-* headers.
    Impersonate,
}

/// The gateway's own server.
#[derive(Args, Debug)]
#[command(next_help_heading = "Where requests come in")]
pub(crate) struct ServingArgs {
    /// The address to listen on. By default 0.0.0.0 with a certificate, 127.0.0.1 without.
    #[arg(long, value_name = "IP", value_parser = go::address)]
    pub(crate) bind_address: Option<IpAddr>,
    /// The port to listen on; 0 for any.
    #[arg(long, value_name = "PORT", default_value = "6443", value_parser = go::integer)]
    pub(crate) secure_port: i64,
    /// The certificate, followed by those of its issuers. Without it, plain HTTP. Read again when it changes.
    #[arg(long, value_name = "FILE", value_parser = go::path())]
    pub(crate) tls_cert_file: Option<PathBuf>,
    /// The certificate's key.
    #[arg(long, value_name = "FILE", value_parser = go::path())]
    pub(crate) tls_private_key_file: Option<PathBuf>,
    /// How long a request may take that is no watch, log, exec or the like.
    #[arg(long, value_name = "DURATION", default_value = "1m0s", value_parser = go::duration)]
    pub(crate) request_timeout: Duration,
    /// Requests at once that change nothing; 0 for no limit. Together with the next one it limits all short requests; without both,
    /// 1000 may be under way.
    #[arg(long, value_name = "REQUESTS", value_parser = go::integer)]
    pub(crate) max_requests_inflight: Option<i64>,
    /// Requests at once that change something; 0 for no limit.
    #[arg(long, value_name = "REQUESTS", value_parser = go::integer)]
    pub(crate) max_mutating_requests_inflight: Option<i64>,
}

/// Who is recognised.
#[derive(Args, Debug)]
#[command(next_help_heading = "Who asks")]
pub(crate) struct IdentityArgs {
    /// Let in who shows no credentials, as system:anonymous.
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_value = "true", default_missing_value = "true", value_parser = go::boolean)]
    pub(crate) anonymous_auth: bool,
    /// Ask the API server whose a token is (TokenReview), with the gateway's credentials. A good answer is kept for two minutes.
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_value = "false", default_missing_value = "true", value_parser = go::boolean)]
    pub(crate) token_review: bool,
    /// A kubeconfig of the API server that --token-review asks instead, and that is asked for the keys of service accounts' tokens. An
    /// extension API server cannot be asked: give it the same file as there.
    #[arg(long, value_name = "FILE", value_parser = go::path())]
    pub(crate) authentication_kubeconfig: Option<PathBuf>,
    /// A kubeconfig of the API server that is asked instead who may impersonate whom, with --identity impersonate.
    #[arg(long, value_name = "FILE", value_parser = go::path())]
    pub(crate) authorization_kubeconfig: Option<PathBuf>,
    /// Authorities of client certificates: the common name is the user, organisations are groups.
    #[arg(long, value_name = "FILE", value_parser = go::path())]
    pub(crate) client_ca_file: Option<PathBuf>,
    /// Public keys, or certificates with such, that tokens of service accounts are verified with; may be given again. By default the
    /// API server's own.
    #[arg(long, value_name = "FILE", value_parser = go::path())]
    pub(crate) service_account_key_file: Vec<PathBuf>,
    /// The issuer of service accounts' tokens; may be given again.
    #[arg(long, value_name = "URL")]
    pub(crate) service_account_issuer: Vec<String>,
    /// Audiences of which a service account's token must name one; by default the issuers. With --token-review the API server is asked for
    /// these, by default for its own.
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    pub(crate) api_audiences: Vec<String>,
    #[command(flatten)]
    pub(crate) front_proxy: FrontProxyArgs,
    #[command(flatten)]
    pub(crate) oidc: OidcArgs,
}

/// A proxy in front that says who asks.
#[derive(Args, Debug)]
#[command(next_help_heading = "Who asks, by a front proxy")]
pub(crate) struct FrontProxyArgs {
    /// Authorities of the certificates of proxies in front, whose headers are believed.
    #[arg(long, value_name = "FILE", value_parser = go::path())]
    pub(crate) requestheader_client_ca_file: Option<PathBuf>,
    /// Common names that such a certificate may have; all without it.
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    pub(crate) requestheader_allowed_names: Vec<String>,
    /// Headers with the user's name. If no header is named at all: X-Remote-User, -Uid, -Group and -Extra-.
    #[arg(long, value_name = "HEADER", value_delimiter = ',')]
    pub(crate) requestheader_username_headers: Vec<String>,
    /// Headers with the user's id.
    #[arg(long, value_name = "HEADER", value_delimiter = ',')]
    pub(crate) requestheader_uid_headers: Vec<String>,
    /// Headers with groups.
    #[arg(long, value_name = "HEADER", value_delimiter = ',')]
    pub(crate) requestheader_group_headers: Vec<String>,
    /// Beginnings of headers with what else is known of a user.
    #[arg(long, value_name = "PREFIX", value_delimiter = ',')]
    pub(crate) requestheader_extra_headers_prefix: Vec<String>,
}

/// OpenID Connect.
#[derive(Args, Debug)]
#[command(next_help_heading = "Who asks, by OpenID Connect")]
pub(crate) struct OidcArgs {
    /// The issuer of tokens; its keys are found by discovery.
    #[arg(long, value_name = "URL")]
    pub(crate) oidc_issuer_url: Option<String>,
    /// The audience that tokens must have.
    #[arg(long, value_name = "ID")]
    pub(crate) oidc_client_id: Option<String>,
    /// The authorities of the issuer's certificate; by default those of the public web.
    #[arg(long, value_name = "FILE", value_parser = go::path())]
    pub(crate) oidc_ca_file: Option<PathBuf>,
    /// The claim that is the user's name.
    #[arg(long, value_name = "CLAIM", default_value = "sub")]
    pub(crate) oidc_username_claim: String,
    /// What is put before names; `-` for nothing. By default the issuer and `#`, unless the claim is email.
    #[arg(long, value_name = "PREFIX")]
    pub(crate) oidc_username_prefix: Option<String>,
    /// The claim that is the user's groups.
    #[arg(long, value_name = "CLAIM")]
    pub(crate) oidc_groups_claim: Option<String>,
    /// What is put before groups.
    #[arg(long, value_name = "PREFIX")]
    pub(crate) oidc_groups_prefix: Option<String>,
    /// A claim that tokens must have with this value; may be given again.
    #[arg(long, value_name = "CLAIM=VALUE", value_delimiter = ',')]
    pub(crate) oidc_required_claim: Vec<String>,
    /// Algorithms that tokens may be signed with.
    #[arg(
        long,
        value_name = "ALGORITHM",
        value_delimiter = ',',
        default_value = "RS256"
    )]
    pub(crate) oidc_signing_algs: Vec<String>,
}
