//! Records that cannot be read any more.

use crate::Place;
use crate::hold::hold;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Mutex;

/// Spots that are remembered one by one. Past them damage is still counted and skipped, though
/// two readers that pass over the same spot then count it twice.
const REMEMBERED: usize = 1024;

/// A spot in a segment that was skipped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damaged {
    /// The segment file.
    pub segment: PathBuf,
    /// Where in it the damage begins.
    pub offset: u64,
    /// Bytes skipped; 0 when records are missing between two whole ones.
    pub bytes: u64,
    /// The first place that is lost.
    pub first: Place,
    /// Records lost.
    pub records: u64,
}

/// What was found damaged since the journal was opened, each spot once however many readers pass.
#[derive(Default)]
pub(crate) struct DamageLog(Mutex<State>);

#[derive(Default)]
struct State {
    spots: BTreeMap<Place, Damaged>,
    records: u64,
}

impl DamageLog {
    /// Counts and logs a spot, unless it is known. Of one that is known in part (a walk over
    /// headers does not see damaged payloads) only the rest is counted.
    pub(crate) fn report(&self, spot: Damaged) {
        let mut state = hold(&self.0);
        let fresh = state.uncounted(&spot);
        state.records = state.records.saturating_add(fresh);
        if fresh == 0 || state.spots.len() >= REMEMBERED {
            return;
        }
        tracing::error!(
            segment = %spot.segment.display(),
            offset = spot.offset,
            bytes = spot.bytes,
            first_place = %spot.first,
            records = spot.records,
            "skipped damaged records in the journal"
        );
        state.spots.retain(|_, known| overlap(known, &spot) == 0);
        state.spots.insert(spot.first, spot);
    }

    /// Records lost so far.
    pub(crate) fn records(&self) -> u64 {
        hold(&self.0).records
    }

    /// The spots, oldest first, at most 1024.
    pub(crate) fn spots(&self) -> Vec<Damaged> {
        hold(&self.0).spots.values().cloned().collect()
    }

    /// Segments before `place` are deleted: their spots need not be remembered. They stay counted.
    pub(crate) fn forget_before(&self, place: u64) {
        let mut state = hold(&self.0);
        state.spots = state.spots.split_off(&Place::new(place));
    }
}

impl State {
    fn uncounted(&self, spot: &Damaged) -> u64 {
        let known: u64 = self.spots.values().map(|known| overlap(known, spot)).sum();
        spot.records.saturating_sub(known)
    }
}

/// Places that both spots lost.
fn overlap(a: &Damaged, b: &Damaged) -> u64 {
    let end = |spot: &Damaged| spot.first.number().saturating_add(spot.records);
    end(a)
        .min(end(b))
        .saturating_sub(a.first.max(b.first).number())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spot(first: u64, records: u64) -> Damaged {
        let (segment, first) = (PathBuf::from("x.seg"), Place::new(first));
        Damaged {
            segment,
            offset: 48,
            bytes: 100,
            first,
            records,
        }
    }

    #[test]
    fn a_spot_that_several_walks_pass_is_counted_once() {
        let log = DamageLog::default();
        for (first, records, total) in [(5, 1, 1), (5, 1, 1), (5, 3, 3), (4, 4, 4), (9, 2, 6)] {
            log.report(spot(first, records));
            assert_eq!(log.records(), total, "{first} and {records}");
        }
        assert_eq!(log.spots(), [spot(4, 4), spot(9, 2)]);
        log.forget_before(9);
        assert_eq!((log.spots(), log.records()), (vec![spot(9, 2)], 6));
    }

    #[test]
    fn damage_without_end_does_not_fill_the_memory() {
        let log = DamageLog::default();
        (0..3000).for_each(|n| log.report(spot(n * 2, 1)));
        assert_eq!((log.records(), log.spots().len()), (3000, REMEMBERED));
    }
}
