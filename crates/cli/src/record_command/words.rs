//! What other parts say of settings, in the words of the command line.

use kubevigil_gateway::ConfigError;

use crate::gate::Problem;

/// Settings and their flags. Of two that begin alike, the longer one first.
const FLAGS: [(&str, &str); 20] = [
    (
        "gateway.identity.mode is impersonate",
        "--identity is impersonate",
    ),
    (
        "gateway.identity.service_accounts.keys",
        "--service-account-key-file",
    ),
    ("gateway.identity.oidc.issuer", "--oidc-issuer-url"),
    ("gateway.identity.oidc", "--oidc-ca-file"),
    ("gateway.identity.client_ca", "--client-ca-file"),
    (
        "gateway.identity.front_proxy.allowed_names",
        "--requestheader-allowed-names",
    ),
    (
        "gateway.identity.front_proxy.ca",
        "--requestheader-client-ca-file",
    ),
    (
        "gateway.identity.front_proxy",
        "--requestheader-client-ca-file",
    ),
    ("gateway.identity.token_review", "--token-review"),
    (
        "gateway.identity.authentication_kubeconfig",
        "--authentication-kubeconfig",
    ),
    (
        "gateway.identity.authorization_kubeconfig",
        "--authorization-kubeconfig",
    ),
    ("gateway.tls.certificate", "--tls-cert-file"),
    ("gateway.tls.key", "--tls-private-key-file"),
    ("gateway.listen", "--bind-address and --secure-port"),
    (", or set gateway.upstream.in_cluster", ""),
    ("gateway.upstream.kubeconfig", "--upstream-kubeconfig"),
    ("gateway.upstream.ca", "--upstream-ca"),
    ("gateway.upstream", "--upstream"),
    (
        "client_ca and front_proxy.ca",
        "--client-ca-file and --requestheader-client-ca-file",
    ),
    ("front_proxy.allowed_names", "--requestheader-allowed-names"),
];

/// A text that may name settings of the gateway.
pub(super) fn in_flags(text: &str) -> String {
    FLAGS
        .iter()
        .fold(text.to_owned(), |text, (key, flag)| text.replace(key, flag))
}

/// What is wrong with a file, behind the flag that names it.
pub(super) fn of_problem(problem: &Problem) -> String {
    let text = in_flags(&problem.text);
    let flag = match problem.key.as_str() {
        "policy" => "--audit-policy-file".to_owned(),
        "log.path" => "--audit-log-path".to_owned(),
        "webhook.kubeconfig" => "--audit-webhook-config-file".to_owned(),
        "state_dir" => "--state-dir".to_owned(),
        key => in_flags(key),
    };
    match text.starts_with("--") {
        true => text,
        false => format!("{flag}: {text}"),
    }
}

/// A contradiction in the gateway's settings.
pub(super) fn of_contradiction(error: &ConfigError) -> String {
    let recognises = "--token-review, --client-ca-file with --identity impersonate, --service-account-issuer, --oidc-issuer-url";
    match error {
        ConfigError::PlainHttp(address) => format!(
            "--bind-address {} needs --tls-cert-file: over plain HTTP anybody on the way can read tokens and change requests; \
             give a certificate, or listen on 127.0.0.1",
            address.ip()
        ),
        ConfigError::CertificatesWithoutTls("client_ca") => {
            "--client-ca-file needs --tls-cert-file: clients present certificates over HTTPS only".to_owned()
        }
        ConfigError::CertificatesWithoutTls(_) => {
            "--requestheader-client-ca-file needs --tls-cert-file: proxies present certificates over HTTPS only".to_owned()
        }
        ConfigError::OpenToAll(_) => format!(
            "nothing says how to recognise who asks, so everybody would be system:anonymous: give one of {recognises}; \
             or listen on 127.0.0.1"
        ),
        ConfigError::ClosedToAll => format!(
            "--anonymous-auth=false, and nothing says how to recognise who asks, so every request would be refused: give one of {recognises}"
        ),
        ConfigError::Limit { setting, problem } => match *setting {
            "max_connections" => format!("--max-connections {problem}"),
            "request_timeout_seconds" => "--request-timeout must be at least 1s".to_owned(),
            _ => error.to_string(),
        },
        // Flags that nobody would be asked by are left out with a warning.
        ConfigError::NeverAsked { .. } => in_flags(&error.to_string()),
        ConfigError::Upstream(problem) => format!("--upstream: {problem}"),
    }
}
