//! What a correlation had to count in some events: which of them each member matched, and what came together in each group.
//!
//! The state that decides in earnest keeps digests and forgets; here the events are at hand, so groups and values are read from them again. What
//! fires is always asked of the state; this only shows what it had.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use kubevigil_audit::time::Timestamp;
use kubevigil_diagnostics::escape;
use kubevigil_rules::{
    Condition, Correlation, CorrelationKind, EventValue, JsonPredicate, JsonTest, Rule, Subject,
};

use crate::rules_command::explain::asking::{explain_at, occurrences};
use crate::rules_command::explain::events::Event;
use crate::scan::wording::{duration, plural};

/// The most groups, and the most lines of events, that are put into words.
const MAX_SHOWN: usize = 8;

/// What there was to count.
pub(super) struct Counts<'c> {
    pub(super) correlation: &'c Correlation,
    pub(super) members: Vec<MemberCount<'c>>,
    /// The groups with the most events first.
    pub(super) groups: Vec<GroupCount>,
    /// Events that a member matched and that lack a value of the group, by their positions.
    pub(super) ungrouped: Vec<usize>,
}

/// A rule that is counted.
pub(super) struct MemberCount<'c> {
    pub(super) rule: &'c Arc<Rule>,
    /// The events that it matched, by their positions.
    pub(super) hits: Vec<usize>,
}

/// What came together.
pub(super) struct GroupCount {
    /// Names and values; empty for the one group of all events.
    pub(super) values: Vec<(String, Vec<u8>)>,
    /// In the order of the events.
    pub(super) hits: Vec<GroupHit>,
}

/// An event in a group.
pub(super) struct GroupHit {
    /// The event's position.
    pub(super) at: usize,
    /// The member's.
    pub(super) member: usize,
    pub(super) time: Timestamp,
    /// The value that is counted, when there is one.
    pub(super) looked_at: Vec<u8>,
}

impl<'c> Counts<'c> {
    /// Counts anew.
    ///
    /// # Errors
    ///
    /// In words, when a member cannot be compiled.
    pub(super) fn of(correlation: &'c Correlation, events: &[Event]) -> Result<Self, String> {
        let mut counts = Self {
            correlation,
            members: Vec::new(),
            groups: Vec::new(),
            ungrouped: Vec::new(),
        };
        let mut groups: BTreeMap<Vec<Vec<u8>>, Vec<GroupHit>> = BTreeMap::new();
        for (number, member) in correlation.members.iter().enumerate() {
            let found = occurrences(&member.rule, events)?;
            for occurrence in &found {
                let key = read(&member.group, events, occurrence.at)?;
                if key.iter().any(Vec::is_empty) {
                    counts.ungrouped.push(occurrence.at);
                    continue;
                }
                let looked_at = read(&member.values, events, occurrence.at)?;
                groups.entry(key).or_default().push(GroupHit {
                    at: occurrence.at,
                    member: number,
                    time: occurrence.time,
                    looked_at: looked_at.join(&b" + "[..]),
                });
            }
            counts.members.push(MemberCount {
                rule: &member.rule,
                hits: found.iter().map(|occurrence| occurrence.at).collect(),
            });
        }
        let names = || correlation.group_by.iter().map(ToString::to_string);
        counts.groups = groups
            .into_iter()
            .map(|(key, mut hits)| {
                hits.sort_by_key(|hit| (hit.at, hit.member));
                let values = names().zip(key).collect();
                GroupCount { values, hits }
            })
            .collect();
        counts
            .groups
            .sort_by_key(|group| std::cmp::Reverse(group.hits.len()));
        Ok(counts)
    }

    /// The largest groups, each in a line or two, safe for a terminal.
    pub(super) fn groups_in_words(&self, events: &[Event]) -> Vec<String> {
        let mut lines = Vec::new();
        for group in self.groups.iter().take(MAX_SHOWN) {
            let reached = group.reached(self.correlation);
            lines.push(format!(
                "{}: {}; {reached}",
                group.name(),
                on_lines(group.hits.iter().map(|hit| hit.at), events)
            ));
        }
        if let Some(more @ 1..) = self.groups.len().checked_sub(MAX_SHOWN) {
            lines.push(format!("and {} more", plural(more as u64, "group")));
        }
        if !self.ungrouped.is_empty() {
            let lacking = on_lines(self.ungrouped.iter().copied(), events);
            lines.push(format!(
                "in no group, since a value of it is missing: {lacking}"
            ));
        }
        lines
    }
}

impl MemberCount<'_> {
    /// How many events it matched, and on which lines.
    pub(super) fn in_words(&self, events: &[Event]) -> String {
        let name = self.rule.short_name.as_ref().unwrap_or(&self.rule.name);
        let lines = on_lines(self.hits.iter().copied(), events);
        format!("{} matched {lines}", escape::terminal(name))
    }
}

impl GroupCount {
    /// `kv.effectiveUser=mallory`
    pub(super) fn name(&self) -> String {
        if self.values.is_empty() {
            return "all events".to_owned();
        }
        let values = self.values.iter().map(|(name, value)| {
            format!(
                "{}={}",
                escape::terminal(name),
                escape::terminal_bytes(value)
            )
        });
        values.collect::<Vec<_>>().join(", ")
    }

    /// How near the group came to what is asked.
    pub(super) fn reached(&self, correlation: &Correlation) -> String {
        let span = correlation.timespan;
        let within = duration_in_words(span);
        match &correlation.kind {
            CorrelationKind::EventCount(_) => format!(
                "reached {} within {within}",
                self.most(span, |hits| hits.len())
            ),
            CorrelationKind::ValueCount(_) => {
                let different = |hits: &[&GroupHit]| {
                    let values: BTreeSet<&[u8]> =
                        hits.iter().map(|hit| hit.looked_at.as_slice()).collect();
                    values.len()
                };
                format!(
                    "reached {} within {within}",
                    plural(self.most(span, different) as u64, "different value")
                )
            }
            CorrelationKind::Temporal(_)
            | CorrelationKind::TemporalOrdered
            | CorrelationKind::Join => {
                let present = |hits: &[&GroupHit]| {
                    let members: BTreeSet<usize> = hits.iter().map(|hit| hit.member).collect();
                    members.len()
                };
                let (most, all) = (self.most(span, present), correlation.members.len());
                format!("reached {most} of {all} rules within {within}")
            }
            CorrelationKind::FirstSeen { learning } => {
                format!(
                    "what comes within {} of its first event is learned in silence",
                    duration_in_words(*learning)
                )
            }
            CorrelationKind::ValueSum(_)
            | CorrelationKind::ValueAvg(_)
            | CorrelationKind::ValuePercentile { .. } => {
                let values = self.hits.iter().take(MAX_SHOWN);
                let values = values.map(|hit| escape::terminal_bytes(&hit.looked_at).into_owned());
                format!("values {}", values.collect::<Vec<_>>().join(", "))
            }
        }
    }

    /// The most that any window holds, both ends included.
    fn most(&self, span: Duration, measure: impl Fn(&[&GroupHit]) -> usize) -> usize {
        let mut hits: Vec<&GroupHit> = self.hits.iter().collect();
        hits.sort_by_key(|hit| hit.time);
        let mut first = 0;
        let mut most = 0;
        for last in 0..hits.len() {
            while hits
                .get(first)
                .zip(hits.get(last))
                .is_some_and(|(first, last)| apart(first, last) > span)
            {
                first += 1;
            }
            most = most.max(measure(hits.get(first..=last).unwrap_or_default()));
        }
        most
    }
}

fn apart(one: &GroupHit, other: &GroupHit) -> Duration {
    let nanoseconds = other.time.nanoseconds.saturating_sub(one.time.nanoseconds);
    Duration::from_nanos(u64::try_from(nanoseconds).unwrap_or_default())
}

/// The values in an event, as text; empty for one that is missing. Members of an array stand together.
fn read(values: &[EventValue], events: &[Event], at: usize) -> Result<Vec<Vec<u8>>, String> {
    let texts = values.iter().map(|value| {
        let subject = match value {
            EventValue::Field(field) => Subject::Field(field.clone()),
            EventValue::Lookup(lookup) => Subject::Lookup(lookup.clone()),
        };
        // The matcher says what it finds where a test looks, whatever the test.
        let test = Condition::Json(JsonTest {
            subject,
            predicate: JsonPredicate::Exists,
        });
        let found = explain_at(&test, events, at)?.found;
        let texts = found.iter().flat_map(|found| &found.values);
        Ok(texts.cloned().collect::<Vec<_>>().join(&b", "[..]))
    });
    texts.collect()
}

/// `3 events (lines 1, 2, 5)`
fn on_lines(positions: impl Iterator<Item = usize>, events: &[Event]) -> String {
    let lines: Vec<u64> = positions
        .filter_map(|at| events.get(at))
        .map(|event| event.line)
        .collect();
    if lines.is_empty() {
        return "no event".to_owned();
    }
    let shown: Vec<String> = lines.iter().take(MAX_SHOWN).map(u64::to_string).collect();
    let more = if lines.len() > MAX_SHOWN { ", …" } else { "" };
    let word = if lines.len() == 1 { "line" } else { "lines" };
    format!(
        "{} ({word} {}{more})",
        plural(lines.len() as u64, "event"),
        shown.join(", ")
    )
}

/// `10m`, `7d`, as rules write it.
fn duration_in_words(span: Duration) -> String {
    const UNITS: [(u64, &str); 4] = [(86_400, "d"), (3_600, "h"), (60, "m"), (1, "s")];
    let seconds = span.as_secs();
    let unit = UNITS
        .iter()
        .find(|(unit, _)| seconds >= *unit && seconds.is_multiple_of(*unit));
    match unit {
        Some((unit, name)) => format!("{}{name}", seconds / unit),
        None => duration(span),
    }
}
