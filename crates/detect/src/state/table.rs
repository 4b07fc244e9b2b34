//! Values by digest, in the order of their last use.
//!
//! The order is what limits need: the first to go is the one that was not used for the longest time. It depends on nothing but the
//! calls, as everything in the state must.
//!
//! Nodes lie densely in chunks: what is removed is replaced by the last node, so memory shrinks with the content and never has to
//! be copied to grow. The rejected alternative, a hash map of the standard library with a list through it, doubles its memory at once
//! and keeps it after the content is gone, so its size would depend on what was there before, and with it what a limit evicts.

use std::hash::{BuildHasher, RandomState};

use crate::digest::Digest;

/// See the module.
#[derive(Debug)]
pub(crate) struct Table<V> {
    chunks: Vec<Vec<Node<V>>>,
    len: usize,
    /// Node numbers by digest, with open addresses: a power of two of slots, at most three quarters of them taken.
    index: Vec<u32>,
    /// Of the places in the index, and of nothing that anybody sees.
    hasher: RandomState,
    oldest: u32,
    newest: u32,
}

#[derive(Debug)]
struct Node<V> {
    key: Digest,
    older: u32,
    newer: u32,
    value: V,
}

/// No node.
const NONE: u32 = u32::MAX;
/// Nodes in a chunk.
const CHUNK: usize = 64;
/// The most bytes of the index for each node, while it is copied into a larger one included.
const INDEX_BYTES: usize = 16;

impl<V> Default for Table<V> {
    fn default() -> Self {
        Self {
            chunks: Vec::new(),
            len: 0,
            index: Vec::new(),
            hasher: RandomState::new(),
            oldest: NONE,
            newest: NONE,
        }
    }
}

impl<V> Table<V> {
    /// How many values there are.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// The most bytes that the table takes, without what its values own.
    pub(crate) fn bytes(&self) -> usize {
        let chunks = self.len.div_ceil(CHUNK);
        chunks * (CHUNK * size_of::<Node<V>>() + 2 * size_of::<Vec<Node<V>>>())
            + self.len * INDEX_BYTES
    }

    /// The value of a key, which becomes the newest.
    pub(crate) fn touch(&mut self, key: &Digest) -> Option<&mut V> {
        let id = self.find(key)?;
        if self.newest != id {
            self.unlink(id);
            self.link(id);
        }
        self.node_mut(id).map(|node| &mut node.value)
    }

    /// Adds a value as the newest. The key must be new.
    pub(crate) fn insert(&mut self, key: Digest, value: V) {
        // Four billion values are beyond every limit.
        let Ok(id) = u32::try_from(self.len) else {
            return;
        };
        if self.chunks.last().is_none_or(|chunk| chunk.len() == CHUNK) {
            self.chunks.push(Vec::with_capacity(CHUNK));
        }
        if let Some(chunk) = self.chunks.last_mut() {
            chunk.push(Node {
                key,
                older: NONE,
                newer: NONE,
                value,
            });
        }
        self.len += 1;
        if self.len * 4 > self.index.len() * 3 {
            self.rebuild_index((self.index.len() * 2).max(8));
        } else {
            self.add_to_index(&key, id);
        }
        self.link(id);
    }

    /// The value that was not used for the longest time.
    pub(crate) fn oldest(&self) -> Option<&V> {
        self.node(self.oldest).map(|node| &node.value)
    }

    /// Removes the value that was not used for the longest time.
    pub(crate) fn pop_oldest(&mut self) -> Option<V> {
        let id = self.oldest;
        let key = self.node(id)?.key;
        self.remove_from_index(&key);
        self.unlink(id);
        let last = u32::try_from(self.len - 1).ok()?;
        let moved = self.chunks.last_mut()?.pop()?;
        self.len -= 1;
        if self.chunks.last().is_some_and(Vec::is_empty) {
            self.chunks.pop();
        }
        let removed = if id == last {
            moved
        } else {
            self.move_into(id, last, moved)?
        };
        if self.index.len() > 8 && self.len * 16 < self.index.len() * 5 {
            self.rebuild_index(self.index.len() / 2);
        }
        Some(removed.value)
    }

    /// All keys and values, the oldest first.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&Digest, &V)> {
        let mut next = self.oldest;
        std::iter::from_fn(move || {
            let node = self.node(next)?;
            next = node.newer;
            Some((&node.key, &node.value))
        })
    }

    fn node(&self, id: u32) -> Option<&Node<V>> {
        let id = id as usize;
        self.chunks.get(id / CHUNK)?.get(id % CHUNK)
    }

    fn node_mut(&mut self, id: u32) -> Option<&mut Node<V>> {
        let id = id as usize;
        self.chunks.get_mut(id / CHUNK)?.get_mut(id % CHUNK)
    }

    /// Puts the node that was the last where another one was, and returns that one.
    fn move_into(&mut self, id: u32, last: u32, moved: Node<V>) -> Option<Node<V>> {
        let (key, older, newer) = (moved.key, moved.older, moved.newer);
        if let Some(slot) = self
            .slot_of(&key, last)
            .and_then(|slot| self.index.get_mut(slot))
        {
            *slot = id;
        }
        match self.node_mut(older) {
            Some(node) => node.newer = id,
            None => self.oldest = id,
        }
        match self.node_mut(newer) {
            Some(node) => node.older = id,
            None => self.newest = id,
        }
        Some(std::mem::replace(self.node_mut(id)?, moved))
    }

    fn link(&mut self, id: u32) {
        let before = std::mem::replace(&mut self.newest, id);
        match self.node_mut(before) {
            Some(node) => node.newer = id,
            None => self.oldest = id,
        }
        if let Some(node) = self.node_mut(id) {
            (node.older, node.newer) = (before, NONE);
        }
    }

    fn unlink(&mut self, id: u32) {
        let Some(node) = self.node(id) else { return };
        let (older, newer) = (node.older, node.newer);
        match self.node_mut(older) {
            Some(node) => node.newer = newer,
            None => self.oldest = newer,
        }
        match self.node_mut(newer) {
            Some(node) => node.older = older,
            None => self.newest = older,
        }
    }

    fn find(&self, key: &Digest) -> Option<u32> {
        let mut slot = self.home(key);
        loop {
            let id = *self.index.get(slot)?;
            if self.node(id)?.key == *key {
                return Some(id);
            }
            slot = self.next(slot);
        }
    }

    fn slot_of(&self, key: &Digest, id: u32) -> Option<usize> {
        let mut slot = self.home(key);
        // A quarter of the slots is free, so this ends.
        loop {
            match *self.index.get(slot)? {
                NONE => return None,
                other if other == id => return Some(slot),
                _ => slot = self.next(slot),
            }
        }
    }

    fn add_to_index(&mut self, key: &Digest, id: u32) {
        let mut slot = self.home(key);
        while self.index.get(slot).is_some_and(|&id| id != NONE) {
            slot = self.next(slot);
        }
        if let Some(free) = self.index.get_mut(slot) {
            *free = id;
        }
    }

    /// Takes a key out and moves those behind it closer to their home slots, so that no marks of the dead are needed.
    fn remove_from_index(&mut self, key: &Digest) {
        let Some(mut hole) = self.find(key).and_then(|id| self.slot_of(key, id)) else {
            return;
        };
        let mask = self.index.len().wrapping_sub(1);
        let mut slot = self.next(hole);
        while let Some(id) = self.index.get(slot).copied().filter(|&id| id != NONE) {
            let home = self.node(id).map_or(slot, |node| self.home(&node.key));
            if slot.wrapping_sub(home) & mask >= slot.wrapping_sub(hole) & mask {
                self.set_slot(hole, id);
                hole = slot;
            }
            slot = self.next(slot);
        }
        self.set_slot(hole, NONE);
    }

    fn set_slot(&mut self, slot: usize, id: u32) {
        if let Some(place) = self.index.get_mut(slot) {
            *place = id;
        }
    }

    fn rebuild_index(&mut self, slots: usize) {
        self.index = vec![NONE; slots];
        for id in 0..u32::try_from(self.len).unwrap_or(NONE) {
            if let Some(key) = self.node(id).map(|node| node.key) {
                self.add_to_index(&key, id);
            }
        }
    }

    /// By a hash with a secret of this process: how digests are made is known, so who chooses the values can find as many as he likes that
    /// begin with the same bits, and every look at one of them would go along all.
    fn home(&self, key: &Digest) -> usize {
        #[expect(
            clippy::cast_possible_truncation,
            reason = "the upper bits are cut off anyway"
        )]
        let hash = self.hasher.hash_one(key) as usize;
        hash & self.index.len().wrapping_sub(1)
    }

    fn next(&self, slot: usize) -> usize {
        (slot + 1) & self.index.len().wrapping_sub(1)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn key(number: u8) -> Digest {
        [number % 3, 0, 0, 0, number, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]
    }

    #[test]
    fn keys_that_were_chosen_to_begin_alike_do_not_meet_in_the_index() {
        let mut table = Table::default();
        for number in 0..20_000_u32 {
            let mut key = Digest::default();
            key[12..].copy_from_slice(&number.to_le_bytes());
            table.insert(key, number);
        }
        let mut homes: Vec<usize> = table.iter().map(|(key, _)| table.home(key)).collect();
        homes.sort_unstable();
        let most = homes.chunk_by(usize::eq).map(<[usize]>::len).max();
        assert!(most < Some(16), "{most:?} keys have one home");
    }

    proptest! {
        #[test]
        fn a_table_is_a_list_in_the_order_of_use(calls in proptest::collection::vec((0_u8..200, any::<bool>()), 0..600)) {
            let mut table = Table::default();
            let mut model: Vec<(u8, usize)> = Vec::new();
            for (number, (key_number, pop)) in calls.into_iter().enumerate() {
                if pop && key_number % 2 == 0 {
                    let expected = (!model.is_empty()).then(|| model.remove(0).1);
                    prop_assert_eq!(table.pop_oldest(), expected);
                    continue;
                }
                let known = model.iter().position(|(known, _)| *known == key_number);
                prop_assert_eq!(table.touch(&key(key_number)).copied(), known.map(|at| model[at].1));
                match known {
                    Some(at) => {
                        let entry = model.remove(at);
                        model.push(entry);
                    }
                    None => {
                        table.insert(key(key_number), number);
                        model.push((key_number, number));
                    }
                }
                let content: Vec<usize> = table.iter().map(|(_, value)| *value).collect();
                prop_assert_eq!(content, model.iter().map(|(_, value)| *value).collect::<Vec<_>>());
                prop_assert_eq!(table.len(), model.len());
            }
        }
    }
}
