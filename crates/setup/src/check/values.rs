//! C23: values that stop the server.

use kubevigil_diagnostics::{Diagnostic, closest};

use super::Findings;
use super::codes::BACKEND;
use super::subject::{Backend, at};
use crate::server::{Flag, Server};

/// What a flag's value must be.
#[derive(Clone, Copy)]
enum Shape {
    Boolean,
    Duration,
    Integer,
    Number,
    Text,
}

const OF_BOTH: [(&str, Shape); 11] = [
    ("batch-buffer-size", Shape::Integer),
    ("batch-max-size", Shape::Integer),
    ("batch-max-wait", Shape::Duration),
    ("batch-throttle-burst", Shape::Integer),
    ("batch-throttle-enable", Shape::Boolean),
    ("batch-throttle-qps", Shape::Number),
    ("mode", Shape::Text),
    ("truncate-enabled", Shape::Boolean),
    ("truncate-max-batch-size", Shape::Integer),
    ("truncate-max-event-size", Shape::Integer),
    ("version", Shape::Text),
];

const OTHERS: [(&str, Shape); 10] = [
    ("audit-log-compress", Shape::Boolean),
    ("audit-log-format", Shape::Text),
    ("audit-log-maxage", Shape::Integer),
    ("audit-log-maxbackup", Shape::Integer),
    ("audit-log-maxsize", Shape::Integer),
    ("audit-log-path", Shape::Text),
    ("audit-policy-file", Shape::Text),
    ("audit-webhook-batch-initial-backoff", Shape::Duration),
    ("audit-webhook-config-file", Shape::Text),
    ("audit-webhook-initial-backoff", Shape::Duration),
];

/// Flags that were taken away are reported as such, not as unknown.
const REMOVED: [&str; 1] = ["audit-dynamic-configuration"];

pub(super) fn check(server: &Server, findings: &mut Findings) {
    let known = known();
    for flag in server
        .flags
        .list
        .iter()
        .filter(|flag| flag.name.starts_with("audit-"))
    {
        match known.iter().find(|(name, _)| *name == flag.name) {
            Some((_, shape)) if !shape.fits(server, flag) => {
                let message = format!(
                    "the API server does not start: `{}` is no {}",
                    shown(flag),
                    shape.word()
                );
                fatal(flag, message, "", findings);
            }
            None if !REMOVED.contains(&flag.name.as_str()) => unknown(flag, &known, findings),
            _ => {}
        }
    }
    words(server, findings);
    for backend in [Backend::log(&server.flags), Backend::webhook(&server.flags)] {
        numbers(server, &backend, findings);
    }
}

fn known() -> Vec<(String, Shape)> {
    let both = ["log", "webhook"].into_iter().flat_map(|backend| {
        OF_BOTH
            .iter()
            .map(move |(rest, shape)| (format!("audit-{backend}-{rest}"), *shape))
    });
    both.chain(OTHERS.map(|(name, shape)| (name.to_owned(), shape)))
        .collect()
}

fn unknown(flag: &Flag, known: &[(String, Shape)], findings: &mut Findings) {
    let help = closest(&flag.name, known.iter().map(|(name, _)| name.as_str()));
    let help = help.map_or_else(
        || "`kube-apiserver --help` lists the flags".to_owned(),
        |name| format!("did you mean --{name}?"),
    );
    let message = format!(
        "the API server knows no flag --{} and does not start",
        flag.name
    );
    fatal(flag, message, &help, findings);
}

/// Values of which there are few.
fn words(server: &Server, findings: &mut Findings) {
    const MODES: &[&str] = &["batch", "blocking", "blocking-strict"];
    const VERSIONS: &[&str] = &["audit.k8s.io/v1"];
    for (name, words) in [
        ("audit-log-mode", MODES),
        ("audit-webhook-mode", MODES),
        ("audit-log-version", VERSIONS),
        ("audit-webhook-version", VERSIONS),
        ("audit-log-format", &["json", "legacy"][..]),
    ] {
        let given = server.flags.get(name);
        if let Some(flag) = given.filter(|flag| !words.contains(&shown(flag))) {
            let message = format!(
                "the API server does not start: --{name} cannot be `{}`",
                shown(flag)
            );
            fatal(
                flag,
                message,
                &format!("write {}", words.join(" or ")),
                findings,
            );
        } else if let Some(flag) = given.filter(|flag| flag.value.as_deref() == Some("legacy")) {
            let message = "lines in the legacy format hold no level, no resource and no body: kubevigil cannot read them".to_owned();
            let diagnostic = Diagnostic::error(BACKEND, message).within("--audit-log-format");
            findings.push(
                at(diagnostic, Some(&flag.place)).help("write json, which is also the default"),
            );
        }
    }
}

/// Numbers that are checked at the start.
fn numbers(server: &Server, backend: &Backend<'_>, findings: &mut Findings) {
    if !backend.is_on() {
        return;
    }
    let mut refuse = |rest: &str, message: &str, help: &str| {
        let name = backend.flag(rest);
        let message = format!("the API server does not start: {message}");
        let diagnostic = Diagnostic::error(BACKEND, message).within(format!("--{name}"));
        findings.fatal(at(diagnostic, server.place(&name)).help(help));
    };
    if backend.mode() == "batch" {
        if backend.buffer_size() <= 0 {
            refuse(
                "batch-buffer-size",
                "the buffer must hold at least one event",
                "leave it out: 10000 is the default",
            );
        }
        if backend.batch_max_size() <= 0 {
            refuse(
                "batch-max-size",
                "a batch must hold at least one event",
                "leave it out, or set at least 1",
            );
        }
        if backend.throttles() && backend.qps() <= 0.0 {
            refuse(
                "batch-throttle-qps",
                "throttling needs a number of batches a second",
                "set it, or --audit-log-batch-throttle-enable=false",
            );
        }
        if backend.throttles() && backend.burst() <= 0 {
            refuse(
                "batch-throttle-burst",
                "throttling needs a burst",
                "set it, or --audit-log-batch-throttle-enable=false",
            );
        }
    }
    if backend.max_event_size() <= 0 {
        refuse(
            "truncate-max-event-size",
            "the size of an event must be more than 0, even while nothing is truncated",
            "leave it out",
        );
    } else if backend.max_batch_size() < backend.max_event_size() {
        let message = "truncate-max-batch-size is less than truncate-max-event-size, which is refused even while nothing is truncated";
        refuse(
            "truncate-max-event-size",
            message,
            "raise truncate-max-batch-size to at least the same",
        );
    }
    if backend.name == "log" {
        for rest in ["maxage", "maxbackup", "maxsize"] {
            if server
                .flags
                .integer(&backend.flag(rest))
                .is_some_and(|value| value < 0)
            {
                refuse(rest, "the number is negative", "0 means no limit");
            }
        }
    }
}

fn fatal(flag: &Flag, message: String, help: &str, findings: &mut Findings) {
    let diagnostic = Diagnostic::error(BACKEND, message).within(format!("--{}", flag.name));
    let diagnostic = at(diagnostic, Some(&flag.place));
    findings.fatal(if help.is_empty() {
        diagnostic
    } else {
        diagnostic.help(help)
    });
}

fn shown(flag: &Flag) -> &str {
    flag.value.as_deref().unwrap_or_default()
}

impl Shape {
    fn fits(self, server: &Server, flag: &Flag) -> bool {
        let value = shown(flag);
        match self {
            Self::Boolean => server.flags.switch(&flag.name).is_some(),
            Self::Duration => crate::server::duration(value).is_some(),
            Self::Integer => value.parse::<i64>().is_ok(),
            Self::Number => value.parse::<f64>().is_ok(),
            Self::Text => true,
        }
    }

    fn word(self) -> &'static str {
        match self {
            Self::Boolean => "true or false",
            Self::Duration => "duration such as 5s",
            Self::Integer => "whole number",
            Self::Number => "number",
            Self::Text => "text",
        }
    }
}
