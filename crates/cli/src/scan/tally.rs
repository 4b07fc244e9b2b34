//! What a scan has read, in numbers.

use std::io::{self, Write};
use std::time::{Duration, Instant};

use kubevigil_audit::time::Timestamp;
use kubevigil_detect::Position;
use kubevigil_rules::Priority;
use kubevigil_sources::Arrival;

use crate::scan::problems::Problems;
use crate::scan::report::Report;
use crate::scan::table::{plural, priority_style, thousands};
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
            write!(out, "{BOLD}nothing found{BOLD:#}")?;
        } else {
            let rules = plural(report.rules() as u64, "rule");
            write!(
                out,
                "{BOLD}{}{BOLD:#} by {rules}",
                plural(self.alerts, "finding")
            )?;
            for (position, (priority, count)) in report.counts().into_iter().enumerate() {
                let style = priority_style(priority);
                let separator = if position == 0 { ": " } else { ", " };
                write!(
                    out,
                    "{separator}{style}{} {}{style:#}",
                    thousands(count),
                    priority.as_str().to_lowercase()
                )?;
            }
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

fn size(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["B", "kB", "MB", "GB", "TB"];
    let mut value = bytes as f64;
    let mut units = UNITS.iter();
    let mut unit = units.next().copied().unwrap_or_default();
    while let Some(larger) = units.next().filter(|_| value >= 1_000.0) {
        value /= 1_000.0;
        unit = larger;
    }
    if unit == "B" {
        format!("{bytes} B")
    } else {
        format!("{value:.1} {unit}")
    }
}

fn duration(elapsed: Duration) -> String {
    match elapsed.as_secs() {
        0 => format!("{} ms", elapsed.as_millis()),
        1..=59 => format!("{:.1} s", elapsed.as_secs_f64()),
        seconds => format!("{} min {} s", seconds / 60, seconds % 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_durations_read_well() {
        assert_eq!(size(999), "999 B");
        assert_eq!(size(1_234_567), "1.2 MB");
        assert_eq!(duration(Duration::from_millis(12)), "12 ms");
        assert_eq!(duration(Duration::from_millis(1_500)), "1.5 s");
        assert_eq!(duration(Duration::from_secs(61)), "1 min 1 s");
    }
}
