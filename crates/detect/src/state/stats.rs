//! What operators see of the state.

use crate::state::State;

/// The size of the state and what was left out of it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct StateStats {
    /// In the order in which they are evaluated: nested ones before those around them.
    pub correlations: Vec<CorrelationStats>,
    /// Bytes of all correlations and receipts together; what [`StateLimits::bytes`](super::StateLimits::bytes) limits.
    pub bytes: usize,
    /// Bytes of the callers' descriptions of events, which correlations share.
    pub receipt_bytes: usize,
}

/// The memory of one correlation.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct CorrelationStats {
    /// The rule's position in [`Matcher::rules`](crate::Matcher::rules).
    pub rule_number: usize,
    /// Groups that are remembered.
    pub groups: usize,
    /// Events or values that are remembered.
    pub entries: usize,
    /// Their memory, without receipts.
    pub bytes: usize,
    /// Groups that were given up because of a limit.
    pub evicted_groups: u64,
    /// Events or values that were given up because of a limit.
    pub evicted_events: u64,
    /// Events that came too late to be looked at.
    pub late_events: u64,
    /// Matches that were marked as repeated.
    pub repeated: u64,
}

/// What one correlation counts.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Counters {
    pub(crate) evicted_groups: u64,
    pub(crate) evicted_events: u64,
    pub(crate) late: u64,
    pub(crate) repeated: u64,
}

impl State {
    /// The size of the state and what was left out of it. Counts are those since the state was new, restores included.
    pub fn stats(&self) -> StateStats {
        let correlations =
            self.definitions
                .iter()
                .zip(&self.memories)
                .map(|(definition, memory)| {
                    let counters = memory.counters;
                    CorrelationStats {
                        rule_number: definition.rule_number,
                        groups: memory.groups(),
                        entries: memory.entries(),
                        bytes: memory.bytes(),
                        evicted_groups: counters.evicted_groups,
                        evicted_events: counters.evicted_events,
                        late_events: counters.late,
                        repeated: counters.repeated,
                    }
                });
        StateStats {
            correlations: correlations.collect(),
            bytes: self.bytes(),
            receipt_bytes: self.ledger.bytes(),
        }
    }
}
