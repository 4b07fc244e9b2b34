//! Events against events, member by member.

use std::collections::BTreeMap;
use std::fmt;

use super::exceptions::{Case, EXCEPTIONS, Exception};
use super::recorded::Event;

/// What came out of comparing.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    pub(super) events: usize,
    pub(super) members: usize,
    /// Members that are the same byte for byte.
    pub(super) equal: usize,
    /// How many members each row of the table was needed for.
    pub(super) excepted: BTreeMap<&'static str, usize>,
    /// Everything else, in words.
    pub(super) different: Vec<String>,
}

impl Outcome {
    /// Puts the server's events of one request beside ours.
    pub(super) fn compare(&mut self, case: &Case<'_>, genuine: &[&Event], ours: &[&Event]) {
        let stages = |events: &[&Event]| -> Vec<String> {
            events.iter().map(|event| event.text("stage")).collect()
        };
        self.events += genuine.len();
        if stages(genuine) != stages(ours) {
            let (genuine, ours) = (stages(genuine), stages(ours));
            self.report(case, &format!("stages {genuine:?}, ours {ours:?}"));
            return;
        }
        for (genuine, ours) in genuine.iter().zip(ours) {
            self.members_of(case, genuine, ours);
        }
    }

    pub(super) fn add(&mut self, other: Outcome) {
        self.events += other.events;
        self.members += other.members;
        self.equal += other.equal;
        for (row, count) in other.excepted {
            *self.excepted.entry(row).or_default() += count;
        }
        self.different.extend(other.different);
    }

    fn members_of(&mut self, case: &Case<'_>, genuine: &Event, ours: &Event) {
        let common = |event: &Event, other: &Event| -> Vec<String> {
            let names = event.members.iter().map(|(name, _)| name.clone());
            names.filter(|name| other.raw(name).is_some()).collect()
        };
        if common(genuine, ours) != common(ours, genuine) {
            self.report(case, "the members are in another order");
        }
        let only_ours = ours
            .members
            .iter()
            .filter(|(name, _)| genuine.raw(name).is_none());
        let names = genuine.members.iter().chain(only_ours);
        for (name, _) in names {
            self.members += 1;
            if genuine.raw(name) == ours.raw(name) {
                self.equal += 1;
            } else {
                self.member(case, name, genuine, ours);
            }
        }
    }

    fn member(&mut self, case: &Case<'_>, name: &str, genuine: &Event, ours: &Event) {
        let mut pair = (genuine.get(name), ours.get(name));
        let mut needed = Vec::new();
        for row in rows_of(name) {
            let before = pair.clone();
            pair = (row.even)(case, pair);
            if pair != before {
                needed.push(row.name);
            }
            // Texts, not values: the order of members counts.
            let (genuine, ours) = (pair.0.to_string(), pair.1.to_string());
            if genuine == ours {
                for row in needed {
                    *self.excepted.entry(row).or_default() += 1;
                }
                return;
            }
        }
        let (genuine, ours) = (shown(genuine.raw(name)), shown(ours.raw(name)));
        self.report(case, &format!("{name}:\n    {genuine}\n    {ours}"));
    }

    fn report(&mut self, case: &Case<'_>, what: &str) {
        let id = case.listed.audit_id.as_deref().unwrap_or("no id");
        let (label, mode) = (&case.listed.label, case.mode);
        self.different
            .push(format!("{id} ({label}, {mode:?}) {what}"));
    }
}

fn rows_of(member: &str) -> impl Iterator<Item = &'static Exception> {
    EXCEPTIONS
        .iter()
        .filter(move |row| row.members.contains(&member))
}

fn shown(raw: Option<&str>) -> String {
    let raw = raw.unwrap_or("nothing");
    raw.chars().take(1_000).collect()
}

impl fmt::Display for Outcome {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            events,
            members,
            equal,
            ..
        } = self;
        writeln!(
            formatter,
            "{events} events, {members} members, {equal} equal byte for byte, excepted:"
        )?;
        for (row, count) in &self.excepted {
            writeln!(formatter, "  {count:6}  {row}")?;
        }
        let different = self.different.len();
        writeln!(formatter, "  {different:6}  different, none of the above")
    }
}

/// The rows that nothing needed.
pub(super) fn unneeded(outcome: &Outcome) -> Vec<&'static str> {
    let names = EXCEPTIONS.iter().map(|row| row.name);
    names
        .filter(|name| !outcome.excepted.contains_key(name))
        .collect()
}
