//! The memory that copies of bodies may take together.
//!
//! Nobody waits for memory: a request is answered whether there is room for its copy or not, so a count does where a
//! semaphore would queue.
//!
//! A caller gets more only while as much is free as it would hold then: alone at most half of all, two greedy ones a third each, and so
//! on. Otherwise one who holds uploads open, without any right to make something of them, could keep the bodies of everybody else
//! out of the events.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::event::{ANONYMOUS, AuditEvent};

#[derive(Debug)]
pub(crate) struct Budget {
    held: Mutex<Held>,
    limit: usize,
    hasher: RandomState,
}

#[derive(Debug, Default)]
struct Held {
    all: usize,
    callers: HashMap<Owner, usize>,
}

/// Whose memory it is: the hash of a name takes none itself, however long the name is.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(crate) struct Owner(u64);

impl Budget {
    pub(crate) fn new(limit: usize) -> Self {
        Self {
            held: Mutex::default(),
            limit,
            hasher: RandomState::new(),
        }
    }

    pub(crate) fn held(&self) -> usize {
        self.lock().all
    }

    /// Who asks: users by their names, and who has none by the address that nobody can make up.
    pub(crate) fn owner(&self, event: &AuditEvent) -> Owner {
        let name = event.user.username.as_str();
        let is_nobody = matches!(name, "" | ANONYMOUS);
        let address = event.source_ips.last().filter(|_| is_nobody);
        Owner(self.hasher.hash_one((name, address)))
    }

    fn take(&self, owner: Owner, more: usize) -> bool {
        let mut held = self.lock();
        let free = self.limit.saturating_sub(held.all);
        let mine = held.callers.get(&owner).copied().unwrap_or_default();
        let Some(mine) = mine.checked_add(more).filter(|mine| *mine <= free) else {
            return false;
        };
        held.all += more;
        held.callers.insert(owner, mine);
        true
    }

    fn give_back(&self, owner: Owner, bytes: usize) {
        let mut held = self.lock();
        held.all = held.all.saturating_sub(bytes);
        if let Some(mine) = held.callers.get_mut(&owner) {
            *mine = mine.saturating_sub(bytes);
            if *mine == 0 {
                held.callers.remove(&owner);
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A part of the budget, given back when dropped.
#[derive(Debug)]
pub(crate) struct Share {
    budget: Arc<Budget>,
    owner: Owner,
    bytes: usize,
}

impl Share {
    pub(crate) fn of(budget: &Arc<Budget>, owner: Owner) -> Self {
        Self {
            budget: Arc::clone(budget),
            owner,
            bytes: 0,
        }
    }

    /// Another one of the same caller, with nothing in it.
    pub(crate) fn another(&self) -> Self {
        Self::of(&self.budget, self.owner)
    }

    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Makes it so many bytes more. False, and nothing changes, if there is no room.
    pub(crate) fn grow(&mut self, more: usize) -> bool {
        let bytes = self.bytes.checked_add(more);
        bytes.is_some_and(|bytes| self.resize(bytes))
    }

    /// Makes it so many bytes, more or less than before. False, and nothing changes, if there is no room.
    pub(crate) fn resize(&mut self, bytes: usize) -> bool {
        let fits = match bytes.checked_sub(self.bytes) {
            Some(0) => true,
            Some(more) => self.budget.take(self.owner, more),
            None => {
                self.budget.give_back(self.owner, self.bytes - bytes);
                true
            }
        };
        if fits {
            self.bytes = bytes;
        }
        fits
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        if self.bytes > 0 {
            self.budget.give_back(self.owner, self.bytes);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(budget: &Arc<Budget>, username: &str, address: &str) -> Share {
        let mut event = AuditEvent {
            source_ips: vec!["192.0.2.1".to_owned(), address.to_owned()],
            ..AuditEvent::default()
        };
        event.user.username = username.to_owned();
        Share::of(budget, budget.owner(&event))
    }

    #[test]
    fn nobody_takes_what_others_need_and_everything_is_given_back() {
        let budget = Arc::new(Budget::new(12));
        let (mut one, mut same) = (named(&budget, "a", "::1"), named(&budget, "a", "::2"));
        assert!(
            one.resize(4) && same.grow(2) && !same.grow(1),
            "half of all"
        );
        let mut other = named(&budget, "b", "::1");
        assert!(other.grow(3) && !other.grow(1), "and half of the rest");
        let mut third = one.another();
        assert!(!third.grow(1) && third.resize(0));
        assert_eq!(budget.held(), 9);
        assert!(one.resize(1) && other.grow(2) && other.bytes() == 5);
        assert!(!other.grow(usize::MAX) && other.bytes() == 5);
        drop((one, same, other));
        assert_eq!(budget.held(), 0);
        assert!(budget.lock().callers.is_empty());
    }

    #[test]
    fn who_has_no_name_is_told_apart_by_address() {
        let budget = Arc::new(Budget::new(12));
        for name in ["", "system:anonymous"] {
            let owner = |address| named(&budget, name, address).owner;
            assert!(owner("::1") == owner("::1") && owner("::1") != owner("::2"));
        }
        let jane = |address| named(&budget, "jane", address).owner;
        assert_eq!(jane("::1"), jane("::2"));
    }
}
