//! Many paths at once: the union of what all rules ask for, filled in one pass.
//!
//! The paths become a trie. [`Paths::read`] walks the event's objects and the trie together: a key that leads to a
//! node is followed or noted, any other value is stepped over by counting brackets a block of 64 bytes at a time. So
//! a body that nobody asks about costs little more than reading its bytes, however deep it is nested.
//!
//! What is noted is where a value stands (two offsets a node); a [`Json`](super::Json) is made of it when somebody
//! asks. Nothing is allocated for an event once a [`PathScratch`] has grown to the size of the largest.
//!
//! Measured with sixteen paths on recorded events of 1.7 kB, `serde_json` takes 2.8 times as long into typed structs
//! that borrow, and 15 times as long into a tree; and it refuses trees that are nested more than 128 deep.

use super::Duplicates;
use super::error::{Expected, JsonError};
use super::found::Found;
use super::index::{Index, skip_blanks};
use super::keys::Keys;
use super::walk::Walk;

/// Stands for a path that was given to a [`PathsBuilder`]. Means nothing to the [`Paths`] of another builder.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct PathId(u32);

/// Collects paths for [`Paths`].
///
/// ```
/// use kubevigil_audit::json::{Duplicates, PathScratch, PathsBuilder};
///
/// let mut paths = PathsBuilder::new();
/// let verb = paths.add(&["verb"]);
/// let images = paths.add(&["requestObject", "spec", "containers", "image"]);
/// let paths = paths.build();
///
/// let event = br#"{"verb":"create","requestObject":{"spec":{"containers":[{"image":"a"},{"image":"b"}]}}}"#;
/// let mut scratch = PathScratch::default();
/// let found = paths.read(event, Duplicates::Last, &mut scratch)?;
/// assert_eq!(found.get(verb).unwrap().raw(), b"\"create\"");
/// let mut places = Vec::new();
/// found.places(images, &mut places);
/// assert_eq!(places.iter().map(|place| place.raw()).collect::<Vec<_>>(), [b"\"a\"", b"\"b\""]);
/// # Ok::<(), kubevigil_audit::json::JsonError>(())
/// ```
#[derive(Clone, Debug)]
pub struct PathsBuilder {
    /// In the order they were added; a parent always before its children. The first is the root.
    nodes: Vec<Draft>,
}

#[derive(Clone, Debug, Default)]
struct Draft {
    children: Vec<(Box<str>, u32)>,
}

/// A set of paths, ready to be read from events. Immutable; share it between threads.
#[derive(Clone, Debug)]
pub struct Paths {
    /// In preorder, so that what is below a node follows it directly. The first is the root.
    pub(super) nodes: Box<[Node]>,
    /// The node of each [`PathId`].
    places: Box<[u32]>,
}

/// One node of the trie.
#[derive(Clone, Debug)]
pub(super) struct Node {
    pub(super) keys: Keys,
    /// The root is its own parent.
    pub(super) parent: u32,
    /// The first node behind this one that is not below it.
    pub(super) behind: u32,
    /// The key that leads here from the parent.
    pub(super) key: Box<str>,
}

/// The memory that reading needs. Keep one for each thread.
#[derive(Clone, Debug, Default)]
pub struct PathScratch {
    pub(crate) index: Index,
    pub(super) slots: Vec<Span>,
    /// The slots that were filled. Rules have thousands of paths and an event some dozen of them.
    pub(super) noted: Vec<u32>,
    pub(super) arrays: bool,
    pub(super) duplicates: bool,
}

impl PathScratch {
    /// Makes room for so many values, none of them found.
    #[inline(always)]
    fn empty(&mut self, nodes: usize) {
        if self.slots.len() != nodes {
            self.slots.clear();
            self.slots.resize(nodes, Span::NONE);
            self.noted.clear();
        }
        for node in self.noted.drain(..) {
            if let Some(slot) = self.slots.get_mut(node as usize) {
                *slot = Span::NONE;
            }
        }
    }
}

/// Where a value stands in an event.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Span {
    pub(super) start: u32,
    pub(super) end: u32,
}

impl Span {
    /// No value: no value is as short as this, and none starts so late.
    pub(super) const NONE: Self = Self {
        start: u32::MAX,
        end: u32::MAX,
    };
}

impl Default for PathsBuilder {
    fn default() -> Self {
        Self::new()
    }
}

impl PathsBuilder {
    /// No paths yet.
    pub fn new() -> Self {
        Self {
            nodes: vec![Draft::default()],
        }
    }

    /// Adds the path that leads from the event through these keys, outermost first. The same keys give the same id;
    /// no keys at all give the event itself.
    pub fn add(&mut self, keys: &[&str]) -> PathId {
        PathId(keys.iter().fold(0, |node, key| self.child(node, key)))
    }

    /// The paths as they can be read.
    pub fn build(self) -> Paths {
        let order = self.preorder();
        let mut places = vec![0; self.nodes.len()];
        for (place, step) in (0..).zip(&order) {
            if let Some(slot) = places.get_mut(step.draft as usize) {
                *slot = place;
            }
        }
        let place = |draft: u32| places.get(draft as usize).copied().unwrap_or_default();
        let node = |(number, step): (u32, &Step<'_>)| {
            let children = self
                .nodes
                .get(step.draft as usize)
                .map(|draft| &*draft.children);
            let children = children.unwrap_or_default().iter();
            let children: Vec<_> = children
                .map(|(key, child)| (key.clone(), place(*child)))
                .collect();
            let keys = Keys::new(&children);
            Node {
                keys,
                parent: place(step.parent),
                behind: number + 1,
                key: step.key.into(),
            }
        };
        let mut nodes: Box<[Node]> = (0..).zip(&order).map(node).collect();
        for number in (1..nodes.len()).rev() {
            let Some((behind, parent)) = nodes.get(number).map(|node| (node.behind, node.parent))
            else {
                continue;
            };
            if let Some(parent) = nodes.get_mut(parent as usize) {
                parent.behind = parent.behind.max(behind);
            }
        }
        Paths {
            nodes,
            places: places.into(),
        }
    }

    fn child(&mut self, node: u32, key: &str) -> u32 {
        let next = u32::try_from(self.nodes.len()).unwrap_or(u32::MAX);
        let Some(draft) = self.nodes.get_mut(node as usize) else {
            return node;
        };
        if let Some((_, child)) = draft.children.iter().find(|(name, _)| **name == *key) {
            return *child;
        }
        draft.children.push((key.into(), next));
        self.nodes.push(Draft::default());
        next
    }

    /// All nodes, each directly followed by what is below it.
    fn preorder(&self) -> Vec<Step<'_>> {
        let mut order = Vec::with_capacity(self.nodes.len());
        let mut waiting = vec![Step {
            draft: 0,
            parent: 0,
            key: "",
        }];
        while let Some(step) = waiting.pop() {
            let children = self
                .nodes
                .get(step.draft as usize)
                .map(|draft| &*draft.children);
            for (key, child) in children.unwrap_or_default() {
                waiting.push(Step {
                    draft: *child,
                    parent: step.draft,
                    key,
                });
            }
            order.push(step);
        }
        order
    }
}

struct Step<'b> {
    draft: u32,
    parent: u32,
    key: &'b str,
}

impl Paths {
    /// Finds all paths in `event`, which must be one JSON object with nothing but blanks around it.
    ///
    /// Checked: UTF-8; that strings and brackets end; in the objects that paths lead through, keys, colons, commas
    /// and that there is a value. Not looked at: what stands in values that no path leads into, raw control
    /// characters in strings, and the spelling of numbers and words. An event is never lost because its body is
    /// odd.
    ///
    /// # Errors
    ///
    /// A [`JsonError`] with the byte where the event stops being what it should be.
    #[inline]
    pub fn read<'s, 'e>(
        &'s self,
        event: &'e [u8],
        duplicates: Duplicates,
        scratch: &'s mut PathScratch,
    ) -> Result<Found<'s, 'e>, JsonError> {
        scratch.index.build(event)?;
        let end = self.read_at(event, skip_blanks(event, 0), duplicates, scratch)?;
        match skip_blanks(event, end) {
            at if at >= event.len() => Ok(Found::new(self, event, duplicates, scratch)),
            at => Err(JsonError::unexpected(event, at, Expected::End)),
        }
    }

    /// Fills the slots from the object at `start` of bytes that the scratch's index was built from, and returns
    /// where it ends.
    #[inline(always)]
    pub(crate) fn read_at(
        &self,
        bytes: &[u8],
        start: usize,
        duplicates: Duplicates,
        scratch: &mut PathScratch,
    ) -> Result<usize, JsonError> {
        scratch.empty(self.nodes.len());
        let PathScratch { slots, noted, .. } = scratch;
        let mut walk = Walk::new(self, bytes, duplicates, &scratch.index, slots, noted);
        let end = walk.run(start)?;
        (scratch.arrays, scratch.duplicates) = walk.met();
        Ok(end)
    }

    /// How many different paths there are, those that only lead to others included.
    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Whether no path but the event itself was added.
    pub fn is_empty(&self) -> bool {
        self.nodes.len() <= 1
    }

    /// The place of a path's node, and the node.
    #[inline]
    pub(super) fn node_of(&self, id: PathId) -> Option<u32> {
        self.places.get(id.0 as usize).copied()
    }
}
