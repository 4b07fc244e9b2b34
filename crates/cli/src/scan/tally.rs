//! What a scan has read, in numbers.

use std::io::{self, Write};
use std::time::Instant;

use kubevigil_audit::time::Timestamp;
use kubevigil_detect::{CorrelationStats, Position, StateStats};
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
    /// The latest time of an event.
    newest: Timestamp,
    /// Whether the current input has given no event with a time yet.
    input_begins: bool,
    /// Correlations that a group satisfied once more.
    repeated: u64,
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
            newest: Timestamp::default(),
            input_begins: false,
            repeated: 0,
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

    /// Another input begins.
    pub(crate) fn input(&mut self) {
        self.input_begins = true;
    }

    /// The event just counted happened then. Says whether time goes back with it: it is the first of an input, and older than what was
    /// read before. An event without a time, which has the epoch's, says nothing about that.
    pub(crate) fn event_at(&mut self, time: Timestamp) -> bool {
        self.first_time.get_or_insert(time);
        if time == Timestamp::default() {
            return false;
        }
        let goes_back = self.input_begins && time < self.newest;
        self.input_begins = false;
        self.newest = if goes_back {
            time
        } else {
            self.newest.max(time)
        };
        goes_back
    }

    /// A correlation that has raised its alert was satisfied once more.
    pub(crate) fn repeated(&mut self) {
        self.repeated += 1;
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
        state: &StateStats,
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
        self.write_correlations(out, state)?;
        writeln!(out)
    }

    /// What correlations did not tell, and what they could not see.
    fn write_correlations(&self, out: &mut impl Write, state: &StateStats) -> io::Result<()> {
        let sum = |number: fn(&CorrelationStats) -> u64| -> u64 {
            state.correlations.iter().map(number).sum()
        };
        let groups = sum(|correlation| correlation.evicted_groups);
        let events = sum(|correlation| correlation.evicted_events);
        let late = sum(|correlation| correlation.late_events);
        if self.repeated > 0 {
            let repeats = plural(self.repeated, "repeat");
            write!(out, "; {repeats} of correlations left out")?;
        }
        if groups + events > 0 {
            let (groups, events) = (plural(groups, "group"), plural(events, "event"));
            write!(
                out,
                "; correlations gave up {groups} and {events} for want of memory"
            )?;
        }
        if late > 0 {
            write!(out, "; {} too late for correlations", plural(late, "event"))?;
        }
        Ok(())
    }
}
