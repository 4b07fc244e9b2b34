//! What correlations remember between events.
//!
//! # Time
//!
//! Time is the events' own. The greatest one so far, but none that was not over when its event was received, is *now*; an event that claims to be further ahead than clocks may differ
//! ([`AHEAD`]) is taken as of when it was received. So one event from the future cannot blind every window, nor can an API server whose clock is ahead make the events of all others late. Events come out of
//! order, by seconds when several API servers send batches: one that is not older than [`LATENESS`] is put at its place and judged
//! with everything around it; an older one is counted and left out.
//!
//! # Windows
//!
//! A correlation fires at each event that leaves its group satisfying what is asked, windows sliding and both ends included. A group
//! that has fired is *repeating* itself for a time span; those matches are marked, so that they can be counted and not shown.
//!
//! # Limits
//!
//! Every list here is written by clients, so everything is bounded ([`StateLimits`]); what goes first is what was not used for
//! the longest time, and of a group what is redundant ([`window`]). Memory is charged by what is there and not by what
//! an allocator happens to hold, so limits bite at the same event however often the state was stored and read back in between.
//!
//! The same events in the same order give the same matches: no clock, no randomness, no order of a hash map.

mod first_seen;
mod groups;
mod judge;
mod limits;
mod memory;
mod receipt;
mod report;
mod runs;
mod snapshot;
mod stats;
mod table;
mod window;
mod windows;

use std::sync::Arc;

use hashbrown::HashMap;
use kubevigil_audit::time::Timestamp;
use kubevigil_rules::Rule;

use crate::detection::FieldValue;
use crate::digest::Digest;
use crate::hit::Hit;
use crate::matcher::{Detections, Matcher};
use crate::plan::Definition;
use crate::state::memory::Memory;
use crate::state::receipt::{Kept, Ledger};
use crate::state::window::NEVER;

pub use crate::state::limits::StateLimits;
pub use crate::state::snapshot::{RestoreError, Restored};
pub use crate::state::stats::{CorrelationStats, StateStats};

/// Events that are older than the newest one by more than this are left out, in nanoseconds.
pub const LATENESS: i64 = 300_000_000_000;
/// Events whose time is later than when they were received by more than this are taken as of then, in nanoseconds.
pub const AHEAD: i64 = 300_000_000_000;

/// All memory of the correlations of one [`Matcher`].
#[derive(Debug)]
pub struct State {
    definitions: Arc<[Definition]>,
    memories: Vec<Memory>,
    limits: StateLimits,
    /// The greatest time of an event so far, of those ahead of their arrival that of the arrival.
    now: i64,
    /// How many events were observed.
    observed: u64,
    ledger: Ledger,
    restored: Restored,
}

/// What is known about an event besides what it says.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Occasion {
    /// When it came in.
    pub received: Timestamp,
}

/// A correlation that is satisfied.
#[derive(Clone, Debug)]
pub struct CorrelationMatch {
    /// The correlation's rule.
    pub rule: Arc<Rule>,
    /// The rule's position in [`Matcher::rules`].
    pub rule_number: usize,
    /// The time of the event that completed it.
    pub time: Timestamp,
    /// What to tell people. Written by attackers in part, as [`Detection::message`](crate::Detection::message) is. Empty when `repeated`.
    pub message: Vec<u8>,
    /// The values of the group, those looked at, as the completing event has them, the number that was reached under the
    /// correlation's type (`event_count`), and the fields of the rule's output. Empty when `repeated`.
    pub fields: Vec<(Arc<str>, FieldValue)>,
    /// The events that together satisfy it, in the order of their times, the newest when there are very many. Empty when `repeated`.
    pub evidence: Vec<Evidence>,
    /// How many events there are; more than in `evidence` when that is cut. 0 when `repeated`.
    pub evidence_total: u64,
    /// The group has fired before, within the time span, and that was not repeated: people know already.
    pub repeated: bool,
}

/// An event that a correlation counted.
#[derive(Clone, Debug)]
pub struct Evidence {
    /// The member's rule.
    pub rule: Arc<Rule>,
    /// When the event happened.
    pub time: Timestamp,
    /// What the caller said of the event when it was observed.
    pub receipt: Arc<[u8]>,
}

/// The event that is being observed.
struct Current<'c> {
    time: i64,
    /// Of the beginning of all windows that can still end.
    horizon: i64,
    kept: Option<Kept>,
    receipt: &'c mut dyn FnMut() -> Arc<[u8]>,
}

impl Current<'_> {
    /// What the caller says of the event, asked for once.
    fn keep(&mut self, ledger: &mut Ledger) -> Kept {
        let kept = self
            .kept
            .get_or_insert_with(|| ledger.keep((self.receipt)()));
        Arc::clone(kept)
    }
}

impl State {
    /// A state that remembers nothing.
    pub fn new(matcher: &Matcher, limits: StateLimits) -> Self {
        let definitions = Arc::clone(matcher.definitions());
        Self {
            memories: definitions.iter().map(Memory::new).collect(),
            definitions,
            limits,
            now: NEVER,
            observed: 0,
            ledger: Ledger::default(),
            restored: Restored::default(),
        }
    }

    /// Takes note of an event and says which correlations it leaves satisfied, nested ones before those around them. Call it for every event,
    /// also for those without hits: they move the time.
    ///
    /// `receipt` describes the event in the caller's words. It is called at most once, and only if something keeps the event.
    pub fn observe(
        &mut self,
        detections: &Detections,
        occasion: &Occasion,
        receipt: &mut dyn FnMut() -> Arc<[u8]>,
    ) -> Vec<CorrelationMatch> {
        let time = self.time(detections.time, occasion.received);
        self.now = self.now.max(time.min(nanoseconds(occasion.received)));
        self.observed = self.observed.wrapping_add(1);
        self.forget_a_little();
        let horizon = self.now.saturating_sub(LATENESS);
        if time < horizon {
            self.count_late(&detections.hits);
            return Vec::new();
        }
        if detections.hits.is_empty() {
            return Vec::new();
        }
        let mut current = Current {
            time,
            horizon,
            kept: None,
            receipt,
        };
        let matches = self.correlate(&detections.hits, &mut current);
        if let Some(kept) = current.kept {
            self.ledger.release(kept);
        }
        self.enforce_bytes();
        matches
    }

    /// A stream begins anew, as when files are read one after the other: windows are emptied, what was learned stays.
    pub fn begin_stream(&mut self) {
        self.now = NEVER;
        for memory in &mut self.memories {
            memory.clear_windows(&mut self.ledger);
        }
    }

    /// Goes on after the rules have changed: what the new correlations have in common with the old ones is kept.
    pub fn adopt(old: Self, matcher: &Matcher) -> Self {
        let mut state = Self::new(matcher, old.limits);
        (state.now, state.observed, state.ledger) = (old.now, old.observed, old.ledger);
        let mut by_digest: HashMap<Digest, Vec<(Arc<Rule>, Memory)>> = HashMap::new();
        for (definition, memory) in old.definitions.iter().zip(old.memories).rev() {
            let rule = Arc::clone(&definition.rule);
            by_digest
                .entry(definition.digest)
                .or_default()
                .push((rule, memory));
        }
        for (definition, memory) in state.definitions.iter().zip(&mut state.memories) {
            if let Some((_, known)) = by_digest.get_mut(&definition.digest).and_then(Vec::pop) {
                *memory = known;
                state.restored.kept.push(Arc::clone(&definition.rule.name));
            }
        }
        let mut dropped: Vec<Arc<str>> = Vec::new();
        for (rule, mut memory) in by_digest.into_values().flatten() {
            memory.clear_windows(&mut state.ledger);
            dropped.push(Arc::clone(&rule.name));
        }
        dropped.sort();
        state.restored.dropped = dropped;
        state
    }

    /// Which correlations kept their memory when the state was restored or adopted, and which started anew.
    pub fn restored(&self) -> &Restored {
        &self.restored
    }

    fn time(&self, event: Timestamp, received: Timestamp) -> i64 {
        let (event, received) = (nanoseconds(event), nanoseconds(received));
        if event > received.saturating_add(AHEAD) {
            received
        } else {
            event
        }
    }

    fn count_late(&mut self, hits: &[Hit]) {
        for of_correlation in hits.chunk_by(|one, other| one.correlation == other.correlation) {
            let number = of_correlation.first().map(|hit| hit.correlation);
            if let Some(memory) = number.and_then(|number| self.memories.get_mut(number)) {
                memory.counters.late += 1;
            }
        }
    }

    fn correlate(&mut self, hits: &[Hit], current: &mut Current<'_>) -> Vec<CorrelationMatch> {
        let mut matches = Vec::new();
        let mut fired: Vec<usize> = Vec::new();
        for of_correlation in hits.chunk_by(|one, other| one.correlation == other.correlation) {
            let Some(number) = of_correlation.first().map(|hit| hit.correlation) else {
                continue;
            };
            let (Some(definition), Some(memory)) =
                (self.definitions.get(number), self.memories.get_mut(number))
            else {
                continue;
            };
            let counts = |hit: &&Hit| {
                let member = definition.members.get(usize::from(hit.member));
                member.is_some_and(|member| member.inner.is_none_or(|inner| fired.contains(&inner)))
            };
            let hits: Vec<&Hit> = of_correlation.iter().filter(counts).collect();
            let found = memory.observe(definition, &hits, current, &self.limits, &mut self.ledger);
            if found.fired {
                fired.push(number);
            }
            matches.extend(found.matches);
        }
        matches
    }

    /// Drops groups whose windows have passed, a few with each event.
    fn forget_a_little(&mut self) {
        let horizon = self.now.saturating_sub(LATENESS);
        let count = self.memories.len() as u64;
        let Some(number) = self.observed.checked_rem(count) else {
            return;
        };
        #[expect(clippy::cast_possible_truncation, reason = "smaller than a length")]
        let number = number as usize;
        if let (Some(definition), Some(memory)) =
            (self.definitions.get(number), self.memories.get_mut(number))
        {
            memory.forget(horizon.saturating_sub(definition.span), &mut self.ledger);
        }
    }

    /// Evicts from the correlation that has the most until all fits, so that who floods one correlation cannot empty the others. Receipts count
    /// for those that keep them, shared alike: otherwise long ones would empty what keeps none.
    fn enforce_bytes(&mut self) {
        while self.bytes() > self.limits.bytes {
            let holders: usize = self.memories.iter().map(Memory::receipts).sum();
            let share = self.ledger.bytes() / holders.max(1);
            let largest = self
                .memories
                .iter_mut()
                .rev()
                .max_by_key(|memory| memory.bytes() + memory.receipts() * share);
            let evicted = largest.is_some_and(|memory| memory.evict(&mut self.ledger));
            if !evicted {
                return;
            }
        }
    }

    /// The memory of all correlations together.
    fn bytes(&self) -> usize {
        self.ledger.bytes() + self.memories.iter().map(Memory::bytes).sum::<usize>()
    }
}

/// Times outside of the three centuries around 1970 are taken as their ends.
fn nanoseconds(time: Timestamp) -> i64 {
    // The least value means never.
    let least = i128::from(NEVER) + 1;
    i64::try_from(time.nanoseconds.max(least)).unwrap_or(i64::MAX)
}

fn timestamp(nanoseconds: i64) -> Timestamp {
    Timestamp {
        nanoseconds: nanoseconds.into(),
    }
}
