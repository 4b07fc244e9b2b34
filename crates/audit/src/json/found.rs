//! What a reading found.

use super::error::{Expected, JsonError};
use super::index::{Index, scalar_end, skip_blanks};
use super::paths::{Node, PathId, PathScratch, Paths, Span};
use super::text::unescape;
use super::{Duplicates, Json};

/// What [`Paths::read`] found in one event.
#[derive(Clone, Copy, Debug)]
pub struct Found<'s, 'e> {
    paths: &'s Paths,
    event: &'e [u8],
    duplicates: Duplicates,
    scratch: &'s PathScratch,
}

impl<'s, 'e> Found<'s, 'e> {
    #[inline]
    pub(crate) fn new(
        paths: &'s Paths,
        event: &'e [u8],
        duplicates: Duplicates,
        scratch: &'s PathScratch,
    ) -> Self {
        Self {
            paths,
            event,
            duplicates,
            scratch,
        }
    }

    /// The value at the path, if only objects are on the way; `None` also where an array is (ask [`Found::places`]).
    #[inline]
    pub fn get(&self, id: PathId) -> Option<Json<'e>> {
        self.json(self.span(self.paths.node_of(id)?)?)
    }

    /// Whether the path leads through an array, so that only [`Found::places`] knows what stands there.
    #[inline]
    pub fn crosses_array(&self, id: PathId) -> bool {
        self.scratch.arrays && self.crossing(id).is_some()
    }

    /// Whether a key that a path leads through came twice in its object. If not, [`Duplicates::First`] and
    /// [`Duplicates::Last`] give the same for every path, but for objects in arrays: see [`Found::places_with`].
    #[inline]
    pub fn has_duplicates(&self) -> bool {
        self.scratch.duplicates
    }

    /// Appends all values at the path in the order of the event: one without an array on the way, else one for each
    /// object in the arrays (and arrays of arrays) on the way that has the rest of the path. A value that is itself an
    /// array is not taken apart.
    #[inline]
    pub fn places(&self, id: PathId, places: &mut Vec<Json<'e>>) {
        self.places_with(id, self.duplicates, places);
    }

    /// Like [`Found::places`], but with another rule for equal keys in the objects of arrays, which are looked at
    /// only now.
    #[inline]
    pub fn places_with(&self, id: PathId, duplicates: Duplicates, places: &mut Vec<Json<'e>>) {
        if let Some(value) = self.get(id) {
            places.push(value);
        } else if self.scratch.arrays
            && let Some(crossing) = self.crossing(id)
        {
            self.cross(crossing, id, duplicates, places);
        }
    }

    /// The nodes from below an array down to the path's own. Each is found from the path's end, since nodes know only
    /// their parents; paths are short.
    fn rest(&self, array: u32, id: PathId) -> impl Iterator<Item = &'s Node> {
        let mut place = Some(array);
        let target = self.paths.node_of(id).unwrap_or(array);
        let nodes = &self.paths.nodes;
        std::iter::from_fn(move || {
            let from = place.filter(|place| *place != target)?;
            place = ancestors(nodes, target)
                .take_while(|node| *node != from)
                .last();
            nodes.get(place? as usize)
        })
    }

    /// The node on the way to the path where an array stands.
    fn crossing(&self, id: PathId) -> Option<u32> {
        let target = self.paths.node_of(id)?;
        let nearest =
            ancestors(&self.paths.nodes, target).find(|node| self.span(*node).is_some())?;
        let start = self.span(nearest)?.start as usize;
        (nearest != target && self.event.get(start) == Some(&b'[')).then_some(nearest)
    }

    /// Each step turns the list of values into the list of what they have under the step's key.
    fn cross(&self, array: u32, id: PathId, duplicates: Duplicates, places: &mut Vec<Json<'e>>) {
        let Some(array_value) = self.span(array).and_then(|span| self.json(span)) else {
            return;
        };
        let before = places.len();
        places.push(array_value);
        for node in self.rest(array, id) {
            let values = before..places.len();
            for at in values.clone() {
                let Some(value) = places.get(at).copied() else {
                    break;
                };
                let start = value.offset_in(self.event);
                let scan = Scan {
                    event: self.event,
                    index: &self.scratch.index,
                    duplicates,
                };
                // An error ends what is seen of an odd body; what came before it stands.
                let _ = scan.step(
                    start..start + value.raw().len(),
                    node.key.as_bytes(),
                    places,
                );
            }
            places.drain(values);
        }
    }

    #[inline]
    fn span(&self, node: u32) -> Option<Span> {
        self.scratch
            .slots
            .get(node as usize)
            .copied()
            .filter(|span| *span != Span::NONE)
    }

    #[inline]
    fn json(&self, span: Span) -> Option<Json<'e>> {
        self.event
            .get(span.start as usize..span.end as usize)
            .map(Json::from_raw)
    }
}

/// A node, its parent, and so on; the root ends it.
fn ancestors(nodes: &[Node], node: u32) -> impl Iterator<Item = u32> {
    let parent = |node: &u32| nodes.get(*node as usize).map(|node| node.parent);
    std::iter::successors(Some(node), move |node| {
        parent(node).filter(|parent| parent != node)
    })
}

/// Looks for one key in the objects of an array.
struct Scan<'s, 'e> {
    event: &'e [u8],
    index: &'s Index,
    duplicates: Duplicates,
}

impl<'e> Scan<'_, 'e> {
    /// Appends what the objects in `value` have under `key`: `value` itself if it is an object, else those in the
    /// array that it is. Arrays in arrays need no stack: to go in is to step over their brackets.
    fn step(
        &self,
        value: std::ops::Range<usize>,
        key: &[u8],
        places: &mut Vec<Json<'e>>,
    ) -> Result<(), JsonError> {
        let mut at = value.start;
        while at < value.end {
            match self.event.get(at) {
                Some(b'{') => {
                    let (end, found) = self.member(at, key)?;
                    places.extend(found);
                    at = end;
                }
                Some(b'[' | b']' | b',' | b' ' | b'\t' | b'\n' | b'\r') => at += 1,
                Some(b'"') => at = self.index.value_end(self.event, at)?,
                // Advances past bytes that belong nowhere, too.
                _ => at = scalar_end(self.event, at).max(at + 1),
            }
        }
        Ok(())
    }

    /// The end of the object at `start`, and its member `key`.
    fn member(&self, start: usize, key: &[u8]) -> Result<(usize, Option<Json<'e>>), JsonError> {
        let mut found = None;
        let mut at = skip_blanks(self.event, start + 1);
        while self.event.get(at) != Some(&b'}') {
            if self.event.get(at) != Some(&b'"') {
                return Err(JsonError::unexpected(self.event, at, Expected::Key));
            }
            let key_end = self.index.value_end(self.event, at)?;
            let colon = skip_blanks(self.event, key_end);
            if self.event.get(colon) != Some(&b':') {
                return Err(JsonError::unexpected(self.event, colon, Expected::Colon));
            }
            let value = skip_blanks(self.event, colon + 1);
            let end = self.index.value_end(self.event, value)?;
            let wanted = found.is_none() || self.duplicates == Duplicates::Last;
            if wanted && self.is_key(at + 1, key_end - 1, key) {
                found = self.event.get(value..end).map(Json::from_raw);
            }
            at = skip_blanks(self.event, end);
            if self.event.get(at) == Some(&b',') {
                at = skip_blanks(self.event, at + 1);
            }
        }
        Ok((at + 1, found))
    }

    fn is_key(&self, start: usize, end: usize, key: &[u8]) -> bool {
        let written = self.event.get(start..end).unwrap_or_default();
        if self.index.has_backslash(start, end) {
            *unescape(written) == *key
        } else {
            written == key
        }
    }
}
