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
    /// Counts and logs a spot, unless it is known.
    pub(crate) fn report(&self, spot: Damaged) {
        let mut state = hold(&self.0);
        if state.spots.contains_key(&spot.first) {
            return;
        }
        state.records = state.records.saturating_add(spot.records);
        if state.spots.len() >= REMEMBERED {
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
