//! All alerts of one rule.
//!
//! Alerts that agree in who, what, where and outcome are counted together. Those of a correlation are told apart by their group instead,
//! and each group shows the events that it rests on. Memory is bounded: so many rows and groups are kept, and what does not
//! fit is counted.

use kubevigil_alerts::{Alert, EventReference};
use kubevigil_rules::correlation::CorrelationKind;
use kubevigil_rules::{Priority, Rule};

use crate::scan::group::Groups;
use crate::scan::row::{Row, Rows};

/// The most rows that are kept of one rule.
const MAX_ROWS: usize = 2_000;

/// All alerts of one rule.
#[derive(Debug)]
pub(crate) struct Finding {
    pub(crate) priority: Priority,
    pub(crate) rule: String,
    /// The first sentence of the rule's description.
    pub(crate) description: String,
    /// How many alerts there are.
    pub(crate) count: u64,
    /// How often a group still satisfied a correlation whose alert had been raised.
    pub(crate) repeated: u64,
    /// Where the first of them was read.
    pub(crate) first_place: String,
    pub(crate) events: Events,
}

/// What the alerts are about.
#[derive(Debug)]
pub(crate) enum Events {
    /// One event each.
    Single(Rows),
    /// Several events each.
    Grouped(Groups),
}

impl Finding {
    /// A finding without alerts; `first` will be the first.
    pub(crate) fn new(rule: &Rule, first: &Alert) -> Self {
        let grouped = rule.correlation().is_some_and(|correlation| {
            // What is seen for the first time is one event.
            !matches!(correlation.kind, CorrelationKind::FirstSeen { .. })
        });
        Self {
            priority: first.priority,
            rule: first.rule.clone(),
            description: first_sentence(&rule.description),
            count: 0,
            repeated: 0,
            first_place: place_in_input(&first.event),
            events: match grouped {
                true => Events::Grouped(Groups::default()),
                false => Events::Single(Rows::new(MAX_ROWS)),
            },
        }
    }

    /// Adds an alert of the rule, and the group that it is about.
    pub(crate) fn add(&mut self, alert: &Alert, group: &str) {
        self.count += 1;
        match &mut self.events {
            Events::Single(rows) => {
                rows.add(Row::of(&alert.request, alert.outcome), alert.time);
            }
            Events::Grouped(groups) => groups.add(alert, group),
        }
    }
}

/// Where an event was read: file and line.
pub(crate) fn place_in_input(event: &EventReference) -> String {
    let file = match event.file.as_deref() {
        None | Some("-") => "standard input",
        Some(file) => file,
    };
    match event.line {
        Some(line) => format!("{file}:{line}"),
        None => file.to_owned(),
    }
}

fn first_sentence(text: &str) -> String {
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match text.split_once(". ") {
        Some((sentence, _)) => format!("{sentence}."),
        None => text,
    }
}
