//! Lists that are gathered from several places, each value once.

use std::borrow::Cow;
use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};

use crate::field::{Value, Values};

/// Values in the order in which they were met first.
#[derive(Default)]
pub(super) struct Collected {
    values: Vec<Vec<u8>>,
    /// By hash one value that has it, once there are more than a few. Of others with the same hash, which nobody can choose, some may
    /// stand twice.
    known: HashMap<u64, usize>,
    hasher: RandomState,
}

/// An object that etcd stores (1.5 MiB) has fewer, because each takes some 24 bytes with what stands around it. Only capabilities are
/// shorter, and a container with made-up ones does not start.
const MAX_VALUES: usize = 65_536;

/// Up to this many values are compared one by one, which takes less time than one hash.
const FEW: usize = 8;

impl Collected {
    /// Adds a value that is not there yet.
    pub(super) fn add(&mut self, value: &[u8]) {
        if value.is_empty() || self.values.len() >= MAX_VALUES {
            return;
        }
        if self.values.len() < FEW {
            if !self.values.iter().any(|known| known == value) {
                self.values.push(value.to_vec());
            }
            return;
        }
        if self.known.is_empty() {
            self.know_all();
        }
        let known = self
            .known
            .entry(self.hasher.hash_one(value))
            .or_insert(self.values.len());
        if self.values.get(*known).is_none_or(|known| known != value) {
            self.values.push(value.to_vec());
        }
    }

    fn know_all(&mut self) {
        for (number, value) in self.values.iter().enumerate() {
            let hash = self.hasher.hash_one(value.as_slice());
            self.known.entry(hash).or_insert(number);
        }
    }

    /// Adds a value whether it is there or not.
    pub(super) fn add_again(&mut self, value: &[u8]) {
        if self.values.len() < MAX_VALUES {
            self.values.push(value.to_vec());
        }
    }

    pub(super) fn len(&self) -> usize {
        self.values.len()
    }

    pub(super) fn into_values<'e>(self) -> Values<'e> {
        let texts = self.values.into_iter();
        Values::list(texts.map(|text| Value::Text(Cow::Owned(text))).collect())
    }
}
