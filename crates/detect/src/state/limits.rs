//! How much correlations may remember.

/// The most that correlations remember. What is over is evicted, the oldest use first, and counted.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct StateLimits {
    /// Bytes of all correlations together.
    pub bytes: usize,
    /// Groups of one correlation.
    pub groups: usize,
    /// Events of one group. A correlation that asks for more events of a group than this keeps as many as it asks for.
    pub events_per_group: usize,
    /// Values of one group that are counted or added up.
    pub values_per_group: usize,
    /// Values that one `first_seen` has learned, in all its groups.
    pub first_seen_values: usize,
}

impl Default for StateLimits {
    fn default() -> Self {
        Self {
            bytes: 64 << 20,
            groups: 100_000,
            events_per_group: 1_000,
            values_per_group: 10_000,
            first_seen_values: 1_000_000,
        }
    }
}
