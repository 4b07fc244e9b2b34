//! Lookups, compiled: the ordinary reading of a dotted name in the pass over the event, the others only when they may apply.

use kubevigil_audit::json::{Found, Json, JsonKind, PathId, PathsBuilder};
use kubevigil_rules::Lookup;
use kubevigil_rules::lookup::{Dotted, resolve};

/// A [`Lookup`], compiled.
#[derive(Clone, Debug)]
pub(crate) struct LookupPlan {
    paths: Vec<DottedPlan>,
}

#[derive(Clone, Debug)]
struct DottedPlan {
    dotted: Dotted,
    /// Where each beginning of the name leads when every dot separates, the shortest first.
    beginnings: Vec<PathId>,
    /// Where keys with dots would stand, by where they begin. While none of these is there, every dot separates.
    detours: Vec<Detour>,
}

/// A key with dots that stands for several segments.
#[derive(Clone, Copy, Debug)]
struct Detour {
    path: PathId,
    /// How many segments are before it.
    start: usize,
    /// Whether it takes all the rest.
    to_the_end: bool,
}

/// What stands at a lookup, when that is simple.
pub(crate) enum Place<'e> {
    /// One value that is no array, or nothing.
    One(Option<Json<'e>>),
    /// Arrays or keys with dots are about: it must be looked up.
    Several,
}

/// Segments behind this many are not read in the pass but resolved from where these lead. Detours grow with the square.
const MAX_SEGMENTS: usize = 8;

impl LookupPlan {
    /// Adds the lookup's paths to those of the pass.
    pub(crate) fn new(lookup: &Lookup, paths: &mut PathsBuilder) -> Self {
        let plan = |dotted: &Dotted| DottedPlan::new(dotted, paths);
        Self {
            paths: lookup.paths.iter().map(plan).collect(),
        }
    }

    /// A lookup that begins at an element, of which the pass knows nothing.
    pub(crate) fn relative(lookup: &Lookup) -> Self {
        let plan = |dotted: &Dotted| DottedPlan {
            dotted: dotted.clone(),
            beginnings: Vec::new(),
            detours: Vec::new(),
        };
        Self {
            paths: lookup.paths.iter().map(plan).collect(),
        }
    }

    /// What stands at the lookup in the event.
    pub(crate) fn place<'e>(&self, found: &Found<'_, 'e>) -> Place<'e> {
        let [path] = self.paths.as_slice() else {
            return self.place_of_several(found);
        };
        path.place(found)
    }

    fn place_of_several<'e>(&self, found: &Found<'_, 'e>) -> Place<'e> {
        let mut only = None;
        for path in &self.paths {
            match path.place(found) {
                Place::One(None) => {}
                Place::One(value) if only.is_none() => only = value,
                Place::One(_) | Place::Several => return Place::Several,
            }
        }
        Place::One(only)
    }

    /// Appends everything that stands at the lookup in the event.
    pub(crate) fn places<'e>(
        &self,
        found: &Found<'_, 'e>,
        event: impl Fn() -> Option<Json<'e>>,
        places: &mut Vec<Json<'e>>,
    ) {
        for path in &self.paths {
            path.places(found, &event, places);
        }
    }

    /// When all that can stand at the lookup stands below one of these keys or at a key with dots: where those would be.
    pub(crate) fn below(&self, keys: &[&[&str]]) -> Option<Vec<PathId>> {
        let mut detours = Vec::new();
        for path in &self.paths {
            let segments = path.segments_in_pass()?;
            let leads = |key: &&&[&str]| {
                let begins = segments
                    .iter()
                    .zip(key.iter())
                    .all(|(one, other)| **one == **other);
                begins && key.len() <= segments.len()
            };
            let key = keys.iter().find(leads)?;
            let outside = path
                .detours
                .iter()
                .filter(|detour| detour.start < key.len());
            detours.extend(outside.map(|detour| detour.path));
        }
        Some(detours)
    }

    /// Appends everything that stands at the lookup in an element.
    pub(crate) fn places_in<'e>(&self, element: Json<'e>, places: &mut Vec<Json<'e>>) {
        let is_object = element.kind() == JsonKind::Object;
        let paths = self.paths.iter().map(|path| &path.dotted);
        paths
            .filter(|dotted| is_object || dotted.is_self())
            .for_each(|dotted| dotted.places(element, places));
    }
}

impl DottedPlan {
    fn new(dotted: &Dotted, paths: &mut PathsBuilder) -> Self {
        let segments = dotted.steps.first().map(|step| &*step.segments);
        let segments: Vec<&str> = segments
            .unwrap_or_default()
            .iter()
            .map(AsRef::as_ref)
            .collect();
        let read = segments.len().min(MAX_SEGMENTS);
        let beginnings = (1..=read).filter_map(|end| Some(paths.add(segments.get(..end)?)));
        let beginnings = beginnings.collect();
        let mut detours = Vec::new();
        for start in 0..read {
            for end in start + 2..=segments.len() {
                let (Some(before), Some(joined)) =
                    (segments.get(..start), segments.get(start..end))
                else {
                    continue;
                };
                let joined = joined.join(".");
                let mut keys = before.to_vec();
                keys.push(&joined);
                detours.push(Detour {
                    path: paths.add(&keys),
                    start,
                    to_the_end: end == segments.len(),
                });
            }
        }
        Self {
            dotted: dotted.clone(),
            beginnings,
            detours,
        }
    }

    fn place<'e>(&self, found: &Found<'_, 'e>) -> Place<'e> {
        let Some(segments) = self.segments_in_pass() else {
            return Place::Several;
        };
        let (value, taken) = self.deepest(found);
        let mut detours = self.detours_met(found, taken);
        if let Some(detour) = detours.next() {
            // Names of annotations have dots, and nearly always only one reading of them leads anywhere.
            let alone = detour.to_the_end && detour.start == taken && detours.next().is_none();
            return match found.get(detour.path).filter(|_| alone) {
                Some(value) if value.kind() != JsonKind::Array => Place::One(Some(value)),
                _ => Place::Several,
            };
        }
        let Some(value) = value else {
            return Place::One(None);
        };
        let whole = taken == segments.len();
        match value.kind() {
            JsonKind::Array => Place::Several,
            JsonKind::Object if !whole && taken == self.beginnings.len() => Place::Several,
            _ => Place::One(whole.then_some(value)),
        }
    }

    fn places<'e>(
        &self,
        found: &Found<'_, 'e>,
        event: &impl Fn() -> Option<Json<'e>>,
        places: &mut Vec<Json<'e>>,
    ) {
        let (value, taken) = self.deepest(found);
        let segments = self
            .segments_in_pass()
            .filter(|_| self.detours_met(found, taken).next().is_none());
        match (segments, value) {
            (Some(segments), Some(value)) => {
                resolve(value, segments.get(taken..).unwrap_or_default(), places);
            }
            (Some(_), None) => {}
            (None, _) => {
                if let Some(event) = event() {
                    self.dotted.places(event, places);
                }
            }
        }
    }

    /// The path's segments, when what the pass found says all about them.
    fn segments_in_pass(&self) -> Option<&[Box<str>]> {
        let [step] = self.dotted.steps.as_ref() else {
            return None;
        };
        let read = !self.beginnings.is_empty() && step.element.is_none();
        read.then_some(&step.segments)
    }

    /// The keys with dots that are there, when so many segments lead somewhere by themselves: behind those no key can be.
    fn detours_met(&self, found: &Found<'_, '_>, taken: usize) -> impl Iterator<Item = &Detour> {
        let reached = self
            .detours
            .iter()
            .take_while(move |detour| detour.start <= taken);
        reached.filter(|detour| found.get(detour.path).is_some())
    }

    /// The longest beginning of the name that leads anywhere, and its number of segments.
    fn deepest<'e>(&self, found: &Found<'_, 'e>) -> (Option<Json<'e>>, usize) {
        let (mut deepest, mut taken) = (None, 0);
        while let Some(value) = self.beginnings.get(taken).and_then(|&way| found.get(way)) {
            (deepest, taken) = (Some(value), taken + 1);
        }
        (deepest, taken)
    }
}
