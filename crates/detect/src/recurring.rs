//! What is known of values that come again.
//!
//! A cluster's traffic is few identities doing few things over and over. So for some groups of values that stand in every event (who
//! asks, what is asked, with what client, from where, what the API server noted) a thread remembers which rules cannot hold for them:
//! those whose conditions are false whatever the rest of the event says. This reaches what the [index](crate::index) cannot express:
//! patterns, lists of groups, negations, alternatives between fields. Keys of the index that a group decides are asked once for each
//! of its values, too. Values that were not seen before cost what it costs to evaluate the candidates, and nothing is kept of those that
//! come once: addresses of passers-by would drive out what is worth knowing.
//!
//! Only answers that follow from the remembered bytes alone are remembered: an event in which a key came twice, stands in an array or
//! is spelled with dots is evaluated as if nothing were known.

mod conjunct;
mod group;
mod judged;

use std::hash::BuildHasher as _;
use std::sync::atomic::{AtomicU64, Ordering};

use hashbrown::hash_table::{Entry, HashTable};
use kubevigil_audit::json::{PathId, PathsBuilder};

use crate::bits::Bits;
use crate::compile::{NodeId, Program};
use crate::evaluate::{Evaluation, Memo};
use crate::index::{KeyPlan, RuleIndex, narrow};
use crate::recurring::group::{GROUPS, Group};

pub(crate) use crate::recurring::conjunct::{Conjunct, GroupSet};
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

#[derive(Debug)]
struct Known {
    rows: HashTable<Row>,
    bytes: usize,
    hasher: hashbrown::DefaultHashBuilder,
    /// Parts of the hashes of values that came once, each at the place that the rest of its hash says.
    met: Box<[u32]>,
}

/// What is known of one value of a group.
#[derive(Debug)]
struct Row {
    key: Box<[u8]>,
    asked: Bits,
    impossible: Bits,
}

/// So many values can come in between before a value that came once is forgotten, about.
const MET: usize = 1 << 12;

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

    /// Takes the rules out of `candidates` that cannot hold, and says which groups were asked about those that are left.
    pub(crate) fn narrow(
        &self,
        evaluation: &Evaluation<'_, '_>,
        roots: impl Fn(usize) -> Option<NodeId>,
        candidates: &mut Bits,
        memo: &mut Memo,
        remembered: &mut Remembered,
    ) -> GroupSet {
        let Remembered { groups, key, .. } = remembered.of(self);
        let found = evaluation.found;
        let is_plain = !found.has_duplicates()
            && !self
                .detours
                .iter()
                .any(|&detour| found.get(detour).is_some());
        let mut asked = GroupSet::default();
        for (number, (group, known)) in self.groups.iter().zip(groups).enumerate() {
            if !candidates.meets(&group.concerned) {
                continue;
            }
            let is_readable = is_plain && group.read_key(found, key);
            let known = is_readable.then_some(known);
            let row = known.and_then(|known| known.row(key, || group.row(key, evaluation)));
            let Some(row) = row else {
                let value = |plan: &KeyPlan| evaluation.index_value(plan);
                narrow(&group.index, candidates, value);
                continue;
            };
            while let Some(number) = candidates.first_in_but(&group.concerned, &row.asked) {
                let answer = roots(number).and_then(|root| evaluation.judged(root, group, memo));
                if answer == Some(false) {
                    row.impossible.insert(number);
                }
                row.asked.insert(number);
            }
            candidates.remove(&row.impossible);
            asked.insert(number);
        }
        asked
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

impl Default for Known {
    fn default() -> Self {
        Self {
            rows: HashTable::new(),
            bytes: 0,
            hasher: hashbrown::DefaultHashBuilder::default(),
            met: vec![0; MET].into(),
        }
    }
}

impl Known {
    /// The row of a value, a new one when it comes for the second time; `None` when it comes for the first time.
    fn row(&mut self, key: &[u8], new: impl FnOnce() -> Row) -> Option<&mut Row> {
        if self.bytes > MAX_BYTES {
            self.rows.clear();
            self.bytes = 0;
        }
        let Self {
            rows,
            bytes,
            hasher,
            met,
        } = self;
        let hash = hasher.hash_one(key);
        let rehash = |row: &Row| hasher.hash_one(&*row.key);
        let vacant = match rows.entry(hash, |row| *row.key == *key, rehash) {
            Entry::Occupied(known) => return Some(known.into_mut()),
            Entry::Vacant(vacant) => vacant,
        };
        #[expect(clippy::cast_possible_truncation, reason = "two parts of a hash")]
        let (place, rest) = (hash as usize % MET, (hash >> 32) as u32);
        let met = met.get_mut(place)?;
        if std::mem::replace(met, rest) != rest {
            return None;
        }
        let row = new();
        *bytes += row.bytes();
        Some(vacant.insert(row).into_mut())
    }
}

impl Row {
    fn bytes(&self) -> usize {
        self.key.len() + 2 * self.asked.bytes() + size_of::<Self>()
    }
}

impl Group {
    /// What the index says of the group's values in the event.
    fn row(&self, key: &[u8], evaluation: &Evaluation<'_, '_>) -> Row {
        let mut possible = self.concerned.filled();
        narrow(&self.index, &mut possible, |plan| {
            evaluation.index_value(plan)
        });
        let mut impossible = self.concerned.filled();
        impossible.remove(&possible);
        Row {
            key: key.into(),
            asked: impossible.clone(),
            impossible,
        }
    }
}
