//! `kubevigil record --check`: what would run, without running it. And the same words for the start.

use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::ExitCode;

use kubevigil_audit::policy::PolicyFile;
use kubevigil_diagnostics::render_text;
use kubevigil_gateway::identity::{IdentityConfig, IdentityMode};
use kubevigil_gateway::{GatewayConfig, UpstreamConfig, upstream_warnings};
use kubevigil_plan::KubernetesVersion;
use kubevigil_plan::check::check as check_policy;

use super::settings::Settings;
use super::words::{in_flags, of_problem};
use crate::gate;
use crate::gate::backends::Backends;
use crate::mistakes::fail;
use crate::terminal;

/// Tries the files and folders that the flags name, and says what would run.
pub(super) fn check(settings: &Settings) -> anyhow::Result<ExitCode> {
    for warning in &settings.warnings {
        terminal::warn(warning);
    }
    let gate = &settings.gate;
    check_files(settings)?;
    if let Ok(Some(advice)) = gate.gateway.identity.check_front_proxy() {
        terminal::warn(&in_flags(advice));
    }
    say_of_upstream(&gate.gateway);
    say_of_policy(&gate.policy);
    let mut out = anstream::stdout().lock();
    for line in describe(settings) {
        writeln!(out, "{line}")?;
    }
    writeln!(
        out,
        "listens on {}://{}",
        settings.scheme(),
        gate.gateway.listen
    )?;
    Ok(ExitCode::SUCCESS)
}

/// Tries what the gateway reads and writes; an error holds everything that is wrong with it.
pub(super) fn check_files(settings: &Settings) -> anyhow::Result<()> {
    let problems = gate::check_files(&settings.gate);
    let problems: Vec<String> = problems.iter().map(of_problem).collect();
    fail(&problems, "mistakes in files and folders")
}

/// What the start would warn of: that nobody verifies who the API server is, for instance.
fn say_of_upstream(gateway: &GatewayConfig) {
    let warnings = upstream_warnings(gateway);
    if !warnings.is_empty() {
        terminal::say(render_text(&warnings, true).trim_end());
    }
}

/// What its author would regret of a policy that is valid: what `policy check` finds.
fn say_of_policy(path: &Path) {
    let Ok(text) = fs::read_to_string(path) else {
        return;
    };
    let file = PolicyFile::read(&path.display().to_string(), &text);
    let findings = check_policy(&file, KubernetesVersion::DEFAULT);
    if !findings.is_empty() {
        terminal::say(render_text(&findings, true).trim_end());
    }
}

/// What runs, a sentence a part.
pub(super) fn describe(settings: &Settings) -> Vec<String> {
    let GatewayConfig {
        upstream, identity, ..
    } = &settings.gate.gateway;
    let requests = format!("requests go to {}", upstream_words(upstream));
    let events = format!(
        "recorded by the policy {}: events go to {}",
        settings.gate.policy.display(),
        backends_words(&settings.gate.backends)
    );
    let delegates = gate::delegate_words(identity);
    let lines = std::iter::once(requests).chain(delegates);
    lines.chain([identity_words(identity), events]).collect()
}

fn upstream_words(upstream: &UpstreamConfig) -> String {
    let context = match &upstream.context {
        Some(context) => format!(", context {context}"),
        None => String::new(),
    };
    match (&upstream.kubeconfig, &upstream.server) {
        (Some(kubeconfig), _) => format!("the API server of {}{context}", kubeconfig.display()),
        // Not what may stand before the host: a password.
        (None, Some(server)) => server.origin().ascii_serialization(),
        (None, None) => "the API server of this pod's cluster".to_owned(),
    }
}

fn identity_words(identity: &IdentityConfig) -> String {
    let methods = [
        (identity.front_proxy.is_some(), "a front proxy"),
        (identity.client_ca.is_some(), "client certificates"),
        (
            identity.service_accounts.is_some(),
            "tokens of service accounts",
        ),
        (!identity.oidc.is_empty(), "OpenID Connect"),
        (
            identity.token_review.is_some(),
            "asking the API server about tokens",
        ),
    ];
    let methods: Vec<&str> = methods
        .into_iter()
        .filter(|(is_on, _)| *is_on)
        .map(|(_, words)| words)
        .collect();
    let anonymous = if identity.anonymous {
        "let in"
    } else {
        "refused"
    };
    if methods.is_empty() {
        return format!(
            "nobody is recognised; requests without credentials are {anonymous}, those with any are refused"
        );
    }
    let how = match identity.mode {
        IdentityMode::Impersonate => "impersonated",
        IdentityMode::Passthrough => "passed through",
    };
    format!(
        "who asks is recognised by {}, and {how}; requests without credentials are {anonymous}",
        methods.join(", ")
    )
}

fn backends_words(backends: &Backends) -> String {
    let log = backends.log.as_ref().map(|log| {
        let mode = log.around.mode.as_str();
        match log.options.is_stdout() {
            true => format!("standard output ({mode})"),
            false => format!("the log {} ({mode})", log.options.path.display()),
        }
    });
    let webhook = backends.webhook.as_ref().map(|webhook| {
        let mode = webhook.around.mode.as_str();
        format!("the webhook of {} ({mode})", webhook.kubeconfig.display())
    });
    let words: Vec<String> = log.into_iter().chain(webhook).collect();
    words.join(" and ")
}
