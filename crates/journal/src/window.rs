//! The keys that are known.

use crate::record::NO_KEY;
use hashbrown::{DefaultHashBuilder, HashTable};
use std::hash::BuildHasher as _;

/// The keys of the newest records, in order and by value.
///
/// The keys lie in a ring; the table holds their places in it, not the keys a second time: 21 to 27
/// bytes a record instead of 50, which is most of what an idle journal takes of the memory.
///
/// Keys are digests, so their own bits would do as hash values. They are hashed all the same, with
/// foldhash (the default of `hashbrown`), which is about as fast and seeded per process: senders
/// choose contents, and could grind contents whose digests meet in one bucket. Foldhash withstands
/// that as long as hash values stay secret, and none leaves this type; std's SipHash would also
/// withstand readers of hash values, at several times the cost on the one writer thread.
pub(crate) struct Window {
    capacity: usize,
    /// Records without a key stand here too, so that the window is one of records.
    ring: Vec<[u8; 16]>,
    /// Where the oldest key stands, once the ring is full.
    oldest: usize,
    /// Where each key stands in the ring.
    known: HashTable<u32>,
    hasher: DefaultHashBuilder,
}

impl Window {
    pub(crate) fn new(capacity: usize) -> Self {
        Window {
            capacity: capacity.min(u32::MAX as usize),
            ring: Vec::new(),
            oldest: 0,
            known: HashTable::new(),
            hasher: DefaultHashBuilder::default(),
        }
    }

    pub(crate) fn contains(&self, key: &[u8; 16]) -> bool {
        let is_it = |slot: &u32| self.ring.get(*slot as usize) == Some(key);
        *key != NO_KEY && self.known.find(self.hasher.hash_one(key), is_it).is_some()
    }

    /// A record was written; the oldest key leaves when the window is full.
    pub(crate) fn push(&mut self, key: [u8; 16]) {
        if self.capacity == 0 {
            return;
        }
        let slot = self.place(key);
        if key == NO_KEY {
            return;
        }
        let Window { ring, hasher, .. } = self;
        let rehash = |slot: &u32| hasher.hash_one(ring.get(*slot as usize).unwrap_or(&NO_KEY));
        let hash = hasher.hash_one(key);
        self.known.insert_unique(hash, slot, rehash);
    }

    /// Puts a key into the ring, over the oldest if that is full, and gives its slot.
    fn place(&mut self, key: [u8; 16]) -> u32 {
        let slot = if self.ring.len() < self.capacity {
            self.ring.push(key);
            self.ring.len() - 1
        } else {
            let slot = self.oldest;
            self.oldest = (slot + 1) % self.capacity;
            if let Some(place) = self.ring.get_mut(slot) {
                let gone = std::mem::replace(place, key);
                self.forget(gone, slot as u32);
            }
            slot
        };
        slot as u32
    }

    fn forget(&mut self, key: [u8; 16], slot: u32) {
        let hash = self.hasher.hash_one(key);
        if let Ok(entry) = self.known.find_entry(hash, |known| *known == slot) {
            entry.remove();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(number: u8) -> [u8; 16] {
        [number; 16]
    }

    #[test]
    fn the_window_knows_the_newest_keys_and_forgets_older_ones() {
        let mut window = Window::new(2);
        (1..=3).for_each(|number| window.push(key(number)));
        let known: Vec<bool> = (1..=3)
            .map(|number| window.contains(&key(number)))
            .collect();
        assert_eq!(known, [false, true, true]);
    }

    #[test]
    fn a_window_of_any_size_knows_what_a_plain_list_would() {
        for capacity in [1, 2, 3, 7, 64] {
            let (mut window, mut list) = (Window::new(capacity), Vec::new());
            for step in 0..1_000_u32 {
                let new = key((step.wrapping_mul(2_654_435_761) >> 25) as u8);
                let newest = &list[list.len().saturating_sub(capacity)..];
                assert_eq!(
                    window.contains(&new),
                    new != NO_KEY && newest.contains(&new)
                );
                // The writer pushes no key that is known.
                if !window.contains(&new) {
                    window.push(new);
                    list.push(new);
                }
            }
        }
    }

    #[test]
    fn records_without_a_key_are_never_known_but_age_the_others() {
        let mut window = Window::new(2);
        window.push(key(1));
        window.push(NO_KEY);
        assert!(!window.contains(&NO_KEY));
        window.push(NO_KEY);
        assert!(!window.contains(&key(1)));
    }
}
