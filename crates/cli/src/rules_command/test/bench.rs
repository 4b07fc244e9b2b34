//! The rules of a folder, ready to have events put to them.

use std::collections::HashSet;
use std::sync::Arc;

use kubevigil_audit::time::Timestamp;
use kubevigil_detect::{
    EventError, Matcher, Occasion, Position, RuleMatching, Scratch, State, StateLimits,
};
use kubevigil_diagnostics::render_text;
use kubevigil_rules::{Priority, Rule};

use crate::args::TestArgs;
use crate::rule_set::{Profile, RuleChoice, RuleSet, Standing};
use crate::rules_command::test::folders::Folder;
use crate::rules_command::test::names;

/// A folder's rules, compiled.
pub(super) struct Bench {
    /// The rules that raise alerts, in the order of their files. Those that only correlations count cannot be expected, so they are
    /// not among them.
    pub(super) rules: Vec<TestedRule>,
    /// What their author should know about them.
    pub(super) warnings: Vec<String>,
    matcher: Matcher,
}

/// A rule of the folder.
pub(super) struct TestedRule {
    pub(super) rule: Arc<Rule>,
    /// What names of folders call it.
    pub(super) name: String,
}

/// A case under way.
pub(super) struct Stream<'b> {
    matcher: &'b Matcher,
    scratch: Scratch,
    state: State,
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
            profile: Profile::Paranoid,
            min_priority: Priority::Debug,
            selectors: Vec::new(),
        });
        if !rule_set.successful() {
            let diagnostics = rule_set.reports().flat_map(|file| &file.diagnostics);
            let diagnostics: Vec<_> = diagnostics.cloned().collect();
            return Err(render_text(&diagnostics, true).trim_end().to_owned());
        }
        Self::compile(folder, &rule_set)
    }

    fn compile(folder: &Folder, rule_set: &RuleSet) -> Result<Self, String> {
        let files = folder.rule_files.iter();
        let own: HashSet<String> = files.map(|file| file.display().to_string()).collect();
        let listed = rule_set.rules.iter().filter(|listed| {
            listed.standing != Standing::Part && own.contains(listed.rule.origin.file.as_ref())
        });
        let rules = listed.map(|listed| Arc::clone(&listed.rule));
        let rules: Vec<Arc<Rule>> = rules.collect();
        if rules.is_empty() {
            return Err("no rule in the files can fire on Kubernetes audit events".to_owned());
        }
        let matcher =
            Matcher::compile(&rules, RuleMatching::All).map_err(|error| error.to_string())?;
        let rules = rules.into_iter().map(|rule| TestedRule {
            name: names::name_of(&rule),
            rule,
        });
        let rules: Vec<TestedRule> = rules.collect();
        Ok(Self {
            warnings: ambiguous(&rules),
            rules,
            matcher,
        })
    }

    /// The beginning of a stream of events: nothing is remembered of any other.
    pub(super) fn stream(&self) -> Stream<'_> {
        Stream {
            matcher: &self.matcher,
            scratch: Scratch::default(),
            state: State::new(&self.matcher, StateLimits::default()),
            position: Position::default(),
        }
    }
}

impl Stream<'_> {
    /// The rules that fire on the next event of the stream, by their positions in [`Bench::rules`]. What a correlation finds again in a
    /// group within its time span is no news to anybody, and left out.
    ///
    /// An event comes in when it happens: cases are written by their authors, so no clock but theirs counts.
    pub(super) fn event(&mut self, event: &[u8]) -> Result<Vec<usize>, EventError> {
        self.position.number += 1;
        let found = self
            .matcher
            .detect(event, &self.position, &mut self.scratch)?;
        self.position.first_time.get_or_insert(found.time);
        self.position.received = Timestamp::max(self.position.received, found.time);
        let occasion = Occasion {
            received: found.time,
        };
        let matches = self
            .state
            .observe(&found, &occasion, &mut || Arc::from(&[][..]));
        let news = matches.iter().filter(|found| !found.repeated);
        let alone = found.list.iter().map(|detection| detection.rule_number);
        Ok(alone.chain(news.map(|found| found.rule_number)).collect())
    }
}

/// Rules that names of folders cannot tell apart, or cannot name.
fn ambiguous(rules: &[TestedRule]) -> Vec<String> {
    let mut seen = HashSet::from([names::QUIET, ""]);
    let again = rules.iter().filter(|rule| !seen.insert(&rule.name));
    let warn = |rule: &TestedRule| {
        let (origin, name) = (&rule.rule.origin, &rule.name);
        format!(
            "{}:{}: no folder of cases can name rule `{name}` alone; give it a `name` of its own",
            origin.file, origin.line
        )
    };
    again.map(warn).collect()
}
