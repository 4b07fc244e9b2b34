//! How much correlations may remember.

use kubevigil_detect::StateLimits;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::config::size::Size;

/// With less, correlations would forget before anything can fire.
const LEAST_MEMORY: Size = Size(1 << 20);

/// How much correlations may remember. What is over is forgotten, the oldest use first, and counted in the metrics.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct StateConfig {
    /// Memory of all correlations together, such as `64MiB`. When it is full, the correlation that has most of it forgets first.
    pub(crate) memory: Size,
    /// Groups of one correlation: with `group-by: [kv.effectiveUser]`, so many users are watched at once.
    #[schemars(range(min = 1))]
    pub(crate) groups: usize,
    /// Events that are kept of one group within its time span. A correlation that asks for more keeps as many as it asks for.
    #[schemars(range(min = 1))]
    pub(crate) events_per_group: usize,
    /// Different values that are told apart, or numbers that are added up, in one group.
    #[schemars(range(min = 1))]
    pub(crate) values_per_group: usize,
    /// Values that one `first_seen` has learned, in all its groups. A value that is forgotten is new when it comes again.
    #[schemars(range(min = 1))]
    pub(crate) first_seen_values: usize,
}

impl Default for StateConfig {
    fn default() -> Self {
        let StateLimits {
            bytes,
            groups,
            events_per_group,
            values_per_group,
            first_seen_values,
        } = StateLimits::default();
        Self {
            memory: Size(bytes as u64),
            groups,
            events_per_group,
            values_per_group,
            first_seen_values,
        }
    }
}

impl StateConfig {
    /// What the detector obeys.
    pub(crate) fn limits(&self) -> StateLimits {
        StateLimits {
            bytes: usize::try_from(self.memory.0).unwrap_or(usize::MAX),
            groups: self.groups,
            events_per_group: self.events_per_group,
            values_per_group: self.values_per_group,
            first_seen_values: self.first_seen_values,
        }
    }

    /// A limit under which no correlation could ever fire: its key and what to do.
    pub(crate) fn contradiction(&self) -> Option<(&'static str, &'static str)> {
        if self.memory < LEAST_MEMORY {
            return Some((
                "memory",
                "must be at least 1MiB; with less, correlations forget before anything can fire",
            ));
        }
        let counts = [
            ("groups", self.groups),
            ("events_per_group", self.events_per_group),
            ("values_per_group", self.values_per_group),
            ("first_seen_values", self.first_seen_values),
        ];
        let zero = counts.into_iter().find(|(_, count)| *count == 0);
        zero.map(|(key, _)| {
            (
                key,
                "must be at least 1; to run without correlations, disable them under rules.select",
            )
        })
    }
}
