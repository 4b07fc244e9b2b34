//! Questions about several events: how many, how many different ones, in which order, whether anything is new.
//!
//! A correlation names rules and says how their matches must come together: in one group, within a time span. It is itself a
//! [`Rule`], so that lists, selections and alerts need not tell the two apart, and it owns the rules that it counts
//! ([`Member`]), so that nothing has to be looked up by name once files are loaded. Owning them also makes cycles impossible.
//!
//! Sigma's eight kinds are those of its specification (2.1, correlation rules, and `value_median` of pySigma as the percentile
//! 50); [`CorrelationKind::FirstSeen`] and [`CorrelationKind::Join`] are kubevigil's own, written under the key `kubevigil`.
//!
//! What is kept between events, for how long and how much of it, is the concern of `kubevigil-detect`.

use std::sync::Arc;
use std::time::Duration;

use crate::field::Field;
use crate::lookup::Lookup;
use crate::rule::Rule;

/// How matches of rules must come together.
#[derive(Clone, Debug)]
pub struct Correlation {
    /// What is asked of a group.
    pub kind: CorrelationKind,
    /// The rules whose matches count, in the order in which the author lists them; at least one, and each once.
    pub members: Vec<Member>,
    /// What people call the values that tell groups apart, in order; empty for one group of all events.
    pub group_by: Vec<Arc<str>>,
    /// How far apart the first and the last event may be, both included. For [`CorrelationKind::FirstSeen`] how long a value is
    /// remembered after it was seen last.
    pub timespan: Duration,
    /// Whether the members raise alerts of their own, too.
    pub generate: bool,
}

/// A rule whose matches a correlation counts.
#[derive(Clone, Debug)]
pub struct Member {
    /// The rule: of any language, and possibly a correlation itself.
    pub rule: Arc<Rule>,
    /// Where the values of [`Correlation::group_by`] stand in events of this rule, in the same order; aliases are resolved. An
    /// event in which one of them is missing belongs to no group. For a nested correlation they are read from the
    /// event that completed it.
    pub group: Vec<EventValue>,
    /// The values that the correlation looks at: those it counts, adds up or remembers, or, for a join, those
    /// that must differ. Empty for kinds that look at none.
    pub values: Vec<EventValue>,
}

/// Something that can be read from an event.
#[derive(Clone, Debug, PartialEq)]
pub enum EventValue {
    /// A field of a catalogue.
    Field(Field),
    /// What stands at a dotted name.
    Lookup(Lookup),
}

/// What a correlation asks of the matches in a group.
#[derive(Clone, Debug, PartialEq)]
pub enum CorrelationKind {
    /// How many events there are.
    EventCount(Bounds),
    /// How many different values (with several fields: tuples) there are. An array gives each of its members.
    ValueCount(Bounds),
    /// The sum of a number.
    ValueSum(Bounds),
    /// The mean of a number.
    ValueAvg(Bounds),
    /// A percentile of a number, interpolated between its neighbours.
    ValuePercentile {
        /// Between 0 and 100.
        percentile: f64,
        /// What it must be.
        bounds: Bounds,
    },
    /// Members have matched, in any order.
    Temporal(Presence),
    /// All members have matched, in the order of the list.
    TemporalOrdered,
    /// A value, or a tuple of values, that this group has not had before.
    FirstSeen {
        /// For so long after the group was met for the first time, values are learned in silence.
        learning: Duration,
    },
    /// All members have matched in the order of the list, and the first event differs from the last in one of [`Member::values`]
    /// that both have. Of an array in the group each member is a group of its own.
    Join,
}

/// Which members must have matched.
#[derive(Clone, Debug, PartialEq)]
pub enum Presence {
    /// All of them.
    All,
    /// So many different ones.
    Count(Bounds),
    /// Those of an expression.
    Expression(PresenceExpr),
}

/// An expression of members, each true when it has matched within the time span.
#[derive(Clone, Debug, PartialEq)]
pub enum PresenceExpr {
    /// The member at this position of [`Correlation::members`].
    Member(usize),
    /// It does not hold (so far: nothing waits for the time span to end).
    Not(Box<PresenceExpr>),
    /// All hold.
    And(Vec<PresenceExpr>),
    /// Some hold.
    Or(Vec<PresenceExpr>),
}

/// What a number must be: all of these at once.
#[derive(Clone, Debug, PartialEq)]
pub struct Bounds(pub Vec<(Relation, f64)>);

/// How a number must stand to another.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[expect(missing_docs, reason = "the words explain themselves")]
pub enum Relation {
    Equal,
    NotEqual,
    Greater,
    GreaterOrEqual,
    Less,
    LessOrEqual,
}

impl CorrelationKind {
    /// The word that rule files use.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::EventCount(_) => "event_count",
            Self::ValueCount(_) => "value_count",
            Self::ValueSum(_) => "value_sum",
            Self::ValueAvg(_) => "value_avg",
            Self::ValuePercentile { .. } => "value_percentile",
            Self::Temporal(_) => "temporal",
            Self::TemporalOrdered => "temporal_ordered",
            Self::FirstSeen { .. } => "first_seen",
            Self::Join => "join",
        }
    }
}

impl Bounds {
    /// Whether the number is as it must be.
    pub fn hold(&self, number: f64) -> bool {
        self.0.iter().all(|(relation, bound)| match relation {
            Relation::Equal => number == *bound,
            Relation::NotEqual => number != *bound,
            Relation::Greater => number > *bound,
            Relation::GreaterOrEqual => number >= *bound,
            Relation::Less => number < *bound,
            Relation::LessOrEqual => number <= *bound,
        })
    }
}

impl PresenceExpr {
    /// Whether it holds when exactly those members have matched for which `seen` is true.
    pub fn holds(&self, seen: &dyn Fn(usize) -> bool) -> bool {
        match self {
            Self::Member(member) => seen(*member),
            Self::Not(part) => !part.holds(seen),
            Self::And(parts) => parts.iter().all(|part| part.holds(seen)),
            Self::Or(parts) => parts.iter().any(|part| part.holds(seen)),
        }
    }
}
