//! The alerts of one correlation, by group.
//!
//! Of a group the events of its first alert are kept, which tell how it began; later alerts are counted. Names of groups come from events,
//! so there are only so many groups, each with so many rows.

use std::collections::HashMap;

use kubevigil_alerts::Alert;
use kubevigil_audit::time::Timestamp;
use kubevigil_detect::{CorrelationMatch, FieldValue};

use crate::scan::finding::place_in_input;
use crate::scan::row::{Row, Rows, Times};

/// The most groups that are kept of one rule.
const MAX_GROUPS: usize = 500;
/// The most rows that are kept of one group.
const MAX_ROWS: usize = 64;

/// The most bytes that are kept of one value that tells groups apart.
const MAX_NAME: usize = 256;
/// The most values that are kept of a list, and of what a group's requests differ in.
const MAX_VALUES: usize = 8;

/// The groups of one correlation.
#[derive(Debug, Default)]
pub(crate) struct Groups {
    groups: HashMap<String, Group>,
    /// Alerts of groups that did not fit.
    pub(crate) not_kept: u64,
}

/// The alerts of one group.
#[derive(Debug)]
pub(crate) struct Group {
    pub(crate) alerts: u64,
    /// The events of the first alert, one row for those that agree.
    pub(crate) rows: Rows,
    /// How many events the first alert rests on, those in no row included.
    pub(crate) events: u64,
    /// When the first and the last event of the first alert happened.
    pub(crate) times: Times,
    /// Where the requests of the first alert came from, each address once, in their order.
    pub(crate) addresses: Vec<String>,
    /// What the clients of the first alert call themselves, each name once, in their order.
    pub(crate) clients: Vec<String>,
    /// When the latest alert was raised.
    pub(crate) latest: Timestamp,
    /// Where the first event of the first alert was read.
    pub(crate) first_place: String,
}

/// What tells a group from others: `user.username=jane objectRef.namespace=dev`. Empty when there is but one group.
pub(crate) fn in_words(found: &CorrelationMatch) -> String {
    let names = found
        .rule
        .correlation()
        .map(|correlation| &correlation.group_by);
    let names = names.into_iter().flatten();
    let parts = names.filter_map(|name| {
        let (_, value) = found.fields.iter().find(|(field, _)| field == name)?;
        Some(format!("{name}={}", value_in_words(value)))
    });
    parts.collect::<Vec<_>>().join(" ")
}

fn value_in_words(value: &FieldValue) -> String {
    let text = |bytes: &[u8]| {
        let bytes = bytes.get(..MAX_NAME).unwrap_or(bytes);
        String::from_utf8_lossy(bytes).into_owned()
    };
    match value {
        FieldValue::Absent => "–".to_owned(),
        FieldValue::Bool(truth) => truth.to_string(),
        FieldValue::Integer(number) => number.to_string(),
        FieldValue::Text(bytes) => text(bytes),
        FieldValue::List(list) => {
            let texts: Vec<String> = list.iter().take(MAX_VALUES).map(|one| text(one)).collect();
            format!("[{}]", texts.join(", "))
        }
    }
}

impl Groups {
    pub(crate) fn add(&mut self, alert: &Alert, group: &str) {
        if let Some(group) = self.groups.get_mut(group) {
            group.alerts += 1;
            group.latest = alert.time;
        } else if self.groups.len() < MAX_GROUPS {
            self.groups.insert(group.to_owned(), Group::new(alert));
        } else {
            self.not_kept += 1;
        }
    }

    /// The groups with what tells each from the others, those with the most alerts first, then the earliest.
    pub(crate) fn sorted(&self) -> Vec<(&str, &Group)> {
        let groups = self.groups.iter();
        let mut groups: Vec<_> = groups.map(|(name, group)| (name.as_str(), group)).collect();
        groups.sort_by(|(one_name, one), (other_name, other)| {
            let frequency = other.alerts.cmp(&one.alerts);
            let time = one.times.span.cmp(&other.times.span);
            frequency.then(time).then_with(|| one_name.cmp(other_name))
        });
        groups
    }
}

impl Group {
    fn new(first: &Alert) -> Self {
        let mut rows = Rows::new(MAX_ROWS);
        let mut times = Times::default();
        let (mut addresses, mut clients) = (Vec::new(), Vec::new());
        for event in &first.evidence {
            let row = Row {
                rule: event.rule.clone(),
                ..Row::of(&event.request, event.outcome)
            };
            rows.add(row, event.time);
            times.add(event.time);
            add_new(&mut addresses, &event.request.address);
            add_new(&mut clients, &event.request.user_agent);
        }
        let earliest = first.evidence.first().map(|event| &event.event);
        Self {
            alerts: 1,
            rows,
            events: first.evidence_total,
            times,
            addresses,
            clients,
            latest: first.time,
            first_place: place_in_input(earliest.unwrap_or(&first.event)),
        }
    }
}

/// Adds a text that is not there yet, as long as there are few.
fn add_new(texts: &mut Vec<String>, text: &Option<String>) {
    if let Some(text) = text
        && texts.len() < MAX_VALUES
        && !texts.contains(text)
    {
        texts.push(text.clone());
    }
}
