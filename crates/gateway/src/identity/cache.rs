//! What is remembered of credentials, and how equal questions are asked once.
//!
//! Keys are keyed hashes of the credentials, so that neither a dump of the memory nor the time that a lookup takes gives a token
//! away. Memory is bounded by keeping two generations: when the younger is full, the older is forgotten. An exact order of
//! use would cost a list through all entries; here the most used survive because a hit brings them into the younger.

use std::collections::HashMap;
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use aws_lc_rs::hmac;
use aws_lc_rs::rand::SystemRandom;
use tokio::sync::OnceCell;

/// The keyed hash of something secret.
pub(crate) type Key = [u8; 32];

/// Makes keys; each instance its own, so that they mean nothing elsewhere.
#[derive(Debug)]
pub(crate) struct Keyed(hmac::Key);

impl Keyed {
    /// Draws a secret. Fails only where the system has no randomness.
    pub(crate) fn new() -> Option<Self> {
        let key = hmac::Key::generate(hmac::HMAC_SHA256, &SystemRandom::new());
        key.ok().map(Self)
    }

    /// The key of parts in order; moving a byte from one part to the next changes it.
    pub(crate) fn of<'p>(&self, parts: impl IntoIterator<Item = &'p [u8]>) -> Key {
        let mut context = hmac::Context::with_key(&self.0);
        for part in parts {
            let length = u64::try_from(part.len()).unwrap_or(u64::MAX);
            context.update(&length.to_le_bytes());
            context.update(part);
        }
        let mut key = Key::default();
        for (to, from) in key.iter_mut().zip(context.sign().as_ref()) {
            *to = *from;
        }
        key
    }
}

/// Values that are good for a time.
#[derive(Debug)]
pub(crate) struct Remembered<V> {
    generations: Mutex<Generations<V>>,
    limit: usize,
}

#[derive(Debug)]
struct Generations<V> {
    young: HashMap<Key, Entry<V>>,
    old: HashMap<Key, Entry<V>>,
}

#[derive(Debug)]
struct Entry<V> {
    value: V,
    since: SystemTime,
    until: SystemTime,
}

impl<V: Clone> Remembered<V> {
    /// At most `limit` values, but at least two.
    pub(crate) fn new(limit: usize) -> Self {
        Self {
            generations: Mutex::new(Generations {
                young: HashMap::new(),
                old: HashMap::new(),
            }),
            limit: (limit / 2).max(1),
        }
    }

    /// The value of a key, if it is still good. A clock that was set back makes it worthless.
    pub(crate) fn get(&self, key: &Key, now: SystemTime) -> Option<V> {
        let mut generations = lock(&self.generations);
        let is_good = |entry: &Entry<V>| entry.since <= now && now < entry.until;
        if let Some(entry) = generations.young.get(key) {
            return is_good(entry).then(|| entry.value.clone());
        }
        let entry = generations.old.remove(key).filter(is_good)?;
        let value = entry.value.clone();
        generations.put(*key, entry, self.limit);
        Some(value)
    }

    /// Remembers a value from `now` to `until`.
    pub(crate) fn put(&self, key: Key, value: V, now: SystemTime, until: SystemTime) {
        let entry = Entry {
            value,
            since: now,
            until,
        };
        lock(&self.generations).put(key, entry, self.limit);
    }
}

impl<V> Generations<V> {
    fn put(&mut self, key: Key, entry: Entry<V>, limit: usize) {
        if self.young.len() >= limit && !self.young.contains_key(&key) {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(key, entry);
    }
}

/// Questions under way: who asks the same waits for the same answer.
#[derive(Debug)]
pub(crate) struct Shared<V> {
    under_way: Mutex<HashMap<Key, Arc<OnceCell<V>>>>,
}

impl<V: Clone> Shared<V> {
    pub(crate) fn new() -> Self {
        Self {
            under_way: Mutex::new(HashMap::new()),
        }
    }

    /// The answer to the question `key`. If the one who asks goes away, the next in line asks anew.
    pub(crate) async fn ask<F: Future<Output = V>>(
        &self,
        key: Key,
        question: impl FnOnce() -> F,
    ) -> V {
        let asking = Asking {
            shared: self,
            cell: Arc::clone(lock(&self.under_way).entry(key).or_default()),
            key,
        };
        asking.cell.get_or_init(question).await.clone()
    }
}

/// Somebody who waits. The last to go, or the first to know, takes the question away.
struct Asking<'s, V> {
    shared: &'s Shared<V>,
    cell: Arc<OnceCell<V>>,
    key: Key,
}

impl<V> Drop for Asking<'_, V> {
    fn drop(&mut self) {
        let mut under_way = lock(&self.shared.under_way);
        let is_mine = under_way
            .get(&self.key)
            .is_some_and(|cell| Arc::ptr_eq(cell, &self.cell));
        // The map and this one are two.
        if is_mine && (self.cell.initialized() || Arc::strong_count(&self.cell) <= 2) {
            under_way.remove(&self.key);
        }
    }
}

/// No invariant spans a panic in here, so a poisoned lock is as good as any.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;

    use super::*;

    fn key(number: usize) -> Key {
        let mut key = Key::default();
        key[..8].copy_from_slice(&number.to_le_bytes());
        key
    }

    fn at(seconds: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
    }

    #[test]
    fn values_are_good_for_their_time_only() {
        let remembered = Remembered::new(10);
        remembered.put(key(1), "a", at(100), at(110));
        let found: Vec<_> = [99, 100, 109, 110]
            .map(|second| remembered.get(&key(1), at(second)))
            .into();
        assert_eq!(found, [None, Some("a"), Some("a"), None]);
        assert_eq!(remembered.get(&key(2), at(100)), None);
    }

    #[test]
    fn memory_is_bounded_and_what_is_used_survives() {
        let remembered = Remembered::new(100);
        remembered.put(key(0), 0, at(0), at(1000));
        for number in 1..10_000 {
            remembered.put(key(number), number, at(0), at(1000));
            assert_eq!(remembered.get(&key(0), at(1)), Some(0), "{number}");
        }
        let generations = lock(&remembered.generations);
        assert!(generations.young.len() + generations.old.len() <= 100);
    }

    #[test]
    fn keys_depend_on_every_part_and_on_the_instance() {
        let (one, other) = (Keyed::new().unwrap(), Keyed::new().unwrap());
        let parts: [&[u8]; 2] = [b"ab", b"c"];
        assert_eq!(one.of(parts), one.of(parts));
        assert_ne!(one.of(parts), one.of([b"a".as_slice(), b"bc"]));
        assert_ne!(one.of(parts), other.of(parts));
    }

    #[tokio::test]
    async fn equal_questions_are_asked_once() {
        let shared = Shared::new();
        let asked = AtomicUsize::new(0);
        let question = || async {
            tokio::time::sleep(Duration::from_millis(20)).await;
            asked.fetch_add(1, Ordering::Relaxed)
        };
        let ask = |number| shared.ask(key(number), question);
        let answers = tokio::join!(ask(1), ask(1), ask(1));
        assert_eq!(answers, (0, 0, 0));
        ask(2).await;
        assert_eq!(asked.load(Ordering::Relaxed), 2);
        assert!(lock(&shared.under_way).is_empty());
    }

    #[tokio::test]
    async fn who_goes_away_leaves_nothing_behind() {
        let shared: Shared<u8> = Shared::new();
        let waiting = shared.ask(key(1), std::future::pending);
        assert!(
            tokio::time::timeout(Duration::from_millis(5), waiting)
                .await
                .is_err()
        );
        assert!(lock(&shared.under_way).is_empty());
        assert_eq!(shared.ask(key(1), || async { 7 }).await, 7);
    }
}
