//! What a journal can be told.

use std::time::Duration;

/// How a journal keeps its records. The defaults suit the journal of events.
#[derive(Clone, Debug)]
pub struct Options {
    /// A segment of this many bytes is closed and the next one begun. 64 MiB by default.
    pub segment_bytes: u64,
    /// While the segments hold more than this, the oldest is deleted, even one that a reader has
    /// not finished (then the loss is counted for that reader and logged). 8 GiB by default.
    pub retain_bytes: u64,
    /// Segments whose newest record is older than this are deleted once every reader has finished
    /// them. Seven days by default.
    pub retain_age: Option<Duration>,
    /// A longer payload is refused. 64 MiB by default.
    pub max_record_bytes: usize,
    /// A keyed record is a duplicate when its key is among those of this many newest records.
    /// 200,000 by default, which takes up to 10 MiB of memory; 0 recognises none.
    pub duplicate_window: usize,
    /// Appends are refused while this many bytes wait to be written. 64 MiB by default. A single
    /// append may be larger: it is taken when nothing else waits.
    pub max_waiting_bytes: usize,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            segment_bytes: 64 << 20,
            retain_bytes: 8 << 30,
            retain_age: Some(Duration::from_secs(7 * 24 * 3600)),
            max_record_bytes: 64 << 20,
            duplicate_window: 200_000,
            max_waiting_bytes: 64 << 20,
        }
    }
}

/// Where a reader begins that the journal has not met before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ReaderStart {
    /// At the oldest record that is kept.
    #[default]
    Oldest,
    /// After the newest record: it sees only what comes.
    Newest,
}
