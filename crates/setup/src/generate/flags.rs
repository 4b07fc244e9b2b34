//! The flags, with the reason for each.

use std::fmt::Write as _;

use crate::choice::Choice;

/// A flag of the API server.
pub(super) struct Flag {
    /// Its name, without dashes.
    pub(super) name: &'static str,
    /// Its value.
    pub(super) value: String,
    /// Why it is set so.
    pub(super) why: &'static str,
}

/// The flags for a choice.
pub(super) fn flags(choice: &Choice) -> Vec<Flag> {
    let folder = choice.distribution.folder();
    let flag = |name, value: &str, why| Flag {
        name,
        value: value.to_owned(),
        why,
    };
    let mut flags = vec![
        flag(
            "audit-policy-file",
            &format!("{folder}/policy.yaml"),
            "What is recorded. Without it no backend records anything, and nothing says so.",
        ),
        flag(
            "audit-webhook-config-file",
            &format!("{folder}/webhook.yaml"),
            "Where events are posted to, and with which credentials.",
        ),
        flag(
            "audit-webhook-batch-max-wait",
            "5s",
            "The delay of alerts on a quiet cluster; 30s by default.",
        ),
        flag(
            "audit-webhook-batch-max-size",
            "30",
            "Events in a batch. 30 x 1.5 MiB (below) is less than the 48 MiB that kubevigil takes at once: no batch is ever refused for its size.",
        ),
        flag(
            "audit-webhook-batch-throttle-qps",
            "130",
            "Batches a second: 130 x 30 = 3,900 events a second, as many as by default.",
        ),
        flag(
            "audit-webhook-batch-throttle-burst",
            "200",
            "Batches that may go out at once after a pause.",
        ),
        flag(
            "audit-webhook-truncate-enabled",
            "true",
            "Up to Kubernetes 1.36 one event that cannot be encoded takes its whole batch with it; this weeds it out alone.",
        ),
        flag(
            "audit-webhook-truncate-max-event-size",
            "1572864",
            "Bodies are cut only where an event exceeds what etcd stores of an object. The rule \"Request body cut\" tells of it.",
        ),
    ];
    let Some(log) = choice.distribution.log() else {
        return flags;
    };
    flags.extend([
        flag(
            "audit-log-path",
            log,
            "The same events as a file, for the time in which kubevigil is down.",
        ),
        flag(
            "audit-log-maxsize",
            "100",
            "MiB after which a new file is begun.",
        ),
        flag(
            "audit-log-maxbackup",
            "10",
            "Old files that are kept: with the current one 1,100 MiB at most.",
        ),
        flag("audit-log-maxage", "7", "Days that they are kept."),
    ]);
    flags
}

/// The flags as a file, one a line, each below its reason.
pub(super) fn listing(choice: &Choice) -> String {
    let mut text =
        "# Flags of kube-apiserver, one a line, each below the reason for it.\n".to_owned();
    for flag in flags(choice) {
        let _ = write!(text, "\n# {}\n--{}={}\n", flag.why, flag.name, flag.value);
    }
    text
}
