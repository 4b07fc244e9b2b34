//! What the webhook counts, for the metrics.

use http::StatusCode;

use crate::counters::{Count, SourceCounters};

/// The statuses that the webhook answers with.
const STATUSES: [u16; 11] = [200, 400, 401, 403, 404, 405, 408, 413, 415, 429, 503];

/// Counts since the start of the process. Health checks are not counted.
#[derive(Debug, Default)]
pub struct WebhookCounters {
    /// Batches, events, bytes, problems and refusals, as every source counts them.
    pub source: SourceCounters,
    /// Requests without a valid token, or with a certificate whose name is not allowed.
    pub auth_failures: Count,
    /// TLS handshakes that failed: no or unknown client certificate, plain HTTP, or a client that does not trust ours.
    pub handshake_failures: Count,
    /// Connections closed because a header took too long.
    pub slow_headers: Count,
    /// Bodies beyond the limit, which cannot be kept.
    pub oversized: Count,
    /// Files written to the dead-letter folder; content that is sent again is written once.
    pub dead_letters: Count,
    /// Letters that could not be kept, because the folder is full, missing or cannot be written.
    pub dead_letters_lost: Count,
    /// Connections accepted.
    pub connections: Count,
    /// Certificates and tokens loaded after a change.
    pub reloads: Count,
    /// Changed certificates or tokens that were broken; the old ones stay in use.
    pub failed_reloads: Count,
    statuses: [Count; STATUSES.len()],
}

impl WebhookCounters {
    /// How often each status was answered, in the order of the statuses.
    pub fn by_status(&self) -> impl Iterator<Item = (u16, u64)> + '_ {
        STATUSES
            .into_iter()
            .zip(self.statuses.iter().map(Count::get))
    }

    pub(super) fn answered(&self, status: StatusCode) {
        let all = STATUSES.iter().zip(&self.statuses);
        for (_, count) in all.filter(|(known, _)| **known == status.as_u16()) {
            count.add(1);
        }
    }
}
