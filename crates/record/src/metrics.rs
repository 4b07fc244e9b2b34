//! The numbers of recording in one place, for whoever shows them (spec 12).
//!
//! Those of the API server keep its names, so that its dashboards work; each field says which. The others begin with
//! `kubevigil_record_`.

use std::sync::Arc;

use kubevigil_audit::policy::PolicyLevel;

use crate::auditing::Auditing;
use crate::durable::{Durable, DurableFigures};
use crate::policy_file::LivePolicy;
use crate::sink::{ErrorCounters, PLUGINS};

/// Whose numbers are shown.
#[derive(Clone)]
pub struct RecordMetrics {
    /// What the layers count.
    pub auditing: Arc<Auditing>,
    /// What backends and what is around them lose.
    pub errors: Arc<ErrorCounters>,
    /// The backends in mode `durable`.
    pub durable: Vec<Arc<Durable>>,
    /// The policy's file, if it can change.
    pub policy: Option<Arc<LivePolicy>>,
}

/// Numbers of one moment. All but those that say otherwise only grow.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct RecordFigures {
    /// `apiserver_audit_event_total`: events handed to the sink, lost ones included.
    pub events: u64,
    /// `apiserver_audit_level_total`, by `level`: requests for which the policy chose it, `None` included.
    pub levels: [(PolicyLevel, u64); PolicyLevel::ALL.len()],
    /// `apiserver_audit_requests_rejected_total`: requests answered with 500 because their first event was refused.
    pub requests_rejected: u64,
    /// `apiserver_audit_error_total`, by `plugin`: events that an error affected.
    pub errors: [(&'static str, u64); PLUGINS.len()],
    /// Answers broken off because a later event could not be kept (mode `durable`).
    pub answers_broken_off: u64,
    /// Bodies that the policy wanted and a limit kept out of the events.
    pub bodies_dropped: u64,
    /// Bytes that copies of bodies hold; goes up and down.
    pub body_bytes: u64,
    /// Requests whose last events could not be handed over when the process ended.
    pub requests_abandoned: u64,
    /// Times that another policy was put into force.
    pub policy_reloads: u64,
    /// Times that a changed policy was not.
    pub policy_reload_failures: u64,
    /// The backends in mode `durable`.
    pub durable: Vec<DurableFigures>,
}

impl RecordMetrics {
    /// The numbers of this moment.
    pub fn figures(&self) -> RecordFigures {
        let counters = self.auditing.counters();
        let policy = self.policy.as_deref();
        RecordFigures {
            events: counters.events(),
            levels: PolicyLevel::ALL.map(|level| (level, counters.requests_at(level))),
            requests_rejected: counters.requests_rejected(),
            errors: PLUGINS.map(|plugin| (plugin, self.errors.get(plugin))),
            answers_broken_off: counters.answers_broken_off(),
            bodies_dropped: counters.bodies_dropped(),
            body_bytes: self.auditing.recorded_bytes() as u64,
            requests_abandoned: counters.requests_abandoned(),
            policy_reloads: policy.map_or(0, LivePolicy::reloads),
            policy_reload_failures: policy.map_or(0, LivePolicy::failed_reloads),
            durable: self
                .durable
                .iter()
                .map(|durable| durable.figures())
                .collect(),
        }
    }
}
