//! Which rules may raise alerts, and why the others do not.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use kubevigil_rules::Rule;
use kubevigil_rules::falco::selection;

use crate::rule_set::RuleChoice;

/// A rule that was loaded, and what becomes of its matches.
#[derive(Clone, Debug)]
pub(crate) struct ListedRule {
    pub(crate) rule: Arc<Rule>,
    pub(crate) standing: Standing,
    /// The names of the correlations that count it, in loading order.
    pub(crate) counted_by: Vec<Arc<str>>,
}

/// What becomes of a rule's matches. Whatever it is, correlations that take part count them.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Standing {
    /// They raise alerts.
    Enabled,
    /// They only count for correlations: none of those that name the rule has `generate: true`.
    Part,
    /// The profile leaves the rule out.
    Profile,
    /// The rule's file or a selector disables it.
    Disabled,
    /// The rule is less urgent than the chosen priority.
    MinPriority,
}

/// What tells one loaded rule from another: names and identifiers may repeat by mistake.
type Key<'r> = (&'r str, usize, &'r str);

/// The standing of every rule, and those that may raise alerts in the order in which they are tried. `silenced` are those that refused
/// correlations count.
pub(super) fn judge(
    rules: Vec<Arc<Rule>>,
    silenced: &[Arc<Rule>],
    choice: &RuleChoice,
) -> (Vec<ListedRule>, Vec<Arc<Rule>>) {
    let counted = Counted::of(&rules, silenced);
    let starts =
        |rule: &Rule| rule.enabled && choice.profile.includes(rule) && !counted.only_part(rule);
    let selected = selection::select_from(&rules, choice.min_priority, &choice.selectors, starts);
    let raising: HashSet<Key<'_>> = selected.iter().map(|rule| key(rule)).collect();
    let standing = |rule: &Rule| match rule {
        rule if raising.contains(&key(rule)) => Standing::Enabled,
        rule if counted.only_part(rule) => Standing::Part,
        rule if !choice.profile.includes(rule) => Standing::Profile,
        rule if rule.priority < choice.min_priority => Standing::MinPriority,
        _ => Standing::Disabled,
    };
    let listed = rules.iter().map(|rule| ListedRule {
        rule: Arc::clone(rule),
        standing: standing(rule),
        counted_by: counted.by(rule),
    });
    (listed.collect(), selected)
}

/// Which rules correlations count. It is the files that decide this, not which of the correlations take part: a quieter profile must not
/// let the parts of a correlation raise alerts that it leaves out itself.
struct Counted<'r> {
    by: HashMap<Key<'r>, Vec<Arc<str>>>,
    generating: HashSet<Key<'r>>,
}

impl<'r> Counted<'r> {
    fn of(rules: &'r [Arc<Rule>], silenced: &'r [Arc<Rule>]) -> Self {
        let mut counted = Self {
            by: silenced
                .iter()
                .map(|rule| (key(rule), Vec::new()))
                .collect(),
            generating: HashSet::new(),
        };
        for rule in rules {
            let Some(correlation) = rule.correlation() else {
                continue;
            };
            for member in &correlation.members {
                let key = key(&member.rule);
                let names = counted.by.entry(key).or_default();
                if !names.contains(&rule.name) {
                    names.push(Arc::clone(&rule.name));
                }
                if correlation.generate {
                    counted.generating.insert(key);
                }
            }
        }
        counted
    }

    fn only_part(&self, rule: &Rule) -> bool {
        let key = key(rule);
        self.by.contains_key(&key) && !self.generating.contains(&key)
    }

    fn by(&self, rule: &Rule) -> Vec<Arc<str>> {
        self.by.get(&key(rule)).cloned().unwrap_or_default()
    }
}

impl Standing {
    /// The word that lists show, in text and JSON.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Enabled => "enabled",
            Self::Part => "part",
            Self::Profile => "profile",
            Self::Disabled => "disabled",
            Self::MinPriority => "min-priority",
        }
    }
}

fn key(rule: &Rule) -> Key<'_> {
    (&rule.origin.file, rule.origin.line, &rule.name)
}
