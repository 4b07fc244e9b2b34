//! What the gateway counts, for the metrics. What becomes of audit events is counted by the auditing.

use kubevigil_connections::Count;

/// Counts since the start of the process.
#[derive(Debug, Default)]
pub struct GatewayCounters {
    /// Connections accepted.
    pub connections: Count,
    /// Times that a connection found all places taken.
    pub full: Count,
    /// TLS handshakes that failed: plain HTTP, a certificate without its key, or a client that does not trust ours.
    pub handshake_failures: Count,
    /// Connections closed because a handshake or a header took too long.
    pub slow_headers: Count,
    /// Connections closed because the client took nothing of an answer.
    pub slow_readers: Count,
    /// Requests whose body stood still for too long.
    pub stalled_bodies: Count,
    /// Requests that reached the gateway, refused ones included.
    pub requests: Count,
    /// Requests refused unaudited, because no API server could tell what they are about.
    pub malformed: Count,
    /// Requests answered with 429, because too many were in flight.
    pub sent_away: Count,
    /// Certificates and other files loaded after a change.
    pub reloads: Count,
    /// Changed files that were broken; the old ones stay in use.
    pub failed_reloads: Count,
}
