//! Rules that the policy of the auditing gateway leaves without events.
//!
//! With `sources.record` the daemon makes its own events, so its policy decides which of its rules can ever fire. Nothing else would
//! show it: a rule without events is as quiet as one that finds nothing. What is solved here takes about a second with the default
//! rules, so the daemon starts first and says it afterwards, from a thread of its own.

use std::collections::BTreeSet;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;

use kubevigil_audit::policy::{PolicyFile, PolicyStage};
use kubevigil_plan::coverage::{Coverage, Reason, Verdict, coverage};
use kubevigil_plan::known::Solver;
use kubevigil_plan::need::Space;
use kubevigil_rules::Rule;

/// What a policy keeps from rules.
#[derive(Debug)]
pub(crate) struct Unfed {
    policy: PathBuf,
    /// How many rules were looked at.
    rules: usize,
    /// Those that can never fire.
    never: usize,
    /// Those that can fire on a part of what they are for.
    partly: usize,
    /// Stages that the policy omits although rules need them.
    stages: BTreeSet<PolicyStage>,
}

impl Unfed {
    /// What the policy in a file keeps from these rules. `None` when all of them can fire and no stage is missing, and when the file
    /// is no policy, which others report. Less than everything is no news by itself: a policy against noise always costs something.
    pub(crate) fn find(policy: &Path, rules: &[Arc<Rule>]) -> Option<Self> {
        let text = fs::read_to_string(policy).ok()?;
        let name = policy.display().to_string();
        let file = PolicyFile::read(&name, &text);
        let is_valid = file.is_valid();
        let read = file.policy.filter(|_| is_valid)?;
        let space = Space::new(rules.iter().map(AsRef::as_ref), &read);
        let solver = Solver::default();
        let found: Vec<Coverage> = rules
            .iter()
            .map(|rule| coverage(rule, &read, &space, &solver))
            .collect();
        let count = |wanted: Verdict| found.iter().filter(|one| one.verdict == wanted).count();
        let unfed = Self {
            policy: policy.to_owned(),
            rules: rules.len(),
            never: count(Verdict::Nothing),
            partly: count(Verdict::Part),
            stages: found.iter().flat_map(omitted_stages).collect(),
        };
        (unfed.never > 0 || !unfed.stages.is_empty()).then_some(unfed)
    }
}

fn omitted_stages(coverage: &Coverage) -> impl Iterator<Item = PolicyStage> {
    coverage.gaps.iter().filter_map(|gap| match gap.reason {
        Reason::StageOmitted(stage) => Some(stage),
        Reason::NotRecorded | Reason::LevelTooLow(..) | Reason::Weaker(..) => None,
    })
}

impl fmt::Display for Unfed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (never, partly, rules) = (self.never, self.partly, self.rules);
        match (never, partly) {
            (0, _) => write!(
                f,
                "{partly} of {rules} rules can fire only on a part of what they are for"
            )?,
            (_, 0) => write!(
                f,
                "{never} of {rules} rules can never fire on what the gateway records"
            )?,
            _ => write!(
                f,
                "{never} of {rules} rules can never fire on what the gateway records, and {partly} only on a part of it"
            )?,
        }
        let stages: Vec<&str> = self.stages.iter().map(|stage| stage.as_str()).collect();
        if !stages.is_empty() {
            write!(f, "; the policy omits {}", stages.join(" and "))?;
        }
        let policy = self.policy.display();
        write!(
            f,
            "; `kubevigil policy coverage --policy {policy}` says which"
        )
    }
}

/// Warns of the rules that the policy leaves without events, as soon as that is known.
pub(crate) fn warn_later(policy: PathBuf, rules: Vec<Arc<Rule>>) {
    let look = move || {
        if let Some(unfed) = Unfed::find(&policy, &rules) {
            tracing::warn!("{unfed}");
        }
    };
    if let Err(error) = thread::Builder::new().name("unfed".to_owned()).spawn(look) {
        tracing::debug!(%error, "whether the policy feeds the rules was not looked at");
    }
}
