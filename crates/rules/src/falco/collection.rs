//! Everything that the files so far have defined.

use std::collections::{HashMap, HashSet};
use std::ops::Range;
use std::sync::Arc;

use kubevigil_diagnostics::Source;

use crate::falco::definition::Definition;
use crate::falco::items::Reader;
use crate::falco::text::Text;

/// Lists, macros and rules of all files so far.
#[derive(Debug, Default)]
pub(super) struct Collection {
    /// Lists: their items as written.
    pub(super) lists: Named<Vec<Text>>,
    /// Macros: their conditions as written.
    pub(super) macros: Named<Text>,
    /// Rules.
    pub(super) rules: Named<Definition>,
}

/// Things of one kind by name, in the order of their first definition.
#[derive(Debug)]
pub(super) struct Named<T> {
    entries: Vec<Entry<T>>,
    positions: HashMap<String, usize>,
    /// Names with a definition that could not be read. What refers to them is not to blame.
    broken: HashSet<String>,
    /// Counts definitions and changes.
    clock: usize,
    /// Counts those of names that were there before.
    changes: usize,
}

/// A thing with a name.
#[derive(Debug)]
pub(super) struct Entry<T> {
    pub(super) name: Arc<str>,
    pub(super) value: T,
    /// When it was first defined; later definitions leave that as it is.
    pub(super) first: usize,
    /// When it was last defined or changed.
    pub(super) latest: usize,
    /// The file of the latest definition.
    pub(super) source: Arc<Source>,
    /// Where the name stands there.
    pub(super) span: Range<usize>,
}

impl<T> Named<T> {
    /// Defines or redefines what the reader is reading. A redefinition keeps its place in the order.
    pub(super) fn define(&mut self, name: &str, value: T, reader: &Reader<'_>) {
        self.clock += 1;
        let (source, span) = (Arc::clone(&reader.source), reader.name_span.clone());
        let (first, latest) = (self.clock, self.clock);
        let entry = Entry {
            name: name.into(),
            value,
            first,
            latest,
            source,
            span,
        };
        let position = self.positions.get(name).copied();
        match position.and_then(|position| self.entries.get_mut(position)) {
            Some(existing) => {
                self.changes += 1;
                *existing = Entry {
                    first: existing.first,
                    ..entry
                }
            }
            None => {
                self.positions.insert(name.to_owned(), self.entries.len());
                self.entries.push(entry);
            }
        }
    }

    /// The value of a name, to be changed by an item that appends or overrides.
    pub(super) fn change(&mut self, name: &str) -> Option<&mut T> {
        self.clock += 1;
        let entry = self.entries.get_mut(*self.positions.get(name)?)?;
        entry.latest = self.clock;
        self.changes += 1;
        Some(&mut entry.value)
    }

    /// Remembers that a definition of the name could not be read.
    pub(super) fn mark_broken(&mut self, name: &str) {
        self.broken.insert(name.to_owned());
    }

    /// Whether a definition of the name could not be read.
    pub(super) fn is_broken(&self, name: &str) -> bool {
        self.broken.contains(name)
    }

    /// The position of a name in the order of first definition.
    pub(super) fn position(&self, name: &str) -> Option<usize> {
        self.positions.get(name).copied()
    }

    /// The entry of a name.
    pub(super) fn entry(&self, name: &str) -> Option<&Entry<T>> {
        self.entries.get(self.position(name)?)
    }

    /// The value of a name.
    pub(super) fn get(&self, name: &str) -> Option<&T> {
        self.entry(name).map(|entry| &entry.value)
    }

    /// How many definitions and changes there have been.
    pub(super) fn clock(&self) -> usize {
        self.clock
    }

    /// How many of them were about names that were there before.
    pub(super) fn changes(&self) -> usize {
        self.changes
    }

    /// All entries in the order of first definition.
    pub(super) fn entries(&self) -> &[Entry<T>] {
        &self.entries
    }
}

impl<T> Default for Named<T> {
    fn default() -> Self {
        Self {
            entries: Vec::new(),
            positions: HashMap::new(),
            broken: HashSet::new(),
            clock: 0,
            changes: 0,
        }
    }
}

impl<T> Entry<T> {
    /// The line of the name, counted from 1.
    pub(super) fn line(&self) -> usize {
        self.source.position(self.span.start).0
    }
}
