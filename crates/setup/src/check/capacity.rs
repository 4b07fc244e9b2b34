//! C24: modes and capacity.

use kubevigil_audit::policy::{PolicyLevel, PolicyStage};
use kubevigil_diagnostics::{Diagnostic, Place};

use super::codes::CAPACITY;
use super::subject::{Backend, at};
use super::{Findings, Subject};
use crate::server::Server;

/// Events a second below which a webhook is called slow: a quarter of the default.
const SLOW: f64 = 1000.0;

pub(super) fn check(subject: &Subject<'_>, server: &Server, findings: &mut Findings) {
    let flags = &server.flags;
    let (log, webhook) = (Backend::log(flags), Backend::webhook(flags));
    for backend in [&log, &webhook]
        .into_iter()
        .filter(|backend| backend.is_on())
    {
        strict(subject, backend, findings);
    }
    if webhook.is_on() {
        blocking(&webhook, findings);
        throttle(&webhook, server, findings);
    }
    if log.is_on()
        && log.mode() == "batch"
        && log.batch_max_size() > 1
        && log.batch_max_wait() <= 0.0
    {
        let message = "the log backend waits 0 seconds for its batches to fill, so it never rests: about half a CPU while nothing happens";
        let diagnostic =
            Diagnostic::warning(CAPACITY, message).within("--audit-log-batch-max-wait");
        findings.push(
            at(diagnostic, server.place("audit-log-batch-max-size"))
                .help("set --audit-log-batch-max-wait=1s, or leave the mode at blocking"),
        );
    }
    if log.is_on() || webhook.is_on() {
        bodies(subject, findings);
    }
}

fn strict(subject: &Subject<'_>, backend: &Backend<'_>, findings: &mut Findings) {
    if backend.mode() != "blocking-strict" {
        return;
    }
    let mode = backend.place("mode");
    let item = format!("--{}", backend.flag("mode"));
    let kept = |decision: &kubevigil_audit::policy::Decision| {
        decision.level > PolicyLevel::None
            && !decision.omit_stages.contains(PolicyStage::RequestReceived)
    };
    if subject.policy().is_some() && subject.decided(&["get", "create"], kept).is_none() {
        let message = "blocking-strict protects nothing here: requests are refused only when their stage RequestReceived cannot be recorded, and the policy omits it";
        let help = "take RequestReceived out of the policy's `omitStages`, or use another mode";
        findings.push(at(
            Diagnostic::warning(CAPACITY, message)
                .within(&*item)
                .help(help),
            mode,
        ));
    }
    if backend.truncates() {
        let message = "events that truncation drops are lost without failing their requests, in blocking-strict as well";
        let help = "switch truncation off, or do not rely on the mode";
        findings.push(at(
            Diagnostic::warning(CAPACITY, message)
                .within(&*item)
                .help(help),
            mode,
        ));
    }
}

fn blocking(webhook: &Backend<'_>, findings: &mut Findings) {
    if !webhook.mode().starts_with("blocking") {
        return;
    }
    let message = "every request of every client waits until the webhook has answered for each of its stages, up to about four minutes when it does not answer; no flag limits this";
    let help = "use the mode batch, and the log backend for events that must not be lost";
    findings.push(at(
        Diagnostic::warning(CAPACITY, message)
            .within("--audit-webhook-mode")
            .help(help),
        webhook.place("mode"),
    ));
}

fn throttle(webhook: &Backend<'_>, server: &Server, findings: &mut Findings) {
    if webhook.mode() != "batch" {
        return;
    }
    if !webhook.throttles() {
        let message = "without throttling nothing bounds the batches in flight: a slow receiver fills the API server's memory";
        let help = "leave throttling on and raise --audit-webhook-batch-throttle-qps instead";
        let diagnostic = Diagnostic::warning(CAPACITY, message)
            .within("--audit-webhook-batch-throttle-enable")
            .help(help);
        findings.push(at(diagnostic, webhook.place("batch-throttle-enable")));
        return;
    }
    if let Some(rate) = webhook
        .events_per_second()
        .filter(|rate| *rate > 0.0 && *rate < SLOW)
    {
        let message = format!(
            "at most {rate:.0} events a second are sent in the long run ({} batches of {}); beyond that the buffer of {} fills and events are dropped",
            webhook.qps(),
            webhook.batch_max_size(),
            webhook.buffer_size()
        );
        let help = "raise --audit-webhook-batch-throttle-qps or --audit-webhook-batch-max-size; the defaults make 4,000 events a second";
        let given = ["batch-throttle-qps", "batch-max-size"]
            .into_iter()
            .find_map(|rest| webhook.place(rest));
        let diagnostic = Diagnostic::warning(CAPACITY, message)
            .within("--audit-webhook-batch-throttle-qps")
            .help(help);
        findings.push(at(diagnostic, given.or(server.anchor.as_ref())));
    }
}

/// Bodies that are recorded at a price.
fn bodies(subject: &Subject<'_>, findings: &mut Findings) {
    let rule = |rule: Option<usize>| {
        subject.policy.zip(rule).map(|(file, rule)| Place {
            source: file.source.clone(),
            span: file.span(&format!("rules[{rule}]")),
        })
    };
    let reads = subject.decided(&["list", "get"], |decision| {
        decision.level == PolicyLevel::RequestResponse
    });
    if let Some((request, decision)) = reads {
        let message = format!(
            "whole answers to reads are recorded ({request}): one list of a large cluster is an event of many megabytes"
        );
        let help = "record reads at Metadata, or at Request where their options matter";
        let diagnostic = Diagnostic::warning(CAPACITY, message)
            .within("the policy")
            .help(help);
        findings.push(at(diagnostic, rule(decision.matched_rule).as_ref()));
    }
    let verbs = ["create", "update", "patch", "get", "list"];
    let unpruned = subject.decided(&verbs, |decision| {
        decision.level >= PolicyLevel::Request && !decision.omit_managed_fields
    });
    if let Some((request, decision)) = unpruned {
        let message = format!(
            "bodies are recorded with the record of who owns which of their fields ({request}), often the larger part of them"
        );
        let help = "set `omitManagedFields: true` at the top of the policy";
        let diagnostic = Diagnostic::warning(CAPACITY, message)
            .within("the policy")
            .help(help);
        findings.push(at(diagnostic, rule(decision.matched_rule).as_ref()));
    }
}
