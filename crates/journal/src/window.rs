//! The keys that are known.

use crate::record::NO_KEY;
use hashbrown::HashSet;
use std::collections::VecDeque;

/// The keys of the newest records, in order and by value.
///
/// Keys are digests, so their own bits would do as hash values. They are hashed all the same, with
/// foldhash (the default of `hashbrown`), which is about as fast and seeded per process: senders
/// choose contents, and could grind contents whose digests meet in one bucket. Foldhash withstands
/// that as long as hash values stay secret, and none leaves this type; std's SipHash would also
/// withstand readers of hash values, at several times the cost on the one writer thread.
pub(crate) struct Window {
    capacity: usize,
    /// Oldest first. Records without a key stand here too, so that the window is one of records.
    order: VecDeque<[u8; 16]>,
    known: HashSet<[u8; 16]>,
}

impl Window {
    pub(crate) fn new(capacity: usize) -> Self {
        Window {
            capacity,
            order: VecDeque::new(),
            known: HashSet::new(),
        }
    }

    pub(crate) fn contains(&self, key: &[u8; 16]) -> bool {
        *key != NO_KEY && self.known.contains(key)
    }

    /// A record was written; the oldest key leaves when the window is full.
    pub(crate) fn push(&mut self, key: [u8; 16]) {
        if self.capacity == 0 {
            return;
        }
        if self.order.len() >= self.capacity
            && let Some(oldest) = self.order.pop_front()
        {
            self.known.remove(&oldest);
        }
        self.order.push_back(key);
        if key != NO_KEY {
            self.known.insert(key);
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
    fn records_without_a_key_are_never_known_but_age_the_others() {
        let mut window = Window::new(2);
        window.push(key(1));
        window.push(NO_KEY);
        assert!(!window.contains(&NO_KEY));
        window.push(NO_KEY);
        assert!(!window.contains(&key(1)));
    }
}
