//! Numbers of windows: different values, sums, percentiles.

use hashbrown::{HashMap, HashSet};
use kubevigil_rules::correlation::Bounds;

use super::{Added, Judgement, enough};
use crate::state::window::{Entry, NO_VALUE};

/// How many different values there are.
pub(super) fn distinct(bounds: &Bounds, added: Added<'_>) -> Option<Judgement> {
    let mut ends = added.ends();
    let (end, time) = ends.next()?;
    let start = added.start(added.first_start(), time);
    if bounds.hold(count_back(added, start, end, enough(bounds)) as f64) {
        let number = count_back(added, start, end, usize::MAX) as f64;
        return Some(Judgement::window(start, end, Some(number)));
    }
    distinct_behind(bounds, added, start)
}

/// Counts from the end, where values are many and different when there is an attack, until there are enough.
fn count_back(added: Added<'_>, start: usize, end: usize, enough: usize) -> usize {
    let values = added
        .entries
        .range(start..=end)
        .rev()
        .filter(|entry| entry.which != NO_VALUE)
        .map(|entry| entry.value);
    let mut few: smallvec::SmallVec<[u64; 16]> = smallvec::SmallVec::new();
    let mut many: HashSet<u64> = HashSet::new();
    for value in values {
        if few.len() < few.inline_size() {
            if !few.contains(&value) {
                few.push(value);
            }
        } else if !few.contains(&value) {
            many.insert(value);
        }
        if few.len() + many.len() >= enough {
            break;
        }
    }
    few.len() + many.len()
}

/// The windows behind the first one, with the number of each value going along.
fn distinct_behind(bounds: &Bounds, added: Added<'_>, first_start: usize) -> Option<Judgement> {
    let mut ends = added.ends().skip(1).peekable();
    ends.peek()?;
    let mut counts: HashMap<u64, usize> = HashMap::new();
    let (mut start, mut next) = (first_start, first_start);
    ends.find_map(|(end, time)| {
        for entry in added
            .entries
            .range(next..=end)
            .filter(|entry| entry.which != NO_VALUE)
        {
            *counts.entry(entry.value).or_default() += 1;
        }
        next = end + 1;
        let new_start = added.start(start, time);
        for entry in added
            .entries
            .range(start..new_start)
            .filter(|entry| entry.which != NO_VALUE)
        {
            if let Some(count) = counts.get_mut(&entry.value) {
                *count -= 1;
                if *count == 0 {
                    counts.remove(&entry.value);
                }
            }
        }
        start = new_start;
        let number = counts.len() as f64;
        bounds
            .hold(number)
            .then(|| Judgement::window(start, end, Some(number)))
    })
}

/// What `result` makes of the sum of all numbers and how many there are. A window without numbers satisfies nothing.
pub(super) fn sum(
    bounds: &Bounds,
    added: Added<'_>,
    result: impl Fn(f64, f64) -> f64,
) -> Option<Judgement> {
    let first_start = added.first_start();
    if added.last + 1 == added.entries.len() {
        // In order: no window but the one that ends here.
        let mut sum = Sum::default();
        let entries = added.entries.range(first_start..);
        entries.rev().for_each(|entry| sum.add(entry));
        let number = result(sum.total, sum.count);
        let holds = sum.count > 0.0 && bounds.hold(number);
        return holds.then(|| Judgement::window(first_start, added.last, Some(number)));
    }
    // Sums of what lies before the event, from each entry up to it: nothing is ever subtracted, so a huge number that has left the
    // window leaves no error behind.
    let mut before = Vec::with_capacity(added.last + 1 - first_start);
    let mut sum = Sum::default();
    for entry in added.entries.range(first_start..=added.last).rev() {
        sum.add(entry);
        before.push(sum);
    }
    let (mut start, mut next, mut behind) = (first_start, added.last + 1, Sum::default());
    added.ends().find_map(|(end, time)| {
        added
            .entries
            .range(next..=end)
            .for_each(|entry| behind.add(entry));
        next = end + 1;
        start = added.start(start, time);
        let before = before.get(added.last.checked_sub(start)?)?;
        let (total, count) = (before.total + behind.total, before.count + behind.count);
        let number = result(total, count);
        (count > 0.0 && bounds.hold(number)).then(|| Judgement::window(start, end, Some(number)))
    })
}

#[derive(Clone, Copy, Debug, Default)]
struct Sum {
    total: f64,
    count: f64,
}

impl Sum {
    fn add(&mut self, entry: &Entry) {
        if let Some(number) = number(entry) {
            self.total += number;
            self.count += 1.0;
        }
    }
}

/// The value below which so many per cent lie, between two values as far as it lies between them.
pub(super) fn percentile(percentile: f64, bounds: &Bounds, added: Added<'_>) -> Option<Judgement> {
    let first_start = added.first_start();
    let mut sorted: Vec<f64> = added
        .entries
        .range(first_start..=added.last)
        .filter_map(number)
        .collect();
    sorted.sort_unstable_by(f64::total_cmp);
    let (mut start, mut next) = (first_start, added.last + 1);
    added.ends().find_map(|(end, time)| {
        for number in added.entries.range(next..=end).filter_map(number) {
            let place = sorted.partition_point(|other| other.total_cmp(&number).is_lt());
            sorted.insert(place, number);
        }
        next = end + 1;
        let new_start = added.start(start, time);
        for number in added.entries.range(start..new_start).filter_map(number) {
            let place = sorted.partition_point(|other| other.total_cmp(&number).is_lt());
            sorted.remove(place);
        }
        start = new_start;
        let number = interpolated(&sorted, percentile)?;
        bounds
            .hold(number)
            .then(|| Judgement::window(start, end, Some(number)))
    })
}

fn interpolated(sorted: &[f64], percentile: f64) -> Option<f64> {
    let place = sorted.len().checked_sub(1)? as f64 * (percentile / 100.0).clamp(0.0, 1.0);
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "between 0 and the length"
    )]
    let (low, high) = (place.floor() as usize, place.ceil() as usize);
    let (low_value, high_value) = (*sorted.get(low)?, *sorted.get(high)?);
    Some(low_value + (high_value - low_value) * place.fract())
}

fn number(entry: &Entry) -> Option<f64> {
    (entry.which != NO_VALUE).then(|| f64::from_bits(entry.value))
}
