//! The events taken from lines that keep coming, and the problems on the way: for followed files and standard input.

use std::sync::Arc;
use std::time::Duration;

use kubevigil_audit::payload;
use tracing::warn;

use crate::Arrival;
use crate::counters::SourceCounters;
use crate::file::lines::{DEFAULT_LINE_LIMIT, Item, Line};

/// How much is read at once, in bytes and events.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// The longest line that is read.
    pub line: usize,
    /// A batch holds at most so many events, and those of the line that filled it.
    pub batch_events: usize,
    /// A batch is handed over once its lines have so many bytes.
    pub batch_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            line: DEFAULT_LINE_LIMIT,
            batch_events: 1000,
            batch_bytes: 4 << 20,
        }
    }
}

/// A batch while it fills.
pub(crate) struct Taken<'s> {
    pub(crate) events: Vec<Arrival>,
    /// Bytes of the lines so far, with and without events: a log of nothing but rubbish is left now and then, too.
    bytes: usize,
    limits: Limits,
    complaints: &'s mut Complaints,
}

impl<'s> Taken<'s> {
    pub(crate) fn new(limits: Limits, complaints: &'s mut Complaints) -> Self {
        Self {
            events: Vec::new(),
            bytes: 0,
            limits,
            complaints,
        }
    }

    pub(crate) fn is_full(&self) -> bool {
        self.events.len() >= self.limits.batch_events || self.bytes >= self.limits.batch_bytes
    }

    /// The file cannot be read on.
    pub(crate) fn failure(&mut self, file: &Arc<str>, line: u64, error: &std::io::Error) {
        self.complaints.add(file, line, &|| {
            format!("cannot read on: {error}; trying again when the file changes")
        });
    }

    /// Takes the events on a line.
    pub(crate) fn item(&mut self, file: &Arc<str>, item: Item) {
        match item {
            Item::Line(line) => self.line(file, line),
            Item::TooLong(long) => {
                let (length, limit) = (long.length, self.limits.line);
                self.complaints.counters.too_long.add(1);
                self.complaints.add(file, long.line, &|| {
                    format!("skipped a line of {length} bytes, beyond the limit of {limit}; raise the limit on lines to read it")
                });
            }
        }
    }

    fn line(&mut self, file: &Arc<str>, line: Line) {
        let text = line.bytes;
        self.bytes += text.len();
        let split = match payload::split(&text) {
            Ok(split) => split,
            Err(error) => {
                self.complaints
                    .add(file, line.number, &|| format!("skipped: {error}"));
                // A NUL byte cannot stand in JSON: it marks a hole, and what follows it is another line.
                let hole = memchr::memrchr(0, &text).map_or(text.len(), |at| at + 1);
                payload::split(&text.slice(hole..)).unwrap_or_default()
            }
        };
        for problem in &split.problems {
            self.complaints
                .add(file, line.number, &|| format!("skipped: {problem}"));
        }
        if split.further_problems > 0 {
            let further = split.further_problems;
            self.complaints.counters.problems.add(further as u64 - 1);
            self.complaints.add(file, line.number, &|| {
                format!("skipped: {further} more values that are no audit events")
            });
        }
        for raw in split.events {
            let line = line.number;
            self.events.push(Arrival { raw, line });
        }
    }
}

/// Counts problems and tells the first few of each while.
pub(crate) struct Complaints {
    pub(crate) counters: Arc<SourceCounters>,
    pub(crate) now: Duration,
    since: Duration,
    told: u32,
    untold: u64,
}

/// So many problems are told in one [`WHILE`].
const TOLD: u32 = 5;

const WHILE: Duration = Duration::from_secs(10);

impl Complaints {
    pub(crate) fn new(counters: Arc<SourceCounters>) -> Self {
        Self {
            counters,
            now: Duration::ZERO,
            since: Duration::ZERO,
            told: 0,
            untold: 0,
        }
    }

    fn add(&mut self, file: &str, line: u64, reason: &dyn Fn() -> String) {
        self.counters.problems.add(1);
        if self.now.saturating_sub(self.since) >= WHILE {
            (self.since, self.told) = (self.now, 0);
        }
        if self.told >= TOLD {
            self.untold += 1;
            return;
        }
        self.told += 1;
        let (reason, untold) = (reason(), std::mem::take(&mut self.untold));
        warn!(
            file,
            line, reason, untold, "a log has a place in which no event was found"
        );
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    #[test]
    fn every_value_that_is_no_event_is_counted() {
        let text = format!("[{}]", ["1"; 250].join(","));
        let mut complaints = Complaints::new(Arc::default());
        let counters = Arc::clone(&complaints.counters);
        let mut taken = Taken::new(Limits::default(), &mut complaints);
        let line = Line {
            bytes: Bytes::from(text),
            number: 1,
            offset: 0,
        };
        taken.item(&"audit.log".into(), Item::Line(line));
        assert!(taken.events.is_empty());
        assert_eq!(counters.problems.get(), 250);
    }
}
