//! Whether rules can fire under a policy.
//!
//! A rule that asks for what the policy never records is silent for ever, and nobody notices. So for every kind of request on which a rule
//! may fire ([`crate::need`]) the policy is asked what it records, and the condition is judged again with only that.

use std::collections::{BTreeMap, BTreeSet};

use kubevigil_audit::policy::{Decision, Policy, PolicyLevel, PolicyStage};
use kubevigil_rules::{Condition, CorrelationKind, Rule};

use crate::known::{Answer, Known, Solver};
use crate::need::{Kind, Space};
use crate::probe::Target;

/// How much of a rule is left under a policy.
#[derive(Clone, Debug)]
pub struct Coverage {
    /// The verdict.
    pub verdict: Verdict,
    /// What is missing, by the rule of the policy that is to blame.
    pub gaps: Vec<Gap>,
}

/// How much of a rule is left.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Verdict {
    /// It can fire on everything that it is for.
    Full,
    /// It can fire on a part of that.
    Part,
    /// It fires on no kind of request that is known here: the policy is not to blame.
    Unknown,
    /// It can never fire.
    Nothing,
}

/// Requests on which a rule cannot fire, for one reason.
#[derive(Clone, Debug, Default)]
pub struct Gap {
    /// The rule of the policy that decides them, counted from 0; `None` when none matches.
    pub policy_rule: Option<usize>,
    /// Why the rule cannot fire.
    pub reason: Reason,
    /// The verbs.
    pub verbs: BTreeSet<Box<str>>,
    /// The resources, with group and subresource: `deployments.apps/scale`; paths for other requests.
    pub resources: BTreeSet<String>,
    /// The namespaces; empty for those without.
    pub namespaces: BTreeSet<Box<str>>,
    /// Who asks.
    pub users: BTreeSet<String>,
    /// How many kinds of requests these are.
    pub kinds: usize,
}

/// Why a rule cannot fire on what the policy records.
#[derive(Clone, Copy, Debug, Default, Eq, Ord, PartialEq, PartialOrd)]
pub enum Reason {
    /// Nothing is recorded.
    #[default]
    NotRecorded,
    /// The stage that the rule asks for is omitted.
    StageOmitted(PolicyStage),
    /// A body that the rule reads is not recorded: the level is, and the level that it takes.
    LevelTooLow(PolicyLevel, PolicyLevel),
    /// It can fire, but not in every way that it has: the level is, and the level that all take.
    Weaker(PolicyLevel, PolicyLevel),
}

/// What a policy records, kind by kind.
struct Tally {
    covered: usize,
    gaps: BTreeMap<(Option<usize>, Reason), Gap>,
}

/// Whether a rule can fire under a policy. `space` must know the rule and the policy.
pub fn coverage(rule: &Rule, policy: &Policy, space: &Space, solver: &Solver) -> Coverage {
    if let Some(condition) = rule.condition() {
        return of_condition(condition, policy, space, solver);
    }
    let Some(correlation) = rule.correlation() else {
        return Coverage {
            verdict: Verdict::Full,
            gaps: Vec::new(),
        };
    };
    let members = correlation.members.iter();
    let parts: Vec<Coverage> = members
        .map(|member| coverage(&member.rule, policy, space, solver))
        .collect();
    let needs_all = matches!(
        correlation.kind,
        CorrelationKind::Temporal(_) | CorrelationKind::TemporalOrdered | CorrelationKind::Join
    );
    let worst = parts
        .iter()
        .map(|part| part.verdict)
        .max()
        .unwrap_or(Verdict::Full);
    let all_dead = parts.iter().all(|part| part.verdict == Verdict::Nothing);
    let verdict = if worst == Verdict::Nothing && !needs_all && !all_dead {
        Verdict::Part
    } else {
        worst
    };
    Coverage {
        verdict,
        gaps: parts.into_iter().flat_map(|part| part.gaps).collect(),
    }
}

fn of_condition(
    condition: &Condition,
    policy: &Policy,
    space: &Space,
    solver: &Solver,
) -> Coverage {
    let mut tally = Tally {
        covered: 0,
        gaps: BTreeMap::new(),
    };
    space.for_each_kind(condition, solver, &mut |known, kind| {
        let decision = kind.decide(policy);
        match reason(known, &kind, &decision, solver) {
            None => tally.covered += 1,
            Some(reason) => {
                tally.covered += usize::from(matches!(reason, Reason::Weaker(..)));
                tally.gap(decision.matched_rule, reason).add(&kind);
            }
        }
    });
    let verdict = match (tally.covered, tally.gaps.is_empty()) {
        (0, true) => Verdict::Unknown,
        (_, true) => Verdict::Full,
        (0, false) => Verdict::Nothing,
        (_, false) => Verdict::Part,
    };
    Coverage {
        verdict,
        gaps: tally.gaps.into_values().collect(),
    }
}

/// Why the rule cannot fire on this kind of request, at the stage where it comes nearest; `None` when it can at some stage.
fn reason(
    known: &Known<'_>,
    kind: &Kind<'_>,
    decision: &Decision,
    solver: &Solver,
) -> Option<Reason> {
    if decision.level == PolicyLevel::None {
        return Some(Reason::NotRecorded);
    }
    let mut worst = None;
    for (stage, rest) in &kind.stages {
        let reason = if decision.omit_stages.contains(*stage) {
            Reason::StageOmitted(*stage)
        } else {
            let needed = rest.level();
            let recorded = solver.answer_at(rest, &known.at(*stage), decision.level);
            match (recorded, decision.level < needed) {
                (Answer::False, _) => Reason::LevelTooLow(decision.level, needed),
                (_, true) => Reason::Weaker(decision.level, needed),
                (_, false) => return None,
            }
        };
        worst = worst.max(Some(reason));
    }
    worst
}

impl Tally {
    fn gap(&mut self, policy_rule: Option<usize>, reason: Reason) -> &mut Gap {
        let gap = self.gaps.entry((policy_rule, reason)).or_default();
        (gap.policy_rule, gap.reason) = (policy_rule, reason);
        gap
    }
}

impl Gap {
    fn add(&mut self, kind: &Kind<'_>) {
        self.kinds += 1;
        if !self.verbs.contains(kind.verb) {
            self.verbs.insert(kind.verb.into());
        }
        if !self.users.contains(&*kind.user.label) {
            self.users.insert(kind.user.label.clone().into());
        }
        self.resources.insert(target_text(kind.target));
        if let Target::Resource { .. } = kind.target
            && !self.namespaces.contains(kind.namespace)
        {
            self.namespaces.insert(kind.namespace.into());
        }
    }
}

/// A target as `kubectl` writes resources: `deployments.apps/scale`.
pub fn target_text(target: &Target) -> String {
    match target {
        Target::Path(path) => path.to_string(),
        Target::Resource {
            group,
            resource,
            subresource,
            ..
        } => crate::resources::text(group, resource, subresource),
    }
}
