//! What alerts and receipts say about an event, read when the first of them needs it: most events need neither.

use std::sync::Arc;

use kubevigil_alerts::EventSummary;
use kubevigil_audit::json::PathScratch;
use kubevigil_sources::Arrival;

/// The summary of one event, read once.
pub(crate) struct Summary<'e> {
    file: &'e Arc<str>,
    arrival: &'e Arrival,
    scratch: &'e mut PathScratch,
    read: Option<EventSummary>,
}

impl<'e> Summary<'e> {
    /// The summary of an event of this file, not read yet.
    pub(crate) fn new(
        file: &'e Arc<str>,
        arrival: &'e Arrival,
        scratch: &'e mut PathScratch,
    ) -> Self {
        Self {
            file,
            arrival,
            scratch,
            read: None,
        }
    }

    pub(crate) fn get(&mut self) -> &EventSummary {
        self.read.get_or_insert_with(|| {
            let mut event = EventSummary::read(&self.arrival.raw, self.scratch);
            event.event.file = Some(self.file.to_string());
            event.event.line = Some(self.arrival.line);
            event
        })
    }
}
