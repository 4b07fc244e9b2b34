//! C25: the webhook's kubeconfig, and truncation.

use kubevigil_diagnostics::{Diagnostic, Place};

use super::codes::WEBHOOK;
use super::subject::{Backend, at};
use super::{Findings, LARGEST_BODY, Subject};
use crate::choice::Address;
use crate::kubeconfig::{Entry, Kubeconfig};
use crate::server::Server;

/// What is only read for https.
const TLS: [&str; 4] = [
    "certificate-authority",
    "certificate-authority-data",
    "insecure-skip-tls-verify",
    "tls-server-name",
];
const CREDENTIALS: [&str; 8] = [
    "client-certificate",
    "client-certificate-data",
    "client-key",
    "client-key-data",
    "token",
    "tokenFile",
    "username",
    "exec",
];

pub(super) fn check(subject: &Subject<'_>, findings: &mut Findings) {
    if let Some(kubeconfig) = subject.kubeconfig {
        names(kubeconfig, findings);
        if let Some(cluster) = &kubeconfig.cluster {
            address(subject, kubeconfig, cluster, findings);
        }
        key_pair(kubeconfig, findings);
    }
    if let Some(server) = subject.server {
        truncation(subject, server, findings);
    }
}

fn names(kubeconfig: &Kubeconfig, findings: &mut Findings) {
    if let Some(unresolved) = &kubeconfig.unresolved {
        let message = format!(
            "{}: the API server does not start, or, if it finds a service account of its own, silently uses the cluster's own address instead",
            unresolved.message
        );
        let help = "name the context in `current-context`, and in it a cluster and a user that are in the file";
        findings.fatal(at(
            Diagnostic::error(WEBHOOK, message).help(help),
            Some(&unresolved.place),
        ));
    }
}

fn address(
    subject: &Subject<'_>,
    kubeconfig: &Kubeconfig,
    cluster: &Entry,
    findings: &mut Findings,
) {
    let Some((server, place)) = cluster.get("server") else {
        let message = "the cluster has no `server`: the API server does not know where to post to";
        findings.push(at(
            Diagnostic::error(WEBHOOK, message)
                .help("name the address: https://HOST:8765/k8s_audit"),
            Some(&kubeconfig.place),
        ));
        return;
    };
    let mut push = |diagnostic: Diagnostic, help: &str| {
        findings.push(at(diagnostic.within("server").help(help), Some(place)));
    };
    if server.contains(['?', '#']) {
        let message = "what follows `?` or `#` is taken off the address, a token in it too: the API server posts to the path with `?timeout=30s`";
        push(
            Diagnostic::warning(WEBHOOK, message),
            "put tokens into `users`, and what tells clusters apart into the path",
        );
    }
    let (scheme, rest) = server.split_once("://").unwrap_or(("", server));
    let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
    if scheme.is_empty() && !path.is_empty() {
        let message =
            "an address without a scheme cannot have a path: the API server does not start";
        let diagnostic = Diagnostic::error(WEBHOOK, message)
            .within("server")
            .help(format!("write https://{rest}"));
        findings.fatal(at(diagnostic, Some(place)));
    } else if scheme != "https" {
        plain(kubeconfig, cluster, (scheme, host), place, findings);
    }
    let host: Option<Address> = host.parse().ok();
    if let Some((_, service)) = host.as_ref().and_then(Address::service)
        && subject.server.is_none_or(|server| server.pod.is_some())
    {
        let message = format!(
            "a static pod uses the resolver of its node, which does not know Services such as {service}"
        );
        let help = "name the Service's address (`clusterIP`), and its name in `tls-server-name`";
        findings.push(at(
            Diagnostic::warning(WEBHOOK, message)
                .within("server")
                .help(help),
            Some(place),
        ));
    }
    if let Some((value, place)) = cluster
        .get("insecure-skip-tls-verify")
        .filter(|(value, _)| *value == "true")
    {
        let message = format!(
            "`insecure-skip-tls-verify: {value}` lets anybody on the way take the events, and the token with them"
        );
        let help = "remove it and name the authority in `certificate-authority-data`";
        findings.push(at(
            Diagnostic::warning(WEBHOOK, message).help(help),
            Some(place),
        ));
    }
}

/// Plain HTTP: nothing about TLS is read, and no credentials are sent.
fn plain(
    kubeconfig: &Kubeconfig,
    cluster: &Entry,
    (scheme, host): (&str, &str),
    place: &Place,
    findings: &mut Findings,
) {
    let what = if scheme.is_empty() {
        "without a scheme the address means http"
    } else {
        "the address is http"
    };
    let unread = cluster
        .first(&TLS)
        .or_else(|| kubeconfig.user.as_ref()?.first(&CREDENTIALS));
    if let Some((field, unread)) = unread {
        let message = format!("{what}, so `{field}` is not even read and no credentials are sent");
        findings.push(at(
            Diagnostic::error(WEBHOOK, message).help("write https:// before the address"),
            Some(unread),
        ));
        return;
    }
    let is_local = ["127.0.0.1", "localhost", "[::1]"]
        .iter()
        .any(|local| host.starts_with(local));
    if !is_local {
        let message = format!(
            "{what}: anybody on the way can read events, and anybody at all can send false ones"
        );
        let help = "use https with a client certificate or a token; `kubevigil setup` writes both";
        findings.push(at(
            Diagnostic::warning(WEBHOOK, message)
                .within("server")
                .help(help),
            Some(place),
        ));
    } else if scheme.is_empty() {
        let message = "the address has no scheme and is taken for http";
        findings.push(at(
            Diagnostic::warning(WEBHOOK, message)
                .within("server")
                .help("write http:// if you mean it"),
            Some(place),
        ));
    }
}

fn key_pair(kubeconfig: &Kubeconfig, findings: &mut Findings) {
    let Some(user) = &kubeconfig.user else {
        return;
    };
    let certificate = user.first(&["client-certificate", "client-certificate-data"]);
    let key = user.first(&["client-key", "client-key-data"]);
    let (lonely, missing) = match (certificate, key) {
        (Some((_, place)), None) => (place, "client-key"),
        (None, Some((_, place))) => (place, "client-certificate"),
        _ => return,
    };
    let message = format!("there is no `{missing}` beside this: the API server does not start");
    findings.fatal(at(
        Diagnostic::error(WEBHOOK, message).help(format!("add `{missing}` or `{missing}-data`")),
        Some(lonely),
    ));
}

fn truncation(subject: &Subject<'_>, server: &Server, findings: &mut Findings) {
    let (log, webhook) = (Backend::log(&server.flags), Backend::webhook(&server.flags));
    if !webhook.is_on() {
        return;
    }
    if log.is_on() && log.truncates() {
        let message = "truncation of the log marks the event that the webhook sends as well: whole bodies arrive with audit.k8s.io/truncated";
        let help = "do not trust the mark alone, or truncate neither or both";
        let diagnostic = Diagnostic::warning(WEBHOOK, message)
            .within("--audit-log-truncate-enabled")
            .help(help);
        findings.push(at(diagnostic, log.place("truncate-enabled")));
    }
    if webhook.mode() == "batch" && subject.may_record_bodies() {
        body_size(&webhook, server, findings);
    }
}

/// A batch that the receiver refuses for its size is sent four times more and then lost.
fn body_size(webhook: &Backend<'_>, server: &Server, findings: &mut Findings) {
    let most = LARGEST_BODY >> 20;
    let size = webhook.batch_max_size();
    if !webhook.truncates() {
        let message = format!(
            "nothing limits the size of an event, so a batch of {size} can be larger than what the receiver takes ({most} MiB for kubevigil, 1 MiB for many proxies) and is then lost"
        );
        let help = "set --audit-webhook-truncate-enabled=true, and --audit-webhook-batch-max-size=30 with --audit-webhook-truncate-max-event-size=1572864";
        let diagnostic = Diagnostic::warning(WEBHOOK, message)
            .within("--audit-webhook-truncate-enabled")
            .help(help);
        findings.push(at(
            diagnostic,
            server.place("audit-webhook-truncate-enabled"),
        ));
        return;
    }
    let largest = size.saturating_mul(webhook.max_event_size());
    if u64::try_from(largest).is_ok_and(|largest| largest > LARGEST_BODY) {
        let message = format!(
            "a batch can reach {size} x {} bytes = {} MiB, more than the {most} MiB that kubevigil takes: it would be refused five times and lost",
            webhook.max_event_size(),
            largest >> 20
        );
        let help = "lower --audit-webhook-batch-max-size or --audit-webhook-truncate-max-event-size; truncate-max-batch-size does not limit batches";
        let diagnostic = Diagnostic::warning(WEBHOOK, message)
            .within("--audit-webhook-truncate-max-event-size")
            .help(help);
        findings.push(at(
            diagnostic,
            server.place("audit-webhook-truncate-max-event-size"),
        ));
    }
}
