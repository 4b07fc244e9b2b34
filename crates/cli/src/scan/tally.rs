//! What a scan has read, in numbers.

use std::io::{self, Write};
use std::time::Instant;

use kubevigil_audit::time::Timestamp;
use kubevigil_detect::Position;
use kubevigil_rules::Priority;
use kubevigil_sources::Arrival;

use crate::scan::problems::Problems;
use crate::scan::report::Report;
use crate::scan::wording::{duration, plural, priority_style, size, thousands};
use crate::terminal::BOLD;

/// The numbers of a scan.
#[derive(Debug)]
pub(crate) struct Tally {
    started: Instant,
    files: u64,
    events: u64,
    bytes: u64,
    alerts: u64,
    worst: Option<Priority>,
    first_time: Option<Timestamp>,
}

impl Default for Tally {
    fn default() -> Self {
        Self {
            started: Instant::now(),
            files: 0,
            events: 0,
            bytes: 0,
            alerts: 0,
            worst: None,
            first_time: None,
        }
    }
}

impl Tally {
    /// Counts an event and says where it stands in the stream. Scans know no time of arrival: an event without a time of
    /// its own has the epoch's.
    pub(crate) fn next_position(&mut self, arrival: &Arrival) -> Position {
        self.events += 1;
        self.bytes += arrival.raw.len() as u64;
        Position {
            number: self.events,
            first_time: self.first_time,
            received: Timestamp::default(),
        }
    }

    /// The event just counted happened then.
    pub(crate) fn event_at(&mut self, time: Timestamp) {
        self.first_time.get_or_insert(time);
    }

    /// The event just counted is none.
    pub(crate) fn unreadable(&mut self) {
        self.events -= 1;
    }

    pub(crate) fn alert(&mut self, priority: Priority) {
        self.alerts += 1;
        self.worst = self.worst.max(Some(priority));
    }

    pub(crate) fn file(&mut self) {
        self.files += 1;
    }

    pub(crate) fn events(&self) -> u64 {
        self.events
    }

    /// The most urgent priority of all alerts.
    pub(crate) fn worst(&self) -> Option<Priority> {
        self.worst
    }

    /// Writes the line of totals.
    pub(crate) fn write(
        &self,
        out: &mut impl Write,
        report: &Report,
        problems: &Problems,
    ) -> io::Result<()> {
        let read = format!(
            "{} in {} ({}) read in {}",
            plural(self.events, "event"),
            plural(self.files, "file"),
            size(self.bytes),
            duration(self.started.elapsed())
        );
        if self.alerts == 0 {
            write!(out, "{BOLD}no alerts{BOLD:#}")?;
        } else {
            let alerts = plural(self.alerts, "alert");
            let rules = plural(report.rules(), "rule");
            write!(out, "{BOLD}{alerts}{BOLD:#} by {rules}")?;
        }
        for (position, (priority, count)) in report.counts().into_iter().enumerate() {
            let style = priority_style(priority);
            let separator = if position == 0 { ": " } else { ", " };
            let (count, word) = (thousands(count), priority.as_str().to_lowercase());
            write!(out, "{separator}{style}{count} {word}{style:#}")?;
        }
        write!(out, "; {read}")?;
        if problems.count() > 0 {
            write!(
                out,
                "; {} could not be read",
                plural(problems.count(), "place")
            )?;
        }
        writeln!(out)
    }
}
