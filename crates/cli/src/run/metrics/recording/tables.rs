//! The metrics of an auditing gateway, each once, as in the catalogue.

use std::time::Duration;

use kubevigil_gateway::GatewayCounters;
use kubevigil_record::durable::DurableFigures;
use kubevigil_record::metrics::RecordFigures;

use crate::run::metrics::catalogue::{Metric, counter, gauge, microseconds, seconds};

/// Under kube-apiserver's names.
pub(in crate::run::metrics) const APISERVER: &[Metric<RecordFigures>] = &[
    counter(
        "event",
        "Events handed to the backends, lost ones included",
        |f| f.events,
    ),
    counter(
        "requests_rejected",
        "Requests that failed because their first event could not be kept",
        |f| f.requests_rejected,
    ),
];

/// Under kube-apiserver's name, by level.
pub(in crate::run::metrics) const APISERVER_LEVELS: &[Metric<u64>] = &[counter(
    "level",
    "Requests by the level that the policy chose, None included",
    |l| *l,
)];

/// Under kube-apiserver's name, by plugin.
pub(in crate::run::metrics) const APISERVER_ERRORS: &[Metric<u64>] = &[counter(
    "error",
    "Events that an error affected: lost, as a rule",
    |e| *e,
)];

/// Of the gateway.
pub(in crate::run::metrics) const GATEWAY: &[Metric<GatewayCounters>] = &[
    counter(
        "gateway_requests",
        "Requests whose header could be read, refused ones included",
        |g| g.requests.get(),
    ),
    counter(
        "gateway_panics",
        "Requests that made the gateway panic: a mistake of its own",
        |g| g.panics.get(),
    ),
    counter("gateway_connections", "Connections accepted", |g| {
        g.connections.get()
    }),
    counter(
        "gateway_full",
        "Times that there was no place left for a connection",
        |g| g.full.get(),
    ),
    counter(
        "gateway_handshake_failures",
        "TLS handshakes that failed",
        |g| g.handshake_failures.get(),
    ),
    counter(
        "gateway_slow_headers",
        "Connections closed because a handshake or a header took too long",
        |g| g.slow_headers.get(),
    ),
    counter(
        "gateway_slow_readers",
        "Connections closed because the client took nothing of an answer",
        |g| g.slow_readers.get(),
    ),
    counter(
        "gateway_stalled_bodies",
        "Requests whose body stood still for too long",
        |g| g.stalled_bodies.get(),
    ),
    counter(
        "gateway_sent_away",
        "Requests answered with 429 because there were too many at once",
        |g| g.sent_away.get(),
    ),
    counter(
        "gateway_reloads",
        "Changed certificates and other files put in place",
        |g| g.reloads.get(),
    ),
    counter(
        "gateway_reload_failures",
        "Changed files that are broken",
        |g| g.failed_reloads.get(),
    ),
];

/// Of the gateway, by reason.
pub(in crate::run::metrics) const GATEWAY_MALFORMED: &[Metric<u64>] = &[counter(
    "gateway_malformed",
    "Requests refused unrecorded, as no API server records them either",
    |m| *m,
)];

/// Of the recording.
pub(in crate::run::metrics) const RECORD: &[Metric<RecordFigures>] = &[
    counter(
        "record_answers_broken_off",
        "Answers broken off because a later event could not be kept",
        |r| r.answers_broken_off,
    ),
    counter(
        "record_bodies_dropped",
        "Bodies left out of events because of their size, encoding or format",
        |r| r.bodies_dropped,
    ),
    gauge(
        "record_body_bytes",
        "Bytes of bodies that are held for recording",
        |r| r.body_bytes,
    ),
    counter(
        "record_requests_abandoned",
        "Requests whose last events were lost at the end of the process",
        |r| r.requests_abandoned,
    ),
    counter(
        "record_policy_reloads",
        "Changed policies put in force",
        |r| r.policy_reloads,
    ),
    counter(
        "record_policy_reload_failures",
        "Changed policies that have mistakes",
        |r| r.policy_reload_failures,
    ),
];

/// By backend in mode durable.
pub(in crate::run::metrics) const DURABLE: &[Metric<DurableFigures>] = &[
    counter("record_durable_kept", "Events brought to disk", |d| d.kept),
    counter(
        "record_durable_refused",
        "Events that could not be, so that their requests failed",
        |d| d.refused,
    ),
    counter(
        "record_durable_delivered",
        "Events that the backend took, repeated ones included",
        |d| d.delivered,
    ),
    counter(
        "record_durable_failures",
        "Deliveries that failed and are tried again",
        |d| d.failed_deliveries,
    ),
    counter(
        "record_durable_damaged",
        "Events that the disk has damaged",
        |d| d.damaged,
    ),
    gauge(
        "record_durable_waiting",
        "Events that wait for the backend",
        |d| d.waiting_events,
    ),
    gauge(
        "record_durable_waiting_bytes",
        "Bytes on disk of events that wait",
        |d| d.waiting_bytes,
    ),
    seconds(
        "record_durable_failing_seconds",
        "Time for which every delivery has failed",
        |d| microseconds(d.failing_for.unwrap_or(Duration::ZERO)),
    ),
];
