//! The groups of one correlation, in the order of their last use, and the books about them.

use crate::digest::Digest;
use crate::state::receipt::Ledger;
use crate::state::table::Table;

/// What is remembered of one group.
pub(crate) trait OfGroup: Default {
    /// How many events, or runs of them, there are.
    fn count(&self) -> usize;
    /// What they take, without receipts.
    fn bytes(&self) -> usize;
    /// The newest time.
    fn newest(&self) -> i64;
    /// Gives all receipts up.
    fn clear(&mut self, ledger: &mut Ledger);
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Groups<G> {
    table: Table<G>,
    entries: usize,
    /// Of the entries.
    bytes: usize,
}

impl<G> Default for Groups<G> {
    fn default() -> Self {
        Self {
            table: Table::default(),
            entries: 0,
            bytes: 0,
        }
    }
}

impl<G: OfGroup> Groups<G> {
    /// How many groups there are.
    pub(crate) fn len(&self) -> usize {
        self.table.len()
    }

    /// How many entries there are in all groups.
    pub(crate) fn entries(&self) -> usize {
        self.entries
    }

    /// What all of it takes, without receipts.
    pub(crate) fn bytes(&self) -> usize {
        self.table.bytes() + self.bytes
    }

    /// All groups, the one that was not used for the longest time first.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&Digest, &G)> {
        self.table.iter()
    }

    /// Adds a group as the newest. False when there is one of that key.
    pub(crate) fn insert(&mut self, key: Digest, group: G) -> bool {
        if self.table.touch(&key).is_some() {
            return false;
        }
        self.entries += group.count();
        self.bytes += group.bytes();
        self.table.insert(key, group);
        true
    }

    /// Changes a group, a new one if need be. It becomes the newest.
    pub(crate) fn change<R>(&mut self, key: &Digest, change: impl FnOnce(&mut G) -> R) -> R {
        if self.table.touch(key).is_none() {
            self.table.insert(*key, G::default());
        }
        let mut unused = G::default();
        let group = self.table.touch(key).unwrap_or(&mut unused);
        let (entries, bytes) = (group.count(), group.bytes());
        let result = change(group);
        self.entries = self.entries + group.count() - entries;
        self.bytes = self.bytes + group.bytes() - bytes;
        result
    }

    /// Drops a few groups that were last used before `time`.
    pub(crate) fn forget(&mut self, time: i64, ledger: &mut Ledger) {
        for _ in 0..2 {
            if self
                .table
                .oldest()
                .is_some_and(|group| group.newest() < time)
            {
                self.evict(ledger);
            }
        }
    }

    /// Gives up the group that was not used for the longest time. False when there is none.
    pub(crate) fn evict(&mut self, ledger: &mut Ledger) -> bool {
        let Some(mut group) = self.table.pop_oldest() else {
            return false;
        };
        self.entries -= group.count();
        self.bytes -= group.bytes();
        group.clear(ledger);
        true
    }
}
