//! The report of a scan: what was found, for a person.
//!
//! Findings are grouped by severity and rule. Within a rule, alerts that agree in who, what, where and outcome are one row
//! with a count and the time from the first to the last of them, so a thousand repeats are one line.

use std::collections::{BTreeMap, HashMap};
use std::io::{self, Write};

use anstyle::{AnsiColor, Style};
use kubevigil_alerts::Alert;
use kubevigil_audit::time::Timestamp;
use kubevigil_diagnostics::escape;
use kubevigil_rules::{Priority, Rule};
use unicode_width::UnicodeWidthStr as _;

use crate::scan::finding::{Finding, Row, Times};
use crate::scan::table::{self, Cell, Column, Kind};
use crate::scan::wording::{day_and_time, plural, priority_style, thousands, wrap};
use crate::terminal::{BOLD, DIM};

/// The most rows that are shown of one rule.
const SHOWN_ROWS: usize = 8;

/// What a scan has found so far.
#[derive(Debug, Default)]
pub(crate) struct Report {
    findings: HashMap<String, Finding>,
}

impl Report {
    /// Adds an alert of a rule.
    pub(crate) fn add(&mut self, rule: &Rule, alert: &Alert) {
        // Looked up by reference first: a name is copied once a rule, not once an alert.
        if let Some(finding) = self.findings.get_mut(&alert.rule) {
            return finding.add(alert);
        }
        let mut finding = Finding::new(rule, alert);
        finding.add(alert);
        self.findings.insert(alert.rule.clone(), finding);
    }

    /// How many rules have found something.
    pub(crate) fn rules(&self) -> u64 {
        self.findings.len() as u64
    }

    /// How many alerts there are of each priority, the most urgent first.
    pub(crate) fn counts(&self) -> Vec<(Priority, u64)> {
        let sections = self.sections();
        let count = |(priority, findings): (Priority, Vec<&Finding>)| (priority, total(&findings));
        sections.into_iter().map(count).collect()
    }

    /// Writes the findings in lines of at most `room` columns where that can be, the most urgent first, then the most frequent.
    pub(crate) fn write(&self, out: &mut impl Write, room: usize) -> io::Result<()> {
        for (priority, findings) in self.sections() {
            write_heading(out, room, priority, &findings)?;
            for finding in findings {
                write_finding(out, room, finding)?;
            }
        }
        Ok(())
    }

    fn sections(&self) -> Vec<(Priority, Vec<&Finding>)> {
        let mut sections: BTreeMap<Priority, Vec<&Finding>> = BTreeMap::new();
        for finding in self.findings.values() {
            sections.entry(finding.priority).or_default().push(finding);
        }
        for findings in sections.values_mut() {
            findings.sort_by(|one, other| {
                let frequency = other.count.cmp(&one.count);
                frequency.then_with(|| one.rule.cmp(&other.rule))
            });
        }
        sections.into_iter().rev().collect()
    }
}

fn total(findings: &[&Finding]) -> u64 {
    findings.iter().map(|finding| finding.count).sum()
}

fn write_heading(
    out: &mut impl Write,
    room: usize,
    priority: Priority,
    findings: &[&Finding],
) -> io::Result<()> {
    let style = priority_style(priority);
    let label = priority.as_str().to_uppercase();
    let alerts = plural(total(findings), "alert");
    let rules = plural(findings.len() as u64, "rule");
    let count = format!("{alerts} by {rules}");
    let line = "─".repeat(room.saturating_sub(label.width() + count.width() + 2));
    writeln!(out, "{style}{label}{style:#} {DIM}{line}{DIM:#} {count}\n")
}

fn write_finding(out: &mut impl Write, room: usize, finding: &Finding) -> io::Result<()> {
    let rule = escape::terminal(&finding.rule);
    let count = plural(finding.count, "event");
    writeln!(out, "  {BOLD}{rule}{BOLD:#}  {count}")?;
    for line in wrap(
        &escape::terminal(&finding.description),
        room.saturating_sub(2),
    ) {
        writeln!(out, "  {line}")?;
    }
    write_rows(out, room, finding)?;
    let place = escape::terminal(&finding.first_place);
    writeln!(out, "    {DIM}first seen in {place}{DIM:#}\n")
}

fn write_rows(out: &mut impl Write, room: usize, finding: &Finding) -> io::Result<()> {
    let mut rows = finding.rows();
    rows.truncate(SHOWN_ROWS);
    let day = common_day(&rows);
    let when = match &day {
        Some(day) => format!("{day} UTC"),
        None => "when (UTC)".to_owned(),
    };
    let cells: Vec<_> = rows
        .iter()
        .map(|(row, times)| cells(row, times, day.is_some()))
        .collect();
    table::write(out, (4, room), &columns(&when), &cells)?;
    let shown: u64 = rows.iter().map(|(_, times)| times.count).sum();
    if finding.count > shown {
        let hidden = plural(finding.count - shown, "more event");
        writeln!(out, "    {DIM}and {hidden}{DIM:#}")?;
    }
    Ok(())
}

fn columns(when: &str) -> [Column<'_>; 6] {
    let column = |heading, kind| Column { heading, kind };
    [
        column("who", Kind::Flexible),
        column("what", Kind::Flexible),
        column("where", Kind::Flexible),
        column("outcome", Kind::Text),
        column("count", Kind::Number),
        column(when, Kind::Text),
    ]
}

fn cells(row: &Row, times: &Times, one_day: bool) -> [Cell; 6] {
    let plain = |text: &str| Cell::new(text, Style::new());
    [
        plain(&row.who),
        plain(&row.what),
        plain(&row.place),
        Cell::new(row.outcome(), outcome_style(row.outcome())),
        plain(&thousands(times.count)),
        plain(&when(times.span, one_day)),
    ]
}

/// The day on which everything in the rows happened, if it is one.
fn common_day(rows: &[(&Row, &Times)]) -> Option<String> {
    let spans = rows.iter().filter_map(|(_, times)| times.span);
    let mut days = spans.flat_map(|(first, last)| [first, last].map(|time| day_and_time(time).0));
    let day = days.next()?;
    days.all(|other| other == day).then_some(day)
}

fn when(span: Option<(Timestamp, Timestamp)>, one_day: bool) -> String {
    let Some((first, last)) = span else {
        return "unknown".to_owned();
    };
    let ((day, from), (last_day, to)) = (day_and_time(first), day_and_time(last));
    let day_before = if one_day {
        String::new()
    } else {
        format!("{day} ")
    };
    match (day == last_day, from == to) {
        (true, true) => format!("{day_before}{from}"),
        (true, false) => format!("{day_before}{from} – {to}"),
        (false, _) => format!("{day} {} – {last_day} {}", minutes(&from), minutes(&to)),
    }
}

/// `05:12` of `05:12:26`: over days, seconds say nothing.
fn minutes(time: &str) -> &str {
    time.get(..5).unwrap_or(time)
}

/// What was refused matters less, what broke matters more.
fn outcome_style(outcome: &str) -> Style {
    match outcome {
        "denied" => AnsiColor::Green.on_default(),
        "failed" => AnsiColor::Yellow.on_default(),
        "panicked" => AnsiColor::Red.on_default(),
        _ => Style::new(),
    }
}
