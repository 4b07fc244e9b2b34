//! What is counted of audited requests, for the metrics (spec 12).

use std::sync::atomic::{AtomicU64, Ordering};

use kubevigil_audit::policy::PolicyLevel;

/// Counts since the start.
#[derive(Debug, Default)]
pub struct AuditCounters {
    events: AtomicU64,
    levels: [AtomicU64; PolicyLevel::ALL.len()],
    requests_rejected: AtomicU64,
    answers_broken_off: AtomicU64,
    bodies_dropped: AtomicU64,
    requests_abandoned: AtomicU64,
}

impl AuditCounters {
    /// Events handed to the sink, lost ones included (`apiserver_audit_event_total`).
    pub fn events(&self) -> u64 {
        self.events.load(Ordering::Relaxed)
    }

    /// Requests for which the policy chose this level (`apiserver_audit_level_total`).
    pub fn requests_at(&self, level: PolicyLevel) -> u64 {
        let known = PolicyLevel::ALL.iter().zip(&self.levels);
        let count = known
            .filter(|(known, _)| **known == level)
            .map(|(_, count)| count);
        count.map(|count| count.load(Ordering::Relaxed)).sum()
    }

    /// Requests answered with 500 because their first event was refused (`apiserver_audit_requests_rejected_total`).
    pub fn requests_rejected(&self) -> u64 {
        self.requests_rejected.load(Ordering::Relaxed)
    }

    /// Answers that were broken off or replaced because a later event was refused by a sink that must keep them all.
    pub fn answers_broken_off(&self) -> u64 {
        self.answers_broken_off.load(Ordering::Relaxed)
    }

    /// Bodies that the policy wanted and that [`Limits`](crate::auditing::Limits), their encoding, or a format or kind that is not
    /// read here kept out of the events.
    pub fn bodies_dropped(&self) -> u64 {
        self.bodies_dropped.load(Ordering::Relaxed)
    }

    /// Requests whose last events could not be handed over, because the runtime was gone before them.
    pub fn requests_abandoned(&self) -> u64 {
        self.requests_abandoned.load(Ordering::Relaxed)
    }

    pub(crate) fn count_event(&self) {
        self.events.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn count_level(&self, level: PolicyLevel) {
        let known = PolicyLevel::ALL.iter().zip(&self.levels);
        for (_, count) in known.filter(|(known, _)| **known == level) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    pub(crate) fn count_rejected(&self) {
        self.requests_rejected.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn count_broken_off(&self) {
        self.answers_broken_off.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn count_dropped_body(&self) {
        self.bodies_dropped.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn count_abandoned(&self) {
        self.requests_abandoned.fetch_add(1, Ordering::Relaxed);
    }
}
