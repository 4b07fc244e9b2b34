//! What is known of values that come again.
//!
//! A cluster's traffic is few identities doing few things over and over. So for some groups of values that stand in every event (who
//! asks, what is asked, with what client, from where, what the API server noted) a thread remembers which rules cannot hold for them:
//! those whose conditions are false whatever the rest of the event says. This reaches what the [index](crate::index) cannot express:
//! patterns, lists of groups, negations, alternatives between fields. Keys of the index that a group decides are asked once for each
//! of its values, too. Values that were not seen before cost what it costs to evaluate the candidates.
//!
//! Only answers that follow from the remembered bytes alone are remembered: an event in which a key came twice, stands in an array or
//! is spelled with dots is evaluated as if nothing were known.

mod group;
mod judged;

use std::sync::atomic::{AtomicU64, Ordering};

use hashbrown::HashMap;
use kubevigil_audit::json::{PathId, PathsBuilder};

use crate::bits::Bits;
use crate::compile::{NodeId, Program};
use crate::evaluate::{Evaluation, Memo};
use crate::index::{RuleIndex, narrow};
use crate::recurring::group::{GROUPS, Group};

pub(crate) use crate::recurring::group::is_remembered;

/// The most memory of a group; when it is full, it starts anew.
const MAX_BYTES: usize = 2 << 20;

/// The groups as the rules of a matcher ask for them.
#[derive(Debug)]
pub(crate) struct Recurring {
    /// Tells matchers apart.
    id: u64,
    groups: Vec<Group>,
    /// Where keys with dots would stand that mean the same as a value of a group.
    detours: Vec<PathId>,
}

/// What a thread remembers for the matcher that it last worked for.
#[derive(Debug, Default)]
pub(crate) struct Remembered {
    id: u64,
    groups: Vec<Known>,
    key: Vec<u8>,
}

#[derive(Debug, Default)]
struct Known {
    rows: HashMap<Box<[u8]>, Row>,
    bytes: usize,
}

/// What is known of one value of a group.
#[derive(Debug)]
struct Row {
    asked: Bits,
    impossible: Bits,
}

impl Recurring {
    /// Finds out what the groups decide, and takes the keys of the index that they decide. `roots` are the nodes of the rules.
    pub(crate) fn new(
        program: &Program,
        roots: &[NodeId],
        index: &mut RuleIndex,
        paths: &mut PathsBuilder,
    ) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        let mut detours = Vec::new();
        let groups = GROUPS
            .iter()
            .map(|keys| Group::new(keys, program, roots, index, &mut detours, paths));
        let groups = groups.flatten().collect();
        detours.sort_unstable();
        detours.dedup();
        Self {
            id: NEXT.fetch_add(1, Ordering::Relaxed),
            groups,
            detours,
        }
    }

    /// Takes the rules out of `candidates` that cannot hold.
    pub(crate) fn narrow(
        &self,
        evaluation: &Evaluation<'_, '_>,
        roots: impl Fn(usize) -> Option<NodeId>,
        candidates: &mut Bits,
        memo: &mut Memo,
        remembered: &mut Remembered,
    ) {
        let Remembered { groups, key, .. } = remembered.of(self);
        let found = evaluation.found;
        let is_plain = !found.has_duplicates()
            && !self
                .detours
                .iter()
                .any(|&detour| found.get(detour).is_some());
        for (group, known) in self.groups.iter().zip(groups) {
            if !candidates.meets(&group.concerned) {
                continue;
            }
            if !is_plain || !group.read_key(found, key) {
                narrow(&group.index, candidates, |plan| {
                    evaluation.index_value(plan)
                });
                continue;
            }
            let row = known.row(key, || group.row(evaluation, candidates));
            while let Some(number) = candidates.first_in_but(&group.concerned, &row.asked) {
                let answer = roots(number).and_then(|root| evaluation.judged(root, group, memo));
                if answer == Some(false) {
                    row.impossible.insert(number);
                }
                row.asked.insert(number);
            }
            candidates.remove(&row.impossible);
        }
    }
}

impl Remembered {
    /// What is remembered for these groups; nothing when the thread last worked for others.
    fn of(&mut self, recurring: &Recurring) -> &mut Self {
        if self.id != recurring.id {
            self.id = recurring.id;
            self.groups.clear();
            self.groups
                .resize_with(recurring.groups.len(), Known::default);
        }
        self
    }
}

impl Known {
    /// The row of a value; a new one when it was not seen.
    fn row(&mut self, key: &[u8], new: impl FnOnce() -> Row) -> &mut Row {
        if self.bytes > MAX_BYTES {
            *self = Self::default();
        }
        let Self { rows, bytes } = self;
        rows.entry_ref(key).or_insert_with(|| {
            let row = new();
            *bytes += key.len() + 2 * row.asked.bytes() + size_of::<(Box<[u8]>, Row)>();
            row
        })
    }
}

impl Group {
    /// What the index says of the group's values in the event.
    fn row(&self, evaluation: &Evaluation<'_, '_>, like: &Bits) -> Row {
        let mut possible = like.filled();
        narrow(&self.index, &mut possible, |plan| {
            evaluation.index_value(plan)
        });
        let mut impossible = like.filled();
        impossible.remove(&possible);
        Row {
            asked: impossible.clone(),
            impossible,
        }
    }
}
