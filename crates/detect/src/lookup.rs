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
    /// Where keys with dots would stand. While none of these is there, every dot separates.
    detours: Vec<PathId>,
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
        event: Json<'e>,
        places: &mut Vec<Json<'e>>,
    ) {
        for path in &self.paths {
            path.places(found, event, places);
        }
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
                detours.push(paths.add(&keys));
            }
        }
        Self {
            dotted: dotted.clone(),
            beginnings,
            detours,
        }
    }

    fn place<'e>(&self, found: &Found<'_, 'e>) -> Place<'e> {
        let Some(segments) = self.segments_in_pass(found) else {
            return Place::Several;
        };
        let Some((value, taken)) = self.deepest(found) else {
            return Place::One(None);
        };
        let whole = taken == segments.len();
        match value.kind() {
            JsonKind::Array => Place::Several,
            JsonKind::Object if !whole && taken == self.beginnings.len() => Place::Several,
            _ => Place::One(whole.then_some(value)),
        }
    }

    fn places<'e>(&self, found: &Found<'_, 'e>, event: Json<'e>, places: &mut Vec<Json<'e>>) {
        let Some(segments) = self.segments_in_pass(found) else {
            return self.dotted.places(event, places);
        };
        if let Some((value, taken)) = self.deepest(found) {
            resolve(value, segments.get(taken..).unwrap_or_default(), places);
        }
    }

    /// The path's segments, when what the pass found says all about them.
    fn segments_in_pass(&self, found: &Found<'_, '_>) -> Option<&[Box<str>]> {
        let [step] = self.dotted.steps.as_ref() else {
            return None;
        };
        let read = !self.beginnings.is_empty() && step.element.is_none();
        (read && !self.meets_detour(found)).then_some(&step.segments)
    }

    fn meets_detour(&self, found: &Found<'_, '_>) -> bool {
        self.detours
            .iter()
            .any(|&detour| found.get(detour).is_some())
    }

    /// The longest beginning of the name that leads anywhere, and its number of segments.
    fn deepest<'e>(&self, found: &Found<'_, 'e>) -> Option<(Json<'e>, usize)> {
        let ways = self.beginnings.iter().enumerate().rev();
        ways.filter_map(|(at, &way)| Some((found.get(way)?, at + 1)))
            .next()
    }
}
