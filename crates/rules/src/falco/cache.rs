//! Rules that need not be compiled again.
//!
//! Everything is compiled after each file, so without this a folder of a thousand files would compile its first rule a
//! thousand times. A rule is taken from here when nothing that it can depend on has changed: its own definition, any list
//! (a new one may be named in any text), any macro that was there (a new one cannot be named by a rule that compiled).

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use crate::falco::collection::{Collection, Entry};
use crate::falco::definition::Definition;
use crate::rule::Rule;

/// Rules that compiled, by name.
#[derive(Debug, Default)]
pub(super) struct Cache {
    rules: HashMap<Arc<str>, Cached>,
}

/// A rule that compiled.
#[derive(Debug)]
struct Cached {
    version: Version,
    rule: Arc<Rule>,
    uses: Uses,
}

/// Changes whenever what a rule is made of may have changed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Version {
    definition: usize,
    lists: usize,
    macros: usize,
}

/// What a rule uses.
#[derive(Clone, Debug, Default)]
pub(super) struct Uses {
    pub(super) lists: HashSet<Arc<str>>,
    pub(super) macros: HashSet<Arc<str>>,
}

impl Version {
    /// The version of a rule in a collection.
    pub(super) fn of(entry: &Entry<Definition>, collection: &Collection) -> Self {
        Self {
            definition: entry.latest,
            lists: collection.lists.clock(),
            macros: collection.macros.changes(),
        }
    }
}

impl Cache {
    /// The rule, if it compiled in this version before.
    pub(super) fn get(&self, name: &str, version: Version) -> Option<(Arc<Rule>, &Uses)> {
        let cached = self
            .rules
            .get(name)
            .filter(|cached| cached.version == version)?;
        Some((Arc::clone(&cached.rule), &cached.uses))
    }

    /// Keeps a rule that compiled.
    pub(super) fn put(&mut self, version: Version, rule: &Arc<Rule>, uses: Uses) {
        let rule = Arc::clone(rule);
        self.rules.insert(
            Arc::clone(&rule.name),
            Cached {
                version,
                rule,
                uses,
            },
        );
    }
}
