//! What every source counts, for the metrics page and for the report at the end of a run.

pub use kubevigil_connections::Count;

use crate::Batch;

/// The counts of one source since the process began. Cheap to add to from any thread; readers see each number on its own, never
/// a consistent set.
#[derive(Debug, Default)]
pub struct SourceCounters {
    /// Batches that the intake made durable.
    pub batches: Count,
    /// Events in those batches.
    pub events: Count,
    /// Bytes of those events, as received.
    pub bytes: Count,
    /// Lines, values or bodies in which no event could be found: broken JSON, lines beyond the limit.
    pub problems: Count,
    /// Times that the intake refused a batch; a file source tries the same batch again, so this is not a loss.
    pub refused: Count,
    /// Lines beyond the length limit; they are among the problems too.
    pub too_long: Count,
    /// Rotations seen: a file was renamed away and another took its name.
    pub rotations: Count,
    /// Truncations in place seen: the file lost what was already read.
    pub truncations: Count,
}

impl SourceCounters {
    /// Counts a batch that the intake made durable.
    pub fn accepted(&self, batch: &Batch) {
        let bytes = batch.events.iter().map(|event| event.raw.len() as u64);
        self.batches.add(1);
        self.events.add(batch.events.len() as u64);
        self.bytes.add(bytes.sum());
    }
}
