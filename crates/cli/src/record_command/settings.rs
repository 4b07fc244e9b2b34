//! What the flags come to, and what is wrong with them.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use kubevigil_gateway::{GatewayConfig, GatewayTls, UpstreamConfig};
use kubevigil_kubeconfig::InCluster;
use url::Url;

use super::audit_flags::{self, given};
use super::identity_flags;
use super::warnings;
use super::words::of_contradiction;
use crate::args::record::{IdentityChoice, RecordArgs, ServingArgs};
use crate::gate::GateOptions;
use crate::mistakes::Mistakes;
use crate::run::state_dir;

/// What runs, and what its user should hear first.
pub(super) struct Settings {
    pub(super) gate: GateOptions,
    /// Where metrics are served.
    pub(super) metrics: Option<SocketAddr>,
    pub(super) warnings: Vec<String>,
}

impl Settings {
    /// Puts the flags together; an error holds every mistake.
    pub(super) fn of(arguments: &RecordArgs) -> anyhow::Result<Self> {
        let mut mistakes = Mistakes::default();
        let backends = audit_flags::backends(arguments, &mut mistakes);
        let gateway = gateway(arguments, &mut mistakes);
        // Most of what it says follows from what is said already.
        if mistakes.is_empty()
            && let Err(error) = gateway.check()
        {
            mistakes.also(of_contradiction(&error));
        }
        mistakes.into_result()?;
        let warnings = warnings::of(arguments, &gateway.identity);
        let state_dir = match &arguments.operation.state_dir {
            _ if !backends.need_state() => None,
            Some(folder) => Some(folder.clone()),
            None => Some(state_dir::choose(None)?.join("record")),
        };
        Ok(Self {
            gate: GateOptions {
                policy: arguments
                    .policy
                    .audit_policy_file
                    .clone()
                    .unwrap_or_default(),
                gateway,
                backends,
                state_dir,
                journal: None,
            },
            metrics: arguments.operation.metrics_listen.0,
            warnings,
        })
    }

    /// What clients speak to the gateway.
    pub(super) fn scheme(&self) -> &'static str {
        match self.gate.gateway.tls {
            Some(_) => "https",
            None => "http",
        }
    }
}

fn gateway(arguments: &RecordArgs, mistakes: &mut Mistakes) -> GatewayConfig {
    let tls = tls(&arguments.serving, mistakes);
    let unless_told = match tls {
        Some(_) => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        None => IpAddr::V4(Ipv4Addr::LOCALHOST),
    };
    let port = arguments.serving.secure_port;
    let problem = format!("is {port}, and must be between 0 (any) and 65535");
    let valid = u16::try_from(port);
    mistakes.unless(valid.is_ok(), "secure-port", problem);
    let address = arguments.serving.bind_address.unwrap_or(unless_told);
    let defaults = GatewayConfig::default();
    let operation = &arguments.operation;
    GatewayConfig {
        listen: SocketAddr::new(address, valid.unwrap_or_default()),
        tls,
        upstream: upstream(arguments, mistakes),
        identity: identity_flags::identity(
            &arguments.identity,
            arguments.upstream.identity,
            mistakes,
        ),
        request_timeout_seconds: seconds(
            "request-timeout",
            arguments.serving.request_timeout,
            mistakes,
        ),
        drain_timeout_seconds: seconds("drain-timeout", operation.drain_timeout, mistakes),
        max_requests: max_requests(&arguments.serving, defaults.max_requests, mistakes),
        max_connections: operation.max_connections,
        recorded_body_max_bytes: operation.recorded_body_max_bytes,
        recorded_bodies_max_bytes: operation.recorded_bodies_max_bytes,
        ..defaults
    }
}

/// Short requests at once: kube-apiserver counts those that change something apart, with 400 and 200 as defaults.
fn max_requests(arguments: &ServingArgs, default: usize, mistakes: &mut Mistakes) -> usize {
    let reading = arguments.max_requests_inflight;
    let changing = arguments.max_mutating_requests_inflight;
    if reading.is_none() && changing.is_none() {
        return default;
    }
    let flags = [
        ("max-requests-inflight", reading.unwrap_or(400)),
        ("max-mutating-requests-inflight", changing.unwrap_or(200)),
    ];
    for (flag, value) in flags {
        let problem = format!("is {value}, and must not be negative; 0 means no limit");
        mistakes.unless(value >= 0, flag, problem);
    }
    match flags.map(|(_, value)| usize::try_from(value).unwrap_or_default()) {
        [0, _] | [_, 0] => usize::MAX,
        [reading, changing] => reading.saturating_add(changing),
    }
}

fn tls(arguments: &ServingArgs, mistakes: &mut Mistakes) -> Option<GatewayTls> {
    let certificate = given(arguments.tls_cert_file.as_deref());
    let key = given(arguments.tls_private_key_file.as_deref());
    match (certificate, key) {
        (Some(certificate), Some(key)) => Some(GatewayTls {
            certificate: certificate.to_owned(),
            key: key.to_owned(),
        }),
        (None, None) => None,
        (Some(_), None) => {
            mistakes.about("tls-cert-file", "needs --tls-private-key-file, its key");
            None
        }
        (None, Some(_)) => {
            mistakes.about(
                "tls-private-key-file",
                "needs --tls-cert-file, its certificate",
            );
            None
        }
    }
}

fn upstream(arguments: &RecordArgs, mistakes: &mut Mistakes) -> UpstreamConfig {
    let flags = &arguments.upstream;
    let kubeconfig = given(flags.upstream_kubeconfig.as_deref());
    let url = flags.upstream.as_deref().filter(|url| !url.is_empty());
    let in_cluster = kubeconfig.is_none() && url.is_none();
    check_upstream(arguments, kubeconfig.is_some(), url.is_some(), mistakes);
    let server = url.and_then(|text| {
        let url = Url::parse(text).ok().filter(|url| url.has_host());
        let problem = format!("cannot be `{text}`; write https://HOST:PORT");
        mistakes.unless(url.is_some(), "upstream", problem);
        url
    });
    UpstreamConfig {
        kubeconfig: kubeconfig.map(Into::into),
        context: flags.upstream_context.clone(),
        server,
        ca: flags.upstream_ca.clone(),
        in_cluster,
    }
}

/// What cannot be meant, given whether there is a kubeconfig and a URL.
fn check_upstream(arguments: &RecordArgs, kubeconfig: bool, url: bool, mistakes: &mut Mistakes) {
    let flags = &arguments.upstream;
    let checks = [
        (
            kubeconfig || url || InCluster::from_environment().is_possible(),
            "upstream-kubeconfig",
            "or --upstream is needed: it says where the API server is (inside a pod, the pod's own cluster is meant without them)",
        ),
        (
            !(kubeconfig && url),
            "upstream",
            "and --upstream-kubeconfig say twice where the API server is; leave one out",
        ),
        (
            kubeconfig || flags.upstream_context.is_none(),
            "upstream-context",
            "needs --upstream-kubeconfig, in which the context is",
        ),
        (
            url || flags.upstream_ca.is_none(),
            "upstream-ca",
            "needs --upstream; a kubeconfig names its authorities itself",
        ),
        (
            !(url && flags.identity == IdentityChoice::Impersonate),
            "identity",
            "impersonate needs --upstream-kubeconfig: with --upstream the gateway has no credentials of its own",
        ),
        (
            !(url && arguments.identity.token_review)
                || given(arguments.identity.authentication_kubeconfig.as_deref()).is_some(),
            "token-review",
            "needs --upstream-kubeconfig, or --authentication-kubeconfig: with --upstream the gateway has no credentials to ask with",
        ),
    ];
    for (holds, flag, problem) in checks {
        mistakes.unless(holds, flag, problem);
    }
}

/// A time that the gateway counts in seconds.
fn seconds(flag: &str, time: Duration, mistakes: &mut Mistakes) -> u64 {
    let is_whole = time.subsec_nanos() == 0;
    mistakes.unless(is_whole, flag, "must be whole seconds, such as 2s");
    time.as_secs()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    const WHOLE: &str = "--audit-policy-file=p --audit-log-path=l --upstream-kubeconfig=u";

    fn config(line: &str) -> Value {
        let arguments = RecordArgs::of_line(&format!("{WHOLE} {line}"));
        let settings = Settings::of(&arguments).unwrap();
        serde_json::to_value(settings.gate.gateway).unwrap()
    }

    #[test]
    fn flags_about_who_asks_set_what_they_name() {
        let config = config(
            "--identity=impersonate --anonymous-auth=false --token-review --client-ca-file=ca --tls-cert-file=c --tls-private-key-file=k
             --service-account-issuer=i --service-account-issuer=j --service-account-key-file=a --service-account-key-file=b
             --api-audiences=x,y --requestheader-client-ca-file=f --requestheader-allowed-names=n,m
             --requestheader-username-headers=U --requestheader-group-headers=G --requestheader-extra-headers-prefix=E-
             --oidc-issuer-url=https://o --oidc-client-id=id --oidc-ca-file=oca --oidc-username-claim=email --oidc-username-prefix=p:
             --oidc-groups-claim=groups --oidc-groups-prefix=g: --oidc-required-claim=a=b,c=d --oidc-signing-algs=ES256,RS512",
        );
        let identity = &config["identity"];
        assert_eq!(identity["mode"], "impersonate");
        assert_eq!(identity["anonymous"], false);
        assert_eq!(identity["client_ca"], "ca");
        assert!(identity["token_review"].is_object());
        let expected =
            json!({"issuers": ["i", "j"], "audiences": ["x", "y"], "keys": {"files": ["a", "b"]}});
        assert_eq!(identity["service_accounts"], expected);
        let expected = json!({"ca": "f", "allowed_names": ["n", "m"], "username_headers": ["U"], "uid_headers": [],
            "group_headers": ["G"], "extra_headers_prefixes": ["E-"]});
        assert_eq!(identity["front_proxy"], expected);
        let expected = json!([{"issuer": "https://o", "audiences": ["id"], "username_claim": "email", "username_prefix": "p:",
            "groups_claim": "groups", "groups_prefix": "g:", "required_claims": {"a": "b", "c": "d"},
            "signing_algorithms": ["ES256", "RS512"], "keys": "discovery", "ca_file": "oca"}]);
        assert_eq!(identity["oidc"], expected);
    }

    #[test]
    fn the_rest_of_the_gateway_follows_its_flags() {
        let config = config(
            "--bind-address=::1 --secure-port=7443 --tls-cert-file=c --tls-private-key-file=k --request-timeout=2m
             --drain-timeout=3s --max-connections=4 --recorded-body-max-bytes=5 --recorded-bodies-max-bytes=6 --upstream-context=x",
        );
        assert_eq!(config["listen"], "[::1]:7443");
        assert_eq!(config["tls"], json!({"certificate": "c", "key": "k"}));
        assert_eq!(config["upstream"]["kubeconfig"], "u");
        assert_eq!(config["upstream"]["context"], "x");
        let numbers = [
            "request_timeout_seconds",
            "drain_timeout_seconds",
            "max_connections",
            "recorded_body_max_bytes",
            "recorded_bodies_max_bytes",
        ];
        assert_eq!(
            numbers.map(|key| config[key].as_u64().unwrap()),
            [120, 3, 4, 5, 6]
        );
    }

    /// But for the port, which is kube-apiserver's, and the end: last events may take ten seconds more, and Kubernetes waits for thirty.
    #[test]
    fn without_other_flags_the_gateway_has_its_own_defaults() {
        let mut expected = GatewayConfig::default();
        expected.listen.set_port(6443);
        expected.drain_timeout_seconds = 15;
        expected.upstream.kubeconfig = Some("u".into());
        assert_eq!(config(""), serde_json::to_value(expected).unwrap());
    }

    #[test]
    fn others_than_the_upstream_are_asked_where_something_is_asked() {
        let asked = |line: &str| {
            let files = "--authentication-kubeconfig=n --authorization-kubeconfig=z";
            let config = config(&format!("{files} {line}"));
            let identity = &config["identity"];
            let keys = ["authentication_kubeconfig", "authorization_kubeconfig"];
            keys.map(|key| identity[key].as_str().unwrap_or_default().to_owned())
        };
        let cases = [
            ("", ["", ""]),
            ("--token-review", ["n", ""]),
            ("--service-account-issuer=i", ["n", ""]),
            (
                "--service-account-issuer=i --service-account-key-file=k",
                ["", ""],
            ),
            ("--token-review --identity=impersonate", ["n", "z"]),
            (
                "--token-review --identity=impersonate --authorization-kubeconfig=",
                ["n", ""],
            ),
        ];
        for (line, expected) in cases {
            assert_eq!(asked(line), expected, "{line}");
        }
    }

    #[test]
    fn audiences_are_asked_for_in_token_reviews_too() {
        let config = config("--token-review --api-audiences=x,y");
        let asked = &config["identity"]["token_review"]["audiences"];
        assert_eq!(*asked, json!(["x", "y"]));
    }

    #[test]
    fn requests_at_once_are_those_of_both_kinds() {
        let cases = [
            ("", 1000),
            ("--max-requests-inflight=1000", 1200),
            ("--max-mutating-requests-inflight=50", 450),
            (
                "--max-requests-inflight=3 --max-mutating-requests-inflight=4",
                7,
            ),
            ("--max-requests-inflight=0", usize::MAX as u64),
        ];
        for (line, expected) in cases {
            assert_eq!(config(line)["max_requests"], expected, "{line}");
        }
    }

    #[test]
    fn where_it_listens_depends_on_whether_it_has_a_certificate() {
        assert_eq!(config("")["listen"], "127.0.0.1:6443");
        let secured = "--tls-cert-file=c --tls-private-key-file=k --token-review";
        assert_eq!(config(secured)["listen"], "0.0.0.0:6443");
    }

    #[test]
    fn a_front_proxy_without_headers_uses_the_usual_ones() {
        let line = "--identity=impersonate --requestheader-client-ca-file=f --tls-cert-file=c --tls-private-key-file=k";
        let front_proxy = &config(line)["identity"]["front_proxy"];
        assert_eq!(front_proxy["username_headers"], json!(["X-Remote-User"]));
    }
}
