//! The report of a scan: what was found, for a person.
//!
//! Findings are grouped by severity and rule. Within a rule, alerts that agree in who, what, where and outcome are one row
//! with a count and the time from the first to the last of them, so a thousand repeats are one line. A correlation is one finding
//! with the events of each of its groups.

use std::collections::{BTreeMap, HashMap};
use std::io::{self, Write};

use kubevigil_alerts::Alert;
use kubevigil_diagnostics::escape;
use kubevigil_rules::{Priority, Rule};
use unicode_width::UnicodeWidthStr as _;

use crate::scan::events;
use crate::scan::finding::{Events, Finding};
use crate::scan::wording::{plural, priority_style, wrap};
use crate::terminal::{BOLD, DIM};

/// What a scan has found so far.
#[derive(Debug, Default)]
pub(crate) struct Report {
    findings: HashMap<String, Finding>,
}

impl Report {
    /// Adds an alert of a rule; `group` is what tells the alerts of a correlation apart.
    pub(crate) fn add(&mut self, rule: &Rule, alert: &Alert, group: &str) {
        // Looked up by reference first: a name is copied once a rule, not once an alert.
        if let Some(finding) = self.findings.get_mut(&alert.rule) {
            return finding.add(alert, group);
        }
        let mut finding = Finding::new(rule, alert);
        finding.add(alert, group);
        self.findings.insert(alert.rule.clone(), finding);
    }

    /// Counts that a group still satisfies a correlation whose alert was added before.
    pub(crate) fn repeat(&mut self, rule: &Rule) {
        if let Some(finding) = self.findings.get_mut(&*rule.name) {
            finding.repeated += 1;
        }
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
    let noun = match finding.events {
        Events::Grouped(_) => "alert",
        Events::Single(_) => "event",
    };
    let count = plural(finding.count, noun);
    let went_on = match finding.repeated {
        0 => String::new(),
        repeated => format!(", went on for {}", plural(repeated, "more event")),
    };
    writeln!(out, "  {BOLD}{rule}{BOLD:#}  {count}{went_on}")?;
    for line in wrap(
        &escape::terminal(&finding.description),
        room.saturating_sub(2),
    ) {
        writeln!(out, "  {line}")?;
    }
    match &finding.events {
        Events::Grouped(groups) => {
            writeln!(out)?;
            events::write_groups(out, room, groups)
        }
        Events::Single(rows) => {
            events::write_single(out, room, rows, finding.count)?;
            let place = escape::terminal(&finding.first_place);
            writeln!(out, "    {DIM}first seen in {place}{DIM:#}\n")
        }
    }
}
