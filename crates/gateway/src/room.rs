//! How much of what is configured the descriptors of this process allow.
//!
//! Each client takes one, and each request in flight one to the upstream; connections to the upstream that wait for the next request take
//! as many as there may be short requests. If they ran out, it would not be new clients only who suffer: logs could not rotate, and the
//! journal could not go on.

use tracing::warn;

use crate::config::GatewayConfig;

/// For files, the journal, the daemon around, and a few connections more.
const RESERVE: u64 = 128;

/// What may be in use at once.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Room {
    pub(crate) connections: usize,
    pub(crate) requests: usize,
    pub(crate) long_running: usize,
}

impl Room {
    /// What is configured, or less where the `limit` of open descriptors does not allow it; the log says so.
    pub(crate) fn within(config: &GatewayConfig, limit: u64) -> Self {
        let configured = Self {
            connections: config.max_connections,
            requests: config.max_requests,
            long_running: config.max_long_running,
        };
        let room = configured.at_most(limit);
        if room != configured {
            let (connections, requests, long_running) =
                (room.connections, room.requests, room.long_running);
            let advice = "allow more open files: LimitNOFILE= of systemd, `ulimit -n` of a shell";
            warn!(
                limit,
                connections,
                requests,
                long_running,
                advice,
                "less may be in use at once than configured"
            );
        }
        room
    }

    fn at_most(self, limit: u64) -> Self {
        let there = usize::try_from(limit.saturating_sub(RESERVE)).unwrap_or(usize::MAX);
        let needed = self
            .connections
            .saturating_add(self.requests.saturating_mul(2))
            .saturating_add(self.long_running);
        if needed <= there {
            return self;
        }
        let eighths = |part: usize| (there / 8).saturating_mul(part).max(1);
        Self {
            connections: self.connections.min(eighths(3)),
            requests: self.requests.min(eighths(1)),
            long_running: self.long_running.min(eighths(3)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_in_use_never_exceeds_the_descriptors() {
        let configured = Room {
            connections: 4096,
            requests: 1000,
            long_running: 10_000,
        };
        assert_eq!(configured.at_most(1 << 20), configured);
        let room = configured.at_most(1024);
        assert_eq!(
            (room.connections, room.requests, room.long_running),
            (336, 112, 336)
        );
        for limit in [1024, 2048, 4096, 10_000, 16_000] {
            let room = configured.at_most(limit);
            let used = room.connections + 2 * room.requests + room.long_running;
            assert!(used as u64 + RESERVE <= limit, "{limit}: {room:?}");
        }
        assert_eq!(
            configured.at_most(10).connections,
            1,
            "hopeless, but it starts"
        );
    }
}
