//! C23: backends and policy that do not add up.

use kubevigil_audit::policy::PolicyLevel;
use kubevigil_diagnostics::{Diagnostic, Place};
use kubevigil_plan::KubernetesVersion;

use super::codes::BACKEND;
use super::subject::{Backend, at};
use super::{Findings, Subject};
use crate::server::Server;

/// The last version in which one event that cannot be encoded is lost, or takes its batch with it.
const PATCHES_LOST: KubernetesVersion = KubernetesVersion::new(1, 36);

pub(super) fn check(subject: &Subject<'_>, server: &Server, findings: &mut Findings) {
    let flags = &server.flags;
    let (log, webhook) = (Backend::log(flags), Backend::webhook(flags));
    let has_policy = flags.text("audit-policy-file").is_some();
    let mut push = |flag: &str, diagnostic: Diagnostic| {
        findings.push(at(
            diagnostic.within(format!("--{flag}")),
            server.place(flag),
        ));
    };
    match (has_policy, log.is_on() || webhook.is_on()) {
        (false, true) => {
            let message = "there is no --audit-policy-file, and without it nothing is recorded; only a message at verbosity 2 says so";
            let flag = if log.is_on() {
                log.switch
            } else {
                webhook.switch
            };
            push(
                flag,
                Diagnostic::error(BACKEND, message)
                    .help("write a policy: `kubevigil policy recommend` proposes one"),
            );
        }
        (true, false) => {
            let message =
                "there is a policy, but neither a log file nor a webhook: nothing is recorded";
            push(
                "audit-policy-file",
                Diagnostic::error(BACKEND, message)
                    .help("add --audit-log-path or --audit-webhook-config-file"),
            );
        }
        (false, false) => {
            let message = "auditing is off: there is no policy, no log file and no webhook";
            push(
                "audit-policy-file",
                Diagnostic::error(BACKEND, message).help("`kubevigil setup` writes what is needed"),
            );
        }
        (true, true) => {}
    }
    if flags.get("audit-dynamic-configuration").is_some() {
        let message = "--audit-dynamic-configuration went away with Kubernetes 1.19: the API server does not start";
        let diagnostic =
            Diagnostic::error(BACKEND, message).within("--audit-dynamic-configuration");
        findings.fatal(
            at(diagnostic, server.place("audit-dynamic-configuration"))
                .help("use --audit-webhook-config-file instead of AuditSink objects"),
        );
    }
    deprecated(server, findings);
    repeated(server, findings);
    for backend in [&log, &webhook] {
        idle(backend, server, findings);
    }
    if log.is_on() || webhook.is_on() {
        patches(subject, server, &webhook, findings);
    }
}

fn deprecated(server: &Server, findings: &mut Findings) {
    let old = "audit-webhook-batch-initial-backoff";
    if server.flags.get(old).is_some() {
        let message = format!("--{old} is deprecated and will go away");
        let diagnostic = Diagnostic::warning(BACKEND, message).within(format!("--{old}"));
        findings.push(
            at(diagnostic, server.place(old))
                .help("it is called --audit-webhook-initial-backoff now"),
        );
    }
}

fn repeated(server: &Server, findings: &mut Findings) {
    let list = &server.flags.list;
    for (number, flag) in list
        .iter()
        .enumerate()
        .filter(|(_, flag)| flag.name.starts_with("audit-"))
    {
        if list
            .iter()
            .skip(number + 1)
            .any(|later| later.name == flag.name)
        {
            let message = format!(
                "--{} is given again further down, and the last one counts",
                flag.name
            );
            let diagnostic =
                Diagnostic::warning(BACKEND, message).within(format!("--{}", flag.name));
            findings.push(at(diagnostic, Some(&flag.place)).help("remove this one"));
        }
    }
}

/// Flags of a backend that is off.
fn idle(backend: &Backend<'_>, server: &Server, findings: &mut Findings) {
    let prefix = backend.flag("");
    let mut of_backend = server.flags.list.iter();
    let tuned =
        of_backend.find(|flag| flag.name.starts_with(&prefix) && flag.name != backend.switch);
    if let Some(flag) = tuned.filter(|_| !backend.is_on()) {
        let message = format!(
            "without --{} this means nothing: the {} backend is off",
            backend.switch, backend.name
        );
        let diagnostic = Diagnostic::warning(BACKEND, message).within(format!("--{}", flag.name));
        findings.push(
            at(diagnostic, Some(&flag.place)).help("switch the backend on, or remove its flags"),
        );
    }
}

/// Bodies of patches need not be JSON, and up to 1.36 an event with one that is not cannot be encoded.
fn patches(subject: &Subject<'_>, server: &Server, webhook: &Backend<'_>, findings: &mut Findings) {
    if subject.version > PATCHES_LOST || webhook.is_on() && webhook.truncates() {
        return;
    }
    let Some((request, decision)) = subject.decided(&["patch"], |decision| {
        decision.level >= PolicyLevel::Request
    }) else {
        return;
    };
    let place = subject
        .policy
        .zip(decision.matched_rule)
        .map(|(file, rule)| Place {
            source: file.source.clone(),
            span: file.span(&format!("rules[{rule}]")),
        });
    let diagnostic = if webhook.is_on() {
        let message = format!(
            "up to Kubernetes 1.36 one patch whose body is no JSON takes the whole batch of events with it, and bodies of patches are recorded ({request})"
        );
        let help = "set --audit-webhook-truncate-enabled=true with a large --audit-webhook-truncate-max-event-size, which weeds such events out one by one";
        Diagnostic::warning(BACKEND, message).help(help)
    } else {
        let message = format!(
            "up to Kubernetes 1.36 a patch whose body is no JSON leaves no event where bodies of patches are recorded ({request})"
        );
        Diagnostic::info(BACKEND, message)
            .help("alert on the metric apiserver_audit_error_total, or record patches at Metadata")
    };
    findings.push(at(
        diagnostic.within("the policy"),
        place.as_ref().or(server.anchor.as_ref()),
    ));
}
