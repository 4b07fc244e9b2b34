//! The pass over an event: its objects and the trie side by side.

use super::Duplicates;
use super::error::{Expected, JsonError};
use super::index::{Index, skip_blanks};
use super::paths::{Node, Paths, Span};
use super::text::unescape;

/// A walk through the objects of an event that paths lead through.
///
/// Where it stands is an offset and a node. The way back up is the node's parent, so there is no stack, and the
/// trie's depth bounds the walk whatever the event holds.
pub(super) struct Walk<'a> {
    nodes: &'a [Node],
    event: &'a [u8],
    index: &'a Index,
    slots: &'a mut [Span],
    noted: &'a mut Vec<u32>,
    duplicates: Duplicates,
    arrays: bool,
    duplicate: bool,
}

/// Where the walk goes on behind a member's colon.
enum Next {
    /// Behind the value.
    Behind(usize),
    /// In the object that is the value, below this node.
    Inside(usize, u32),
}

impl<'a> Walk<'a> {
    #[inline(always)]
    pub(super) fn new(
        paths: &'a Paths,
        event: &'a [u8],
        duplicates: Duplicates,
        index: &'a Index,
        slots: &'a mut [Span],
        noted: &'a mut Vec<u32>,
    ) -> Self {
        let nodes = &paths.nodes;
        Self {
            nodes,
            event,
            index,
            slots,
            noted,
            duplicates,
            arrays: false,
            duplicate: false,
        }
    }

    /// Whether an array stood where paths lead on, and whether a key with a node came again.
    #[inline(always)]
    pub(super) fn met(&self) -> (bool, bool) {
        (self.arrays, self.duplicate)
    }

    /// Fills the slots from the object at `start` and returns where it ends.
    #[inline(always)]
    pub(super) fn run(&mut self, start: usize) -> Result<usize, JsonError> {
        let mut at = start;
        if self.byte(at) != Some(b'{') {
            return Err(self.unexpected(at, Expected::Object));
        }
        let mut node = 0;
        self.note_start(node, at);
        at = skip_blanks(self.event, at + 1);
        let mut first = true;
        loop {
            if !(first && self.byte(at) == Some(b'}')) {
                match self.member(at, node)? {
                    Next::Inside(start, child) => {
                        (at, node, first) = (skip_blanks(self.event, start), child, true);
                        continue;
                    }
                    Next::Behind(end) => at = skip_blanks(self.event, end),
                }
            }
            loop {
                match self.byte(at) {
                    Some(b',') => break,
                    Some(b'}') if node == 0 => {
                        self.note_end(0, at + 1);
                        return Ok(at + 1);
                    }
                    Some(b'}') => node = self.leave(node, at + 1),
                    _ => return Err(self.unexpected(at, Expected::CommaOrBrace)),
                }
                at = skip_blanks(self.event, at + 1);
            }
            (at, first) = (skip_blanks(self.event, at + 1), false);
        }
    }

    /// Reads the key and the colon at `at`, and finds out what to do with the value.
    #[inline(always)]
    fn member(&mut self, at: usize, node: u32) -> Result<Next, JsonError> {
        if self.byte(at) != Some(b'"') {
            return Err(self.unexpected(at, Expected::Key));
        }
        let Some(key_end) = self.index.quote(at + 1) else {
            return Err(JsonError::UnterminatedString { offset: at });
        };
        let colon = skip_blanks(self.event, key_end + 1);
        if self.byte(colon) != Some(b':') {
            return Err(self.unexpected(colon, Expected::Colon));
        }
        let start = skip_blanks(self.event, colon + 1);
        match self.child(node, at + 1, key_end) {
            Some(child) => self.value(start, child),
            None => self.index.value_end(self.event, start).map(Next::Behind),
        }
    }

    /// The node that the key between two offsets leads to.
    #[inline(always)]
    fn child(&self, node: u32, start: usize, end: usize) -> Option<u32> {
        let keys = &self.nodes.get(node as usize)?.keys;
        let key = self.event.get(start..end)?;
        if self.index.has_backslash(start, end) {
            keys.get(&unescape(key))
        } else {
            keys.get(key)
        }
    }

    /// Notes the value at `start`, which belongs to `child`.
    #[inline(always)]
    fn value(&mut self, start: usize, child: u32) -> Result<Next, JsonError> {
        if self
            .slots
            .get(child as usize)
            .is_some_and(|slot| *slot != Span::NONE)
        {
            self.duplicate = true;
            match self.duplicates {
                Duplicates::First => {
                    return self.index.value_end(self.event, start).map(Next::Behind);
                }
                Duplicates::Last => self.forget(child),
            }
        }
        if self
            .nodes
            .get(child as usize)
            .is_some_and(|node| !node.keys.is_empty())
        {
            match self.byte(start) {
                Some(b'{') => {
                    self.note_start(child, start);
                    return Ok(Next::Inside(start + 1, child));
                }
                Some(b'[') => self.arrays = true,
                _ => {}
            }
        }
        let end = self.index.value_end(self.event, start)?;
        self.note_start(child, start);
        self.note_end(child, end);
        Ok(Next::Behind(end))
    }

    /// Forgets all that was found at and below a node: a later value takes its place.
    #[cold]
    fn forget(&mut self, node: u32) {
        let behind = self
            .nodes
            .get(node as usize)
            .map_or(node, |node| node.behind);
        if let Some(below) = self.slots.get_mut(node as usize..behind as usize) {
            below.fill(Span::NONE);
        }
    }

    /// Ends the object of `node` and gives the node that it belongs to.
    #[inline(always)]
    fn leave(&mut self, node: u32, end: usize) -> u32 {
        self.note_end(node, end);
        self.nodes.get(node as usize).map_or(0, |node| node.parent)
    }

    // The index was built, so every offset fits.
    #[inline(always)]
    fn note_start(&mut self, node: u32, start: usize) {
        self.noted.push(node);
        if let Some(slot) = self.slots.get_mut(node as usize) {
            slot.start = start as u32;
        }
    }

    #[inline(always)]
    fn note_end(&mut self, node: u32, end: usize) {
        if let Some(slot) = self.slots.get_mut(node as usize) {
            slot.end = end as u32;
        }
    }

    #[inline(always)]
    fn byte(&self, at: usize) -> Option<u8> {
        self.event.get(at).copied()
    }

    #[cold]
    fn unexpected(&self, at: usize, expected: Expected) -> JsonError {
        JsonError::unexpected(self.event, at, expected)
    }
}
