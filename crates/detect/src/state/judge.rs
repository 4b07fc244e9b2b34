//! Whether a group satisfies its correlation, and which of its events are needed to tell later.
//!
//! A window ends at an event and holds what is not older than the time span before it, both ends included. A new event is judged by
//! the window that ends at it; one that came late is also part of windows that end at later events, and these are judged
//! anew. All of them contain the new event, which is what keeps the work linear: sums go out from it to both sides, everything
//! else slides along once.

mod chain;
mod join;
mod measure;

use std::collections::VecDeque;
use std::sync::Arc;

use hashbrown::HashSet;
use kubevigil_rules::CorrelationKind;
use kubevigil_rules::correlation::{Bounds, Presence};

use crate::plan::Definition;
use crate::state::window::{Entry, NEVER, NO_VALUE};

/// The entries that satisfy a correlation.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Judgement {
    pub(crate) evidence: Evidence,
    /// The number that was asked for.
    pub(crate) number: Option<f64>,
}

/// Positions of entries.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Evidence {
    /// All of a window: the first and the last.
    Window(usize, usize),
    /// These.
    Chain(Vec<usize>),
}

/// New entries of one event among others.
#[derive(Clone, Copy)]
pub(crate) struct Added<'w> {
    pub(crate) entries: &'w VecDeque<Entry>,
    pub(crate) span: i64,
    /// The event's time.
    pub(crate) time: i64,
    /// The last of the new entries.
    pub(crate) last: usize,
}

impl<'w> Added<'w> {
    /// Where windows end that contain the event, at it and behind it: at the last entry of each event.
    fn ends(self) -> impl Iterator<Item = (usize, i64)> + 'w {
        let limit = self.time.saturating_add(self.span);
        let following = self
            .entries
            .range(self.last..)
            .zip(self.entries.range(self.last + 1..).map(Some).chain([None]));
        let positions = (self.last..).zip(following);
        positions
            .take_while(move |(_, (entry, _))| entry.time <= limit)
            .filter(|(_, (entry, next))| {
                next.is_none_or(|next| !Arc::ptr_eq(&entry.receipt, &next.receipt))
            })
            .map(|(position, (entry, _))| (position, entry.time))
    }

    /// The first entry of the window that ends at a time, beginning to look at `from`.
    fn start(self, from: usize, end: i64) -> usize {
        let start = end.saturating_sub(self.span);
        let older = self
            .entries
            .range(from..)
            .take_while(|entry| entry.time < start);
        from + older.count()
    }

    /// The first entry of the window that ends at the event.
    fn first_start(self) -> usize {
        let start = self.time.saturating_sub(self.span);
        self.entries.partition_point(|entry| entry.time < start)
    }
}

/// Whether a window that contains the event satisfies the correlation: the one that ends first.
pub(crate) fn judge(definition: &Definition, added: Added<'_>) -> Option<Judgement> {
    let members = definition.members.len();
    match &definition.kind {
        CorrelationKind::EventCount(bounds) => count(bounds, added),
        CorrelationKind::ValueCount(bounds) => measure::distinct(bounds, added),
        CorrelationKind::ValueSum(bounds) => measure::sum(bounds, added, |sum, _| sum),
        CorrelationKind::ValueAvg(bounds) => measure::sum(bounds, added, |sum, count| sum / count),
        CorrelationKind::ValuePercentile { percentile, bounds } => {
            measure::percentile(*percentile, bounds, added)
        }
        CorrelationKind::Temporal(presence) => temporal(presence, members, added),
        CorrelationKind::TemporalOrdered => chain::judge(members, added),
        CorrelationKind::Join => join::judge(members, definition.looks_at_values(), added),
        CorrelationKind::FirstSeen { .. } => None,
    }
}

/// Which entries of the base a later window may need.
pub(crate) fn needed(definition: &Definition, entries: &VecDeque<Entry>, base: usize) -> Vec<bool> {
    let members = definition.members.len();
    let base = entries.range(..base.min(entries.len()));
    match &definition.kind {
        CorrelationKind::EventCount(bounds) => {
            let superfluous = base.len().saturating_sub(enough(bounds));
            (0..base.len())
                .map(|position| position >= superfluous)
                .collect()
        }
        CorrelationKind::ValueCount(_) => newest_of(base, |entry| {
            (entry.which != NO_VALUE).then_some(entry.value)
        }),
        CorrelationKind::Temporal(_) => newest_of(base, |entry| Some(entry.member)),
        CorrelationKind::TemporalOrdered => chain::needed(members, base),
        CorrelationKind::Join => join::needed(members, base),
        CorrelationKind::ValueSum(_)
        | CorrelationKind::ValueAvg(_)
        | CorrelationKind::ValuePercentile { .. }
        | CorrelationKind::FirstSeen { .. } => base.map(|entry| entry.which != NO_VALUE).collect(),
    }
}

/// The number from which on the bounds give one answer: no more need to be counted.
pub(crate) fn enough(bounds: &Bounds) -> usize {
    let most = bounds.0.iter().map(|(_, bound)| *bound).fold(0.0, f64::max);
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "clamped to the range"
    )]
    let most = most.min(f64::from(MOST_COUNTED)).floor() as usize;
    most + 1
}

/// A correlation that asks for more events or values of a group than this never fires.
const MOST_COUNTED: u32 = 100_000;

fn count(bounds: &Bounds, added: Added<'_>) -> Option<Judgement> {
    let mut start = added.first_start();
    added.ends().find_map(|(end, time)| {
        start = added.start(start, time);
        let number = (end + 1 - start) as f64;
        bounds
            .hold(number)
            .then(|| Judgement::window(start, end, Some(number)))
    })
}

/// Goes along with the newest time of each member.
fn temporal(presence: &Presence, members: usize, added: Added<'_>) -> Option<Judgement> {
    let mut newest = vec![NEVER; members];
    let (mut start, mut next) = (added.first_start(), added.first_start());
    added.ends().find_map(|(end, time)| {
        for entry in added.entries.range(next..=end) {
            if let Some(newest) = newest.get_mut(usize::from(entry.member)) {
                *newest = entry.time;
            }
        }
        (start, next) = (added.start(start, time), end + 1);
        let from = time.saturating_sub(added.span);
        let seen = |member: usize| {
            newest
                .get(member)
                .is_some_and(|&newest| newest != NEVER && newest >= from)
        };
        let holds = match presence {
            Presence::All => (0..members).all(seen),
            Presence::Count(bounds) => {
                bounds.hold((0..members).filter(|&member| seen(member)).count() as f64)
            }
            Presence::Expression(expression) => expression.holds(&seen),
        };
        holds.then(|| Judgement::window(start, end, None))
    })
}

/// Marks the newest entry of each class; those without one are not needed.
fn newest_of<'e, C: std::hash::Hash + Eq>(
    entries: impl DoubleEndedIterator<Item = &'e Entry>,
    class: impl Fn(&Entry) -> Option<C>,
) -> Vec<bool> {
    let mut known = HashSet::new();
    let mut marks: Vec<bool> = entries
        .rev()
        .map(|entry| class(entry).is_some_and(|class| known.insert(class)))
        .collect();
    marks.reverse();
    marks
}

impl Judgement {
    fn window(start: usize, end: usize, number: Option<f64>) -> Self {
        Self {
            evidence: Evidence::Window(start, end),
            number,
        }
    }
}
