//! Every metric, once: its name, its help, where its value comes from. The prefix `kubevigil_` and, for counters, the suffix
//! `_total` are added when they are written. docs/metrics.md is
//! compared with these tables.

use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use kubevigil_alerts::metrics::OutputCounts;
use kubevigil_journal::{ReaderStats, Stats};
use kubevigil_sources::counters::SourceCounters;
use kubevigil_sources::webhook::WebhookCounters;

use crate::run::detector::figures::{CorrelationFigures, DetectCounters, StateFigures};
use crate::run::live_rules::{LiveRules, RuleCounts};

/// A metric of each `T` there is.
#[derive(Debug)]
pub(super) struct Metric<T> {
    pub(super) kind: Kind,
    pub(super) name: &'static str,
    pub(super) help: &'static str,
    pub(super) value: fn(&T) -> u64,
}

/// What a metric does over time.
#[derive(Clone, Copy, Debug)]
pub(super) enum Kind {
    /// It only grows.
    Counter,
    /// It goes up and down.
    Gauge,
    /// A time span that goes up and down. The value is in microseconds, what is shown in seconds.
    Seconds,
}

pub(super) const fn counter<T>(
    name: &'static str,
    help: &'static str,
    value: fn(&T) -> u64,
) -> Metric<T> {
    let kind = Kind::Counter;
    Metric {
        kind,
        name,
        help,
        value,
    }
}

pub(super) const fn gauge<T>(
    name: &'static str,
    help: &'static str,
    value: fn(&T) -> u64,
) -> Metric<T> {
    let kind = Kind::Gauge;
    Metric {
        kind,
        name,
        help,
        value,
    }
}

pub(super) const fn seconds<T>(
    name: &'static str,
    help: &'static str,
    value: fn(&T) -> u64,
) -> Metric<T> {
    let kind = Kind::Seconds;
    Metric {
        kind,
        name,
        help,
        value,
    }
}

/// By kind of source.
pub(super) const SOURCES: &[Metric<SourceCounters>] = &[
    counter("source_events", "Events taken in", |s| s.events.get()),
    counter("source_bytes", "Bytes of events taken in", |s| {
        s.bytes.get()
    }),
    counter("source_batches", "Batches of events taken in", |s| {
        s.batches.get()
    }),
    counter(
        "source_problems",
        "Pieces of input in which no event could be found",
        |s| s.problems.get(),
    ),
    counter(
        "source_too_long",
        "Lines beyond the length limit, skipped",
        |s| s.too_long.get(),
    ),
    counter(
        "source_refused",
        "Batches sent back to be sent again",
        |s| s.refused.get(),
    ),
    counter("source_rotations", "Rotations of followed files", |s| {
        s.rotations.get()
    }),
    counter(
        "source_truncations",
        "Followed files truncated in place",
        |s| s.truncations.get(),
    ),
];

/// Of the webhook by status.
pub(super) const ANSWERS: &[Metric<u64>] =
    &[counter("webhook_answers", "Answers by status", |a| *a)];

/// Of the webhook, beside what it counts as a source.
pub(super) const WEBHOOK: &[Metric<WebhookCounters>] = &[
    counter("webhook_connections", "Connections accepted", |w| {
        w.connections.get()
    }),
    counter(
        "webhook_dead_letters",
        "Bodies kept because they can never be accepted",
        |w| w.dead_letters.get(),
    ),
    counter(
        "webhook_dead_letters_lost",
        "Bodies that could not be kept",
        |w| w.dead_letters_lost.get(),
    ),
    counter(
        "webhook_auth_failures",
        "Requests without valid credentials",
        |w| w.auth_failures.get(),
    ),
    counter(
        "webhook_handshake_failures",
        "TLS handshakes that failed",
        |w| w.handshake_failures.get(),
    ),
    counter(
        "webhook_slow_headers",
        "Connections closed because a header took too long",
        |w| w.slow_headers.get(),
    ),
    counter("webhook_oversized", "Bodies beyond the limit", |w| {
        w.oversized.get()
    }),
    counter(
        "webhook_reloads",
        "Changed certificates and tokens put in place",
        |w| w.reloads.get(),
    ),
    counter(
        "webhook_reload_failures",
        "Changed certificates and tokens that are broken",
        |w| w.failed_reloads.get(),
    ),
];

/// Of the detector.
pub(super) const DETECTION: &[Metric<DetectCounters>] = &[
    counter("detect_events", "Events put to the rules", |d| {
        d.events.load(Relaxed)
    }),
    counter(
        "detect_unreadable",
        "Journaled events that could not be read",
        |d| d.unreadable.load(Relaxed),
    ),
    counter("alerts", "Alerts raised", |d| d.alerts.load(Relaxed)),
    counter(
        "alerts_repeated",
        "Alerts found again and not raised twice",
        |d| d.repeated.load(Relaxed),
    ),
];

/// Of the rules.
pub(super) const RULES: &[Metric<LiveRules>] = &[
    gauge("rules", "Rules in force that can raise alerts", |r| {
        r.current().count_rules() as u64
    }),
    gauge(
        "rules_refused",
        "Rules and other parts of rule files that take no part because of their mistakes",
        |r| r.current().refused as u64,
    ),
    counter(
        "rule_reloads",
        "Times that other rules were put in place",
        |r| r.reloads.load(Relaxed),
    ),
    counter(
        "rule_reload_failures",
        "Times that new rules could not be loaded",
        |r| r.failed_reloads.load(Relaxed),
    ),
];

/// By rule.
pub(super) const MATCHES: &[Metric<RuleCounts>] = &[
    counter(
        "rule_matches",
        "Events that a rule matched, or that left a correlation satisfied",
        |r| r.matches,
    ),
    counter(
        "rule_suppressed",
        "Matches of correlations that raised no alert, by reason; repeated: there was one for the same group within the time span",
        |r| r.suppressed,
    ),
];

/// By correlation.
pub(super) const CORRELATIONS: &[Metric<CorrelationFigures>] = &[
    gauge("correlation_groups", "Groups that are remembered", |c| {
        c.groups
    }),
    gauge(
        "correlation_entries",
        "Events or values that are remembered",
        |c| c.entries,
    ),
    gauge(
        "correlation_bytes",
        "Memory of the correlation, without receipts",
        |c| c.bytes,
    ),
    counter(
        "correlation_evicted_groups",
        "Groups that were forgotten because of a limit",
        |c| c.evicted_groups,
    ),
    counter(
        "correlation_evicted_events",
        "Events or values that were forgotten because of a limit",
        |c| c.evicted_events,
    ),
    counter(
        "correlation_late_events",
        "Events that came too late to be looked at",
        |c| c.late_events,
    ),
];

/// Of the state of all correlations.
pub(super) const STATE: &[Metric<StateFigures>] = &[
    gauge(
        "state_bytes",
        "Memory of all correlations, receipts included",
        |s| s.view.load().bytes,
    ),
    gauge(
        "state_limit_bytes",
        "The most that correlations may remember",
        |s| s.limit.load(Relaxed),
    ),
    gauge(
        "state_receipt_bytes",
        "Memory of what is kept of events to show as evidence",
        |s| s.view.load().receipt_bytes,
    ),
    counter(
        "state_kept",
        "Correlations that went on where they were, after the start or a reload",
        |s| s.kept.load(Relaxed),
    ),
    counter(
        "state_dropped",
        "Correlations whose memory was given up then, since they are gone or ask something else",
        |s| s.dropped.load(Relaxed),
    ),
    counter(
        "state_unreadable",
        "States that could not be read after the start, so that all correlations began anew",
        |s| s.unreadable.load(Relaxed),
    ),
    counter("state_snapshots", "Snapshots that were written", |s| {
        s.snapshots.load(Relaxed)
    }),
    counter(
        "state_snapshot_failures",
        "Snapshots that could not be written",
        |s| s.failed_snapshots.load(Relaxed),
    ),
    gauge("state_snapshot_bytes", "Size of the last snapshot", |s| {
        s.last().map_or(0, |last| last.bytes)
    }),
    seconds(
        "state_snapshot_duration_seconds",
        "Time that the last snapshot took to make and to write",
        |s| s.last().map_or(0, |last| microseconds(last.took)),
    ),
    seconds(
        "state_snapshot_age_seconds",
        "Time since the last snapshot; without new events there is none",
        |s| s.last().map_or(0, |last| microseconds(last.at.elapsed())),
    ),
];

/// By journal.
pub(super) const JOURNALS: &[Metric<Stats>] = &[
    gauge("journal_records", "Records in the journal", |j| j.records),
    gauge("journal_bytes", "Bytes of the journal on disk", |j| j.bytes),
    gauge(
        "journal_waiting_bytes",
        "Bytes that wait to be written",
        |j| j.waiting_bytes as u64,
    ),
    counter(
        "journal_duplicates",
        "Records that were there and not written twice",
        |j| j.duplicates,
    ),
    counter(
        "journal_corrupt",
        "Damaged records that were skipped",
        |j| j.corrupt,
    ),
    counter("journal_write_errors", "Writes that failed", |j| {
        j.write_errors
    }),
    counter("journal_syncs", "Writes brought to disk", |j| j.syncs),
];

/// By journal and reader.
pub(super) const READERS: &[Metric<ReaderStats>] = &[
    gauge(
        "journal_lag",
        "Records that a reader has not committed",
        |r| r.lag,
    ),
    counter(
        "journal_lost",
        "Records deleted before a reader had read them",
        |r| r.lost,
    ),
];

/// By output.
pub(super) const OUTPUTS: &[Metric<OutputCounts>] = &[
    counter("output_delivered", "Alerts delivered", |o| o.delivered),
    counter(
        "output_filtered",
        "Alerts below the output's minimum priority",
        |o| o.filtered,
    ),
    counter(
        "output_failures",
        "Deliveries that failed and are tried again",
        |o| o.failures,
    ),
    counter(
        "output_dead_letters",
        "Alerts that the other side refused for good",
        |o| o.dead_letters,
    ),
    counter(
        "output_lost",
        "Alerts deleted before the output got them",
        |o| o.lost,
    ),
    gauge("output_lag", "Alerts that wait for the output", |o| o.lag),
];

/// As [`Kind::Seconds`] has it.
pub(super) fn microseconds(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}
