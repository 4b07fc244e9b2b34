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
    /// Requests whose header could be read, refused ones included.
    pub requests: Count,
    /// Requests refused unaudited, because no API server would let them reach its handlers, or could tell what they are about.
    pub malformed: ByReason,
    /// Requests answered with 429, because too many were in flight.
    pub sent_away: Count,
    /// Requests that made the gateway panic.
    pub panics: Count,
    /// Certificates and other files loaded after a change.
    pub reloads: Count,
    /// Changed files that were broken; the old ones stay in use.
    pub failed_reloads: Count,
}

/// Why a request was refused without an event. An API server refuses such requests before its handlers, too, and records nothing.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Malformed {
    /// The first line or a header line is none, or a body's length is said in no way that can be relied on (400).
    Syntax,
    /// A header with too many bytes or lines (431), or a path that is too long (414).
    TooLarge,
    /// No `Host`, or two, or a transfer encoding but `chunked` (400).
    Framing,
    /// No path: `CONNECT`, `*` (400).
    Target,
    /// The path means nothing to an API server (400, 500).
    Meaning,
    /// TLS where plain HTTP is spoken: the connection ends.
    Tls,
    /// HTTP/2 that was not agreed on, or that breaks its rules: the connection ends.
    Http2,
}

/// A count for each reason.
#[derive(Debug, Default)]
pub struct ByReason([Count; Malformed::ALL.len()]);

impl Malformed {
    /// All there are.
    pub const ALL: [Self; 7] = [
        Self::Syntax,
        Self::TooLarge,
        Self::Framing,
        Self::Target,
        Self::Meaning,
        Self::Tls,
        Self::Http2,
    ];

    /// Its name in metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Syntax => "syntax",
            Self::TooLarge => "too_large",
            Self::Framing => "framing",
            Self::Target => "target",
            Self::Meaning => "meaning",
            Self::Tls => "tls",
            Self::Http2 => "http2",
        }
    }
}

impl ByReason {
    /// How many there were for each reason, in the order of [`Malformed::ALL`].
    pub fn all(&self) -> impl Iterator<Item = (Malformed, u64)> + '_ {
        Malformed::ALL
            .into_iter()
            .zip(self.0.iter().map(Count::get))
    }

    /// How many there were in all.
    pub fn sum(&self) -> u64 {
        self.0.iter().map(Count::get).sum()
    }

    pub(crate) fn count(&self, reason: Malformed) {
        let counts = Malformed::ALL.iter().zip(&self.0);
        for (_, count) in counts.filter(|(known, _)| **known == reason) {
            count.add(1);
        }
    }
}
