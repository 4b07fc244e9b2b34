//! Members in the order of the list.
//!
//! For each beginning of the list one thing is remembered: where the latest chain of its members begins. An event of a member
//! extends the chain of those before it. So one pass finds the tightest chain, strays do no harm, and no event is looked at twice.

use std::collections::VecDeque;

use super::{Added, Evidence, Judgement};
use crate::state::window::Entry;

/// Whether all members stand in a window in order.
pub(super) fn judge(members: usize, added: Added<'_>) -> Option<Judgement> {
    let mut latest = Latest::new(members);
    let mut next = added.first_start();
    added.ends().find_map(|(end, time)| {
        for (position, entry) in (next..).zip(added.entries.range(next..=end)) {
            latest.see(position, entry);
        }
        next = end + 1;
        let begin = latest.begin_of_all()?;
        let begins_in_window = added
            .entries
            .get(begin)
            .is_some_and(|entry| time.saturating_sub(entry.time) <= added.span);
        begins_in_window.then(|| Judgement {
            evidence: Evidence::Chain(chain(added.entries, members, begin, end)),
            number: None,
        })
    })
}

/// Where the latest chain of each beginning of the list begins.
pub(super) struct Latest {
    begins: Vec<Option<usize>>,
}

impl Latest {
    pub(super) fn new(members: usize) -> Self {
        Self {
            begins: vec![None; members],
        }
    }

    pub(super) fn see(&mut self, position: usize, entry: &Entry) {
        let member = usize::from(entry.member);
        let begin = match member.checked_sub(1) {
            None => Some(position),
            Some(before) => self.begin(before),
        };
        if let (Some(slot), Some(begin)) = (self.begins.get_mut(member), begin) {
            *slot = Some(begin);
        }
    }

    /// Where the latest chain of the members up to this one begins.
    pub(super) fn begin(&self, member: usize) -> Option<usize> {
        self.begins.get(member).copied().flatten()
    }

    fn begin_of_all(&self) -> Option<usize> {
        self.begins.last().copied().flatten()
    }
}

/// The entries of a chain that begins and ends at given ones, in between the first that continue it.
pub(super) fn chain(
    entries: &VecDeque<Entry>,
    members: usize,
    begin: usize,
    end: usize,
) -> Vec<usize> {
    let mut chain = Vec::with_capacity(members);
    for (position, entry) in (begin..).zip(entries.range(begin..=end)) {
        if usize::from(entry.member) == chain.len() {
            chain.push(position);
        }
    }
    chain
}

/// The entries of the latest chains.
pub(super) fn needed<'e>(
    members: usize,
    base: impl ExactSizeIterator<Item = &'e Entry>,
) -> Vec<bool> {
    let mut needed = vec![false; base.len()];
    let mut chains: Vec<Vec<usize>> = vec![Vec::new(); members];
    for (position, entry) in base.enumerate() {
        let member = usize::from(entry.member);
        let before = match member.checked_sub(1) {
            None => Some(Vec::new()),
            Some(before) => chains
                .get(before)
                .filter(|chain| !chain.is_empty())
                .cloned(),
        };
        if let (Some(slot), Some(mut chain)) = (chains.get_mut(member), before) {
            chain.push(position);
            *slot = chain;
        }
    }
    for position in chains.into_iter().flatten() {
        if let Some(mark) = needed.get_mut(position) {
            *mark = true;
        }
    }
    needed
}
