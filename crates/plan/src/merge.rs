//! Putting what rules need into a policy that is there already.
//!
//! The text stays as its author wrote it, comments included: rules are put in as whole lines. Those for single resources come first, since
//! whatever stands before them would decide; those for everything else come just before the rule that decides it today, so that
//! rules before that keep their say.

use std::collections::BTreeMap;

use kubevigil_audit::policy::{Decision, Policy, PolicyFile, PolicyLevel, StageSet};
use kubevigil_rules::Rule;

use crate::known::Solver;
use crate::need::{Kind, Space};
use crate::recommend::{
    CATCH_ALL, Needs, Recommendation, Resource, any_resource, most, resource, write_generic,
    write_why,
};

/// The policy with what the rules need put between its own rules, which stay as they are. `None` when its rules do not begin on lines of
/// their own, as in JSON.
pub fn merge(file: &PolicyFile, rules: &[&Rule], solver: &Solver) -> Option<Recommendation> {
    let policy = file.policy.as_ref()?;
    let space = Space::new(rules.iter().copied(), policy);
    let mut lack = Lack::of(policy, rules, &space, solver);
    let text = lack.write(policy, &file.source.text)?;
    Some(Recommendation {
        text,
        unfed: Needs::of(rules, &space, solver).unfed,
        missing_stages: lack.needs.stages,
    })
}

/// What a policy does not give.
struct Lack {
    needs: Needs,
    /// The highest level of each resource and verb today, which must not fall.
    highest: BTreeMap<(Resource, Box<str>), PolicyLevel>,
    /// The first rule that decides about each resource and verb today.
    decides: BTreeMap<(Resource, Box<str>), usize>,
    /// The first rule that decides what no rule names.
    decides_others: Option<usize>,
    /// Whether requests matter that no rule of the policy matches.
    catch_all: bool,
    /// The rule of the policy that drops paths, and one that looks at them.
    paths: Option<(usize, String)>,
}

impl Lack {
    fn of(policy: &Policy, rules: &[&Rule], space: &Space, solver: &Solver) -> Self {
        let mut lack = Self {
            needs: Needs::default(),
            highest: BTreeMap::new(),
            decides: BTreeMap::new(),
            decides_others: None,
            catch_all: false,
            paths: None,
        };
        for rule in rules {
            rule.for_each_condition(&mut |condition| {
                space.for_each_kind(condition, solver, &mut |_, kind| {
                    lack.add(rule, &kind, policy, &kind.decide(policy));
                });
            });
        }
        for (resource, verbs) in &mut lack.needs.bodies {
            for (verb, (level, _)) in verbs {
                let now = lack.highest.get(&(resource.clone(), verb.clone()));
                *level = now.map_or(*level, |now| (*level).max(*now));
            }
        }
        lack
    }

    fn add(&mut self, rule: &Rule, kind: &Kind<'_>, policy: &Policy, decision: &Decision) {
        let is_omitted = |stages: StageSet| {
            let mut all = kind.stages.iter();
            all.all(|(stage, _)| stages.contains(*stage))
        };
        let resource = resource(kind.target);
        if let Some(resource) = &resource {
            let now = self.highest.entry((resource.clone(), kind.verb.into()));
            let now = now.or_default();
            *now = (*now).max(decision.level);
            let by = decision.matched_rule.unwrap_or(policy.rules.len());
            let first = self.decides.entry((resource.clone(), kind.verb.into()));
            let first = first.or_insert(by);
            *first = by.min(*first);
            if *resource == any_resource() {
                let first = self.decides_others.into_iter();
                self.decides_others = first.chain(decision.matched_rule).min();
            }
        }
        if is_omitted(policy.omit_stages) {
            let stages = kind.stages.iter();
            self.needs.stages.extend(stages.map(|(stage, _)| *stage));
        }
        let is_deaf = !is_omitted(policy.omit_stages) && is_omitted(decision.omit_stages);
        let least = if is_deaf {
            decision.level
        } else {
            PolicyLevel::Metadata
        };
        let most = resource.as_ref().map_or(PolicyLevel::Metadata, most);
        let omitted = if is_deaf {
            policy.omit_stages
        } else {
            decision.omit_stages
        };
        let wanted = Some(kind.level(omitted)).filter(|level| *level <= most);
        let level = wanted.unwrap_or(PolicyLevel::Metadata).max(least);
        if decision.level >= level && !is_deaf {
            return;
        }
        match (resource, decision.matched_rule) {
            (_, None) if level == PolicyLevel::Metadata => self.catch_all = true,
            (Some(resource), _) => self.needs.need(rule, resource, kind.verb, level),
            (None, by) => self.paths = Some((by.unwrap_or_default(), rule.name.to_string())),
        }
    }

    fn write(&mut self, policy: &Policy, source: &str) -> Option<String> {
        let last = policy.rules.len();
        let before = self.decides_others.unwrap_or(last);
        let decides = &self.decides;
        let generic = self.needs.take_generic(|resource, verb| {
            let by = decides.get(&(resource.clone(), verb.into()));
            by.is_none_or(|by| *by >= before)
        });
        let mut added: BTreeMap<usize, String> = BTreeMap::new();
        for draft in self.needs.drafts() {
            draft.write(added.entry(0).or_default());
        }
        if let Some((before, rule)) = &self.paths {
            let text = added.entry(*before).or_default();
            write_why(&[rule.clone()].into(), text);
            text.push_str("- level: Metadata\n  nonResourceURLs: [\"*\"]\n");
        }
        if !generic.is_empty() {
            let text = added.entry(before).or_default();
            write_generic(&generic, text);
        }
        if self.catch_all {
            added.entry(last).or_default().push_str(CATCH_ALL);
        }
        insert(policy, source, &added)
    }
}

/// The text with rules put before those of these numbers.
fn insert(policy: &Policy, source: &str, added: &BTreeMap<usize, String>) -> Option<String> {
    let (mut text, mut copied) = (String::new(), 0);
    let (_, indent) = start_of(source, policy.rules.first()?.span.start)?;
    for (number, rules) in added {
        let at = match policy.rules.get(*number) {
            Some(rule) => start_of(source, rule.span.start)?.0,
            None => {
                let end = policy.rules.last()?.span.end;
                let line = source.get(end..)?.find('\n');
                line.map_or(source.len(), |line| end + line + 1)
            }
        };
        text.push_str(source.get(copied..at)?);
        if !text.ends_with('\n') {
            text.push('\n');
        }
        for line in rules.lines() {
            text.push_str(&format!("{:indent$}{line}\n", ""));
        }
        copied = at;
    }
    text.push_str(source.get(copied..)?);
    Some(text)
}

/// Where the lines of an item of a list begin, comments above it included, and how far its dash is indented.
fn start_of(source: &str, item: usize) -> Option<(usize, usize)> {
    let line_of = |at: usize| {
        let before = source.get(..at)?;
        Some(before.rfind('\n').map_or(0, |at| at + 1))
    };
    let mut start = line_of(item)?;
    let mut before = source.get(start..item)?;
    while before.trim().is_empty() {
        // The dash stands alone, above comments or not.
        start = line_of(start.checked_sub(1)?)?;
        let line = source.get(start..)?.lines().next()?;
        before = line.split('#').next()?;
    }
    let indent = before.find('-')?;
    if before.trim() != "-" {
        return None;
    }
    while let Some(above) = start.checked_sub(1).and_then(line_of) {
        let line = source.get(above..start)?;
        if !line.trim_start().starts_with('#') {
            break;
        }
        start = above;
    }
    Some((start, indent))
}
