//! The rules of a folder, ready to have events put to them.

use std::collections::HashSet;
use std::sync::Arc;

use kubevigil_audit::time::Timestamp;
use kubevigil_detect::{EventError, Matcher, Position, RuleMatching, Scratch};
use kubevigil_diagnostics::render_text;
use kubevigil_rules::{Priority, Rule};

use crate::args::TestArgs;
use crate::rule_set::{RuleChoice, RuleSet};
use crate::rules_command::test::folders::Folder;
use crate::rules_command::test::names;

/// A folder's rules, compiled.
pub(super) struct Bench {
    /// The rules, in the order of their files.
    pub(super) rules: Vec<TestedRule>,
    matcher: Matcher,
}

/// A rule of the folder.
pub(super) struct TestedRule {
    pub(super) rule: Arc<Rule>,
    /// What names of folders call it.
    pub(super) name: String,
    /// Whether it raises alerts: one that is only counted does not.
    pub(super) raises: bool,
    /// Its position in the matcher.
    number: usize,
}

/// A case under way.
pub(super) struct Stream<'b> {
    bench: &'b Bench,
    scratch: Scratch,
    position: Position,
}

impl Bench {
    /// Loads and compiles; what is wrong with the files is told as text for people.
    pub(super) fn load(folder: &Folder, arguments: &TestArgs) -> Result<Self, String> {
        let files = arguments.rules.iter().chain(&folder.rule_files);
        let rule_set = RuleSet::load(&RuleChoice {
            default_rules: false,
            files: files.cloned().collect(),
            fixed_fields: arguments.fixed_fields,
            min_priority: Priority::Debug,
            selectors: Vec::new(),
        });
        let diagnostics = rule_set
            .loaded
            .files
            .iter()
            .flat_map(|file| &file.diagnostics);
        let diagnostics: Vec<_> = diagnostics.cloned().collect();
        if !rule_set.loaded.successful() {
            return Err(render_text(&diagnostics, true).trim_end().to_owned());
        }
        Self::compile(folder, &rule_set.loaded.rules)
    }

    fn compile(folder: &Folder, all: &[Arc<Rule>]) -> Result<Self, String> {
        let matcher =
            Matcher::compile(all, RuleMatching::All).map_err(|error| error.to_string())?;
        let own: HashSet<String> = folder
            .rule_files
            .iter()
            .map(|file| file.display().to_string())
            .collect();
        let silent = silent_members(all);
        let rules = all.iter().enumerate();
        let rules = rules.filter(|(_, rule)| own.contains(rule.origin.file.as_ref()));
        let rules = rules.map(|(number, rule)| TestedRule {
            rule: Arc::clone(rule),
            name: names::name_of(rule),
            raises: !silent.contains(&Arc::as_ptr(rule)),
            number,
        });
        let rules: Vec<_> = rules.collect();
        if rules.is_empty() {
            return Err("the rule files hold no rule for Kubernetes audit events".to_owned());
        }
        Ok(Self { rules, matcher })
    }

    /// The beginning of a stream of events: nothing is remembered of any other.
    pub(super) fn stream(&self) -> Stream<'_> {
        Stream {
            bench: self,
            scratch: Scratch::default(),
            position: Position::default(),
        }
    }
}

/// Rules that only correlations hear of.
fn silent_members(rules: &[Arc<Rule>]) -> HashSet<*const Rule> {
    let correlations = || rules.iter().filter_map(|rule| rule.correlation());
    let members = |generate: bool| {
        let of_kind = correlations().filter(move |correlation| correlation.generate == generate);
        of_kind.flat_map(|correlation| {
            correlation
                .members
                .iter()
                .map(|member| Arc::as_ptr(&member.rule))
        })
    };
    let heard: HashSet<_> = members(true).collect();
    members(false)
        .filter(|member| !heard.contains(member))
        .collect()
}

impl Stream<'_> {
    /// The rules of the folder that fire on the next event of the stream, by their positions in [`Bench::rules`].
    pub(super) fn event(&mut self, event: &[u8]) -> Result<Vec<usize>, EventError> {
        self.position.number += 1;
        let found = self
            .bench
            .matcher
            .detect(event, &self.position, &mut self.scratch)?;
        self.position.first_time.get_or_insert(found.time);
        self.position.received = Timestamp::max(self.position.received, found.time);
        let fired: HashSet<usize> = found
            .list
            .iter()
            .map(|detection| detection.rule_number)
            .collect();
        let rules = self.bench.rules.iter().enumerate();
        let rules = rules.filter(|(_, rule)| rule.raises && fired.contains(&rule.number));
        Ok(rules.map(|(at, _)| at).collect())
    }
}
