//! What the names of rules lead to: documents of all files by `id` and `name`, then rules of other languages by their names.
//!
//! A document of the same file is preferred to those of others, so that a folder of rules keeps its meaning whatever it is loaded
//! together with: nobody knows all names of the rules that are built in.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use kubevigil_diagnostics::{Source, closest};
use kubevigil_yaml::Node;

use crate::rule::Rule;
use crate::sigma::codes;
use crate::sigma::correlation::body::Word;
use crate::sigma::document;
use crate::sigma::load::Entry;
use crate::sigma::problems::Problems;

/// A rule that can be counted.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(super) enum Target {
    /// The document with this number, in the order of loading.
    Document(usize),
    /// The rule of another language at this place.
    Other(usize),
}

/// All names.
pub(super) struct Names {
    by_name: HashMap<String, Vec<Target>>,
    titles: HashSet<String>,
    /// Where each document begins.
    places: Vec<(Arc<Source>, usize)>,
}

impl Names {
    /// The names of all documents and of the rules of other languages.
    pub(super) fn of(entries: &[Entry], others: &[Arc<Rule>]) -> Self {
        let mut names = Self {
            by_name: HashMap::new(),
            titles: HashSet::new(),
            places: Vec::new(),
        };
        for (number, entry) in entries.iter().enumerate() {
            let node = &entry.draft.node;
            let start = document::first_key(node).start;
            names.places.push((Arc::clone(&entry.draft.source), start));
            let text = |key| node.get(key).and_then(Node::text);
            for name in [text("id"), text("name")].into_iter().flatten() {
                names.add(name, Target::Document(number));
            }
            names.titles.extend(text("title").map(str::to_owned));
        }
        for (number, rule) in others.iter().enumerate() {
            if !names.by_name.contains_key(&*rule.name) {
                names.add(&rule.name, Target::Other(number));
            }
        }
        names
    }

    fn add(&mut self, name: &str, target: Target) {
        let targets = self.by_name.entry(name.to_owned()).or_default();
        if !targets.contains(&target) {
            targets.push(target);
        }
    }

    /// What a name in a file leads to, without a word when it leads nowhere.
    pub(super) fn find(&self, name: &str, file: &Arc<Source>) -> Option<Target> {
        let targets = self.by_name.get(name)?;
        let is_near = |target: &&Target| {
            let place = self.place(**target);
            place.is_some_and(|(source, _)| Arc::ptr_eq(source, file))
        };
        let near: Vec<&Target> = targets.iter().filter(is_near).collect();
        match (near.as_slice(), targets.as_slice()) {
            ([target], _) => Some(**target),
            ([], [target]) => Some(*target),
            _ => None,
        }
    }

    /// The same; that it leads nowhere, or to several rules, is a mistake.
    pub(super) fn resolve(&self, word: &Word, problems: &mut Problems) -> Option<Target> {
        if let Some(target) = self.find(&word.text, &problems.source) {
            return Some(target);
        }
        let (message, help) = match self.by_name.get(&word.text) {
            Some(targets) => {
                let places = targets
                    .iter()
                    .filter_map(|target| self.shown_place(*target));
                let places: Vec<String> = places.take(3).collect();
                (
                    format!("several rules are called `{}`", word.text),
                    format!(
                        "they stand at {}; give each a name of its own",
                        places.join(" and at ")
                    ),
                )
            }
            None => (
                format!("no rule that was loaded is called `{}`", word.text),
                self.suggestion(&word.text),
            ),
        };
        problems.error_with_help(codes::REFERENCE, word.span.clone(), message, help)
    }

    /// File and line of a document.
    pub(super) fn shown_place(&self, target: Target) -> Option<String> {
        let (source, start) = self.place(target)?;
        let (line, _) = source.position(*start);
        Some(format!("{}:{line}", source.name))
    }

    fn place(&self, target: Target) -> Option<&(Arc<Source>, usize)> {
        match target {
            Target::Document(number) => self.places.get(number),
            Target::Other(_) => None,
        }
    }

    fn suggestion(&self, name: &str) -> String {
        if self.titles.contains(name) {
            return "a rule has this title, but rules are named by `id` or `name`: give it a `name`".to_owned();
        }
        let mut names: Vec<&str> = self.by_name.keys().map(String::as_str).collect();
        // Of equally near names the same one is offered every time.
        names.sort_unstable();
        match closest(name, names) {
            Some(near) => format!("did you mean `{near}`?"),
            None => "rules are named by `id` or `name`, rules of Falco by their name".to_owned(),
        }
    }
}
