//! Members in the order of the list, the first event and the last one different.
//!
//! Any chain of which the new event is a part will do. Usually the event is the last of the list and its partners are all first ones
//! from which the others lead to it; one that came late may be the first, or stand in the middle.

use hashbrown::HashSet;

use super::chain::{Latest, chain};
use super::{Added, Evidence, Judgement};
use crate::state::window::{Entry, NO_VALUE};

/// Of an event that came late into the middle of a chain so many first and so many last ones are tried, the closest.
const TRIED: usize = 32;

/// Whether the new event is part of a chain whose ends differ in one of the values looked at, if there are any.
pub(super) fn judge(members: usize, differ: bool, added: Added<'_>) -> Option<Judgement> {
    let last_member = members.checked_sub(1)?;
    let new = new_entries(added);
    let mut seen = HashSet::new();
    for position in new.clone() {
        let Some(member) = added
            .entries
            .get(position)
            .map(|entry| usize::from(entry.member))
        else {
            continue;
        };
        if !seen.insert(member) {
            continue;
        }
        let firsts = firsts(member, members, &new, added);
        let lasts = lasts(member, last_member, &new, added);
        let both_ways = member > 0 && member < last_member;
        let limit = if both_ways { TRIED } else { usize::MAX };
        for &last in lasts.iter().take(limit) {
            let partner = firsts
                .iter()
                .take(limit)
                .find(|&&first| fits(first, last, differ, added));
            if let Some(&first) = partner {
                let evidence = Evidence::Chain(ends_of(added, members, first, last));
                return Some(Judgement {
                    evidence,
                    number: None,
                });
            }
        }
    }
    None
}

fn new_entries(added: Added<'_>) -> std::ops::RangeInclusive<usize> {
    let receipt = added.entries.get(added.last).map(|entry| &entry.receipt);
    let mut first = added.last;
    while let Some(before) = first.checked_sub(1) {
        let same = added
            .entries
            .get(before)
            .zip(receipt)
            .is_some_and(|(entry, receipt)| std::sync::Arc::ptr_eq(&entry.receipt, receipt));
        if !same {
            break;
        }
        first = before;
    }
    first..=added.last
}

/// First events from which a chain leads to the new one, the latest first.
fn firsts(
    member: usize,
    members: usize,
    new: &std::ops::RangeInclusive<usize>,
    added: Added<'_>,
) -> Vec<usize> {
    let start = added.first_start();
    let (from, to) = match member.checked_sub(1) {
        None => (*new.start(), *new.end()),
        Some(before) => {
            let mut latest = Latest::new(members);
            for (position, entry) in (start..).zip(added.entries.range(start..=added.last)) {
                latest.see(position, entry);
            }
            let Some(begin) = latest.begin(before) else {
                return Vec::new();
            };
            (start, begin)
        }
    };
    let of_member = |position: &usize| {
        added
            .entries
            .get(*position)
            .is_some_and(|entry| entry.member == 0)
    };
    (from..=to).rev().filter(of_member).collect()
}

/// Last events to which a chain leads from the new one, the earliest first.
fn lasts(
    member: usize,
    last_member: usize,
    new: &std::ops::RangeInclusive<usize>,
    added: Added<'_>,
) -> Vec<usize> {
    let limit = added.time.saturating_add(added.span);
    let mut wanted = member;
    let mut lasts = Vec::new();
    for (position, entry) in (*new.start()..).zip(added.entries.range(*new.start()..)) {
        if entry.time > limit || (member == last_member && position > *new.end()) {
            break;
        }
        if usize::from(entry.member) == wanted && wanted < last_member {
            wanted += 1;
        } else if wanted == last_member && usize::from(entry.member) == last_member {
            lasts.push(position);
        }
    }
    lasts
}

fn fits(first: usize, last: usize, differ: bool, added: Added<'_>) -> bool {
    let (Some(first), Some(last)) = (added.entries.get(first), added.entries.get(last)) else {
        return false;
    };
    let in_span = last.time.saturating_sub(first.time) <= added.span;
    let both = first.which != NO_VALUE && first.which == last.which;
    in_span && (!differ || (both && first.value != last.value))
}

/// The chain between two ends; the ends themselves as they were found.
fn ends_of(added: Added<'_>, members: usize, first: usize, last: usize) -> Vec<usize> {
    let mut positions = chain(added.entries, members, first, last);
    positions.retain(|&position| position != first && position != last);
    positions.truncate(members.saturating_sub(2));
    positions.insert(0, first);
    if last != first {
        positions.push(last);
    }
    positions
}

/// Of each value the newest first event: last ones before it cannot be waited for any more.
pub(super) fn needed<'e>(
    members: usize,
    base: impl DoubleEndedIterator<Item = &'e Entry>,
) -> Vec<bool> {
    let mut known = HashSet::new();
    let mut member_before = None;
    let marks = base.rev().map(|entry| {
        if members > 2 && member_before.replace(entry.member) != Some(entry.member) {
            // With others between them, two equal events are not the same for a chain.
            known.clear();
        }
        let can_be_last = usize::from(entry.member) + 1 == members;
        let of_use = entry.member == 0 || !can_be_last;
        known.insert((entry.member, entry.which, entry.value)) && of_use
    });
    let mut marks: Vec<bool> = marks.collect();
    marks.reverse();
    marks
}
