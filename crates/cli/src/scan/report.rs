//! The report of a scan: what was found, for a person.
//!
//! Findings are grouped by severity and rule. Within a rule, alerts that agree in who, what, where and outcome are one row
//! with a count and the time from the first to the last of them, so a thousand repeats are one line.
//!
//! Memory is bounded: a rule keeps [`MAX_ROWS`] rows, and what does not fit is counted.

use std::collections::{BTreeMap, HashMap};
use std::io::{self, Write};

use kubevigil_alerts::{Alert, Outcome, escape};
use kubevigil_audit::time::Timestamp;
use kubevigil_rules::{Priority, Rule};

use crate::scan::table;
use crate::terminal::{BOLD, DIM};

/// The most rows that are kept of one rule.
const MAX_ROWS: usize = 10_000;
/// The most rows that are shown of one rule.
const SHOWN_ROWS: usize = 8;

/// What a scan has found so far.
#[derive(Debug, Default)]
pub(crate) struct Report {
    findings: HashMap<String, Finding>,
}

/// All alerts of one rule.
#[derive(Debug)]
struct Finding {
    priority: Priority,
    rule: String,
    description: String,
    count: u64,
    rows: HashMap<Row, Times>,
    beyond: u64,
    first_place: String,
}

/// What alerts must agree in to be one row.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
struct Row {
    who: String,
    what: String,
    place: String,
    outcome: Outcome,
}

#[derive(Debug)]
struct Times {
    count: u64,
    first: Timestamp,
    last: Timestamp,
}

impl Report {
    /// Adds an alert of a rule.
    pub(crate) fn add(&mut self, rule: &Rule, alert: &Alert) {
        let finding = self
            .findings
            .entry(alert.rule.clone())
            .or_insert_with(|| Finding::new(rule, alert));
        finding.add(alert);
    }

    /// How many alerts there are of each priority, the most urgent first.
    pub(crate) fn counts(&self) -> Vec<(Priority, u64)> {
        let mut counts: BTreeMap<Priority, u64> = BTreeMap::new();
        self.findings
            .values()
            .for_each(|finding| *counts.entry(finding.priority).or_default() += finding.count);
        counts.into_iter().rev().collect()
    }

    /// How many rules have found something.
    pub(crate) fn rules(&self) -> usize {
        self.findings.len()
    }

    /// Writes the findings, the most urgent first, then the most frequent.
    pub(crate) fn write(&self, out: &mut impl Write) -> io::Result<()> {
        let mut findings: Vec<&Finding> = self.findings.values().collect();
        findings.sort_by(|one, other| {
            let urgency = other.priority.cmp(&one.priority);
            urgency
                .then(other.count.cmp(&one.count))
                .then(one.rule.cmp(&other.rule))
        });
        findings
            .into_iter()
            .try_for_each(|finding| finding.write(out))
    }
}

impl Finding {
    fn new(rule: &Rule, alert: &Alert) -> Self {
        Self {
            priority: alert.priority,
            rule: alert.rule.clone(),
            description: first_sentence(&rule.description),
            count: 0,
            rows: HashMap::new(),
            beyond: 0,
            first_place: place_of(alert),
        }
    }

    fn add(&mut self, alert: &Alert) {
        self.count += 1;
        let row = Row::of(alert);
        if self.rows.len() >= MAX_ROWS && !self.rows.contains_key(&row) {
            self.beyond += 1;
            return;
        }
        let times = self.rows.entry(row).or_insert(Times {
            count: 0,
            first: alert.time,
            last: alert.time,
        });
        times.count += 1;
        times.first = times.first.min(alert.time);
        times.last = times.last.max(alert.time);
    }

    fn write(&self, out: &mut impl Write) -> io::Result<()> {
        let style = table::priority_style(self.priority);
        let label = self.priority.as_str().to_uppercase();
        let rule = escape::terminal(&self.rule);
        writeln!(
            out,
            "{style}{label:<13}{style:#} {BOLD}{rule}{BOLD:#}  {}",
            table::plural(self.count, "event")
        )?;
        if !self.description.is_empty() {
            writeln!(out, "  {DIM}{}{DIM:#}", escape::terminal(&self.description))?;
        }
        self.write_rows(out)?;
        writeln!(
            out,
            "  {DIM}first seen in {}{DIM:#}\n",
            escape::terminal(&self.first_place)
        )
    }

    fn write_rows(&self, out: &mut impl Write) -> io::Result<()> {
        let mut rows: Vec<(&Row, &Times)> = self.rows.iter().collect();
        rows.sort_by(|(one, one_times), (other, other_times)| {
            let order = other_times
                .count
                .cmp(&one_times.count)
                .then(one_times.first.cmp(&other_times.first));
            order.then_with(|| one.key().cmp(&other.key()))
        });
        let cells = rows.iter().take(SHOWN_ROWS).map(|(row, times)| {
            let outcome = row.outcome.as_str().to_owned();
            [
                row.who.clone(),
                row.what.clone(),
                row.place.clone(),
                outcome,
                times.count.to_string(),
                times.span(),
            ]
        });
        let header = ["who", "what", "where", "outcome", "count", "when (UTC)"].map(str::to_owned);
        table::write(out, &header, &cells.collect::<Vec<_>>())?;
        let hidden: u64 = rows
            .iter()
            .skip(SHOWN_ROWS)
            .map(|(_, times)| times.count)
            .sum::<u64>()
            + self.beyond;
        if hidden > 0 {
            writeln!(
                out,
                "    {DIM}and {} more{DIM:#}",
                table::plural(hidden, "event")
            )?;
        }
        Ok(())
    }
}

impl Row {
    /// What puts rows in an order when nothing else does.
    fn key(&self) -> (&str, &str, &str, &str) {
        (&self.who, &self.what, &self.place, self.outcome.as_str())
    }

    fn of(alert: &Alert) -> Self {
        let request = &alert.request;
        let text = |part: &Option<String>| part.clone().unwrap_or_default();
        let who = match (&request.user, &request.impersonated_user) {
            (user, Some(impersonated)) => format!("{} as {impersonated}", text(user)),
            (user, None) => text(user),
        };
        let resource = match (&request.resource, &request.subresource) {
            (Some(resource), Some(subresource)) => format!("{resource}/{subresource}"),
            (Some(resource), None) => resource.clone(),
            (None, _) => text(&request.uri),
        };
        let place = match (&request.namespace, &request.name) {
            (Some(namespace), Some(name)) => format!("{namespace}/{name}"),
            (Some(namespace), None) => namespace.clone(),
            (None, name) => text(name),
        };
        Self {
            who,
            what: format!("{} {resource}", text(&request.verb)),
            place,
            outcome: alert.outcome,
        }
    }
}

impl Times {
    fn span(&self) -> String {
        let (first, last) = (seconds(self.first), seconds(self.last));
        if first == last {
            return first;
        }
        match (first.split_once(' '), last.split_once(' ')) {
            (Some((day, _)), Some((other, time))) if day == other => format!("{first} … {time}"),
            _ => format!("{first} … {last}"),
        }
    }
}

/// `2026-11-23 05:12:26`
fn seconds(time: Timestamp) -> String {
    let (year, month, day, hour, minute, second, _) = time.civil();
    format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}")
}

fn place_of(alert: &Alert) -> String {
    match (&alert.event.file, alert.event.line) {
        (Some(file), Some(line)) => format!("{file}:{line}"),
        (Some(file), None) => file.clone(),
        (None, _) => "the input".to_owned(),
    }
}

fn first_sentence(text: &str) -> String {
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match text.split_once(". ") {
        Some((sentence, _)) => format!("{sentence}."),
        None => text,
    }
}
