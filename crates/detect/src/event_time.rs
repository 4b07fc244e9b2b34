//! When an event happened.

use kubevigil_audit::json::{Found, PathId, PathsBuilder};
use kubevigil_audit::time::Timestamp;

/// Where an event's time may stand.
#[derive(Debug)]
pub(crate) struct EventTime([PathId; 4]);

/// The best place first; older API versions wrote it elsewhere (see `kubevigil_audit::event`).
const TIMES: [&[&str]; 4] = [
    &["stageTimestamp"],
    &["metadata", "creationTimestamp"],
    &["requestReceivedTimestamp"],
    &["timestamp"],
];

impl EventTime {
    pub(crate) fn new(paths: &mut PathsBuilder) -> Self {
        Self(TIMES.map(|keys| paths.add(keys)))
    }

    /// The time that the event says.
    pub(crate) fn of(&self, found: &Found<'_, '_>) -> Option<Timestamp> {
        self.0
            .iter()
            .find_map(|&path| Timestamp::parse(&found.get(path)?.string()?))
    }
}
