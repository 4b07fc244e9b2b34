//! The smallest policy that feeds a set of rules.
//!
//! What each rule needs follows from its condition ([`crate::need`]). Metadata of everything is the ground, since nobody knows what an
//! investigation will ask; bodies are recorded only where a rule reads them; what nobody needs and a log shows to be noise is
//! dropped. Secrets and tokens never rise above Metadata: a rule that would need their bodies is reported instead.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use kubevigil_audit::policy::{Policy, PolicyFile, PolicyLevel, PolicyStage, StageSet};
use kubevigil_rules::{Condition, Rule};

use crate::coverage::target_text;
use crate::known::{Answer, Known, Solver};
use crate::need::{Kind, Space};
use crate::probe::Target;

/// A proposed policy.
#[derive(Clone, Debug)]
pub struct Recommendation {
    /// The policy as YAML, with comments that say why each rule is there.
    pub text: String,
    /// Rules that would need bodies of secrets or tokens, by name, with what they ask for.
    pub unfed: BTreeSet<(String, String)>,
    /// Stages that the policy omits as a whole although rules need them; of a merged policy only.
    pub missing_stages: BTreeSet<PolicyStage>,
}

/// Requests of one kind that a log is full of.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Noise {
    /// The exact name of who asks.
    pub user: String,
    /// The verb.
    pub verb: String,
    /// The API group.
    pub group: String,
    /// The plural.
    pub resource: String,
    /// The subresource, or empty.
    pub subresource: String,
    /// Its share of all events, between 0 and 1.
    pub share: f64,
}

/// Bodies that are never recorded.
const CREDENTIALS: [(&str, &str, &str); 3] = [
    ("", "secrets", ""),
    ("", "serviceaccounts", "token"),
    ("authentication.k8s.io", "tokenreviews", ""),
];

/// A resource: group, plural, subresource.
type Resource = (Box<str>, Box<str>, Box<str>);

/// A level, and the rules that need it.
type Need = (PolicyLevel, BTreeSet<String>);

/// What rules need of resources above Metadata.
#[derive(Default)]
struct Needs {
    /// The level for each resource and verb, and the rules that need it.
    bodies: BTreeMap<Resource, BTreeMap<Box<str>, Need>>,
    /// Stages without which some rule cannot fire.
    stages: BTreeSet<PolicyStage>,
    unfed: BTreeSet<(String, String)>,
}

/// A rule of the proposal under construction.
struct Draft {
    level: PolicyLevel,
    verbs: Vec<Box<str>>,
    resources: Vec<Resource>,
    why: BTreeSet<String>,
}

/// The policy for these rules. `noise` is dropped where no rule could fire on it.
pub fn recommend(rules: &[&Rule], noise: &[Noise], solver: &Solver) -> Recommendation {
    let space = Space::new(rules.iter().copied(), &Policy::default());
    let mut needs = Needs::of(rules, &space, solver);
    let generic = needs.take_generic();
    let dropped: Vec<&Noise> = noise
        .iter()
        .filter(|noise| !noise.feeds(rules, solver))
        .collect();
    let mut text = needs.head();
    for noise in &dropped {
        noise.write(&mut text);
    }
    write_credentials(&mut text);
    for draft in needs.drafts() {
        draft.write(&mut text);
    }
    write_generic(&generic, &mut text);
    text.push_str("# Everything else: who, what, when and the outcome.\n- level: Metadata\n");
    Recommendation {
        text,
        unfed: needs.unfed,
        missing_stages: BTreeSet::new(),
    }
}

/// The policy with what the rules need put before its own rules, which stay as they are.
pub fn merge(file: &PolicyFile, rules: &[&Rule], solver: &Solver) -> Option<Recommendation> {
    let policy = file.policy.as_ref()?;
    let space = Space::new(rules.iter().copied(), policy);
    let mut needs = Needs::of(rules, &space, solver).beyond(policy, rules, &space, solver);
    let generic = needs.take_generic();
    let source = &file.source.text;
    let first = policy.rules.first()?.span.start;
    // Rules are items of a list: what is put in stands where the dash of the first one stands.
    let line_start = source.get(..first)?.rfind('\n').map_or(0, |at| at + 1);
    let indent = source.get(line_start..first)?.find('-').unwrap_or(0);
    let mut added = String::new();
    for draft in needs.drafts() {
        draft.write(&mut added);
    }
    if !generic.is_empty() {
        // It would come before rules that keep credentials out.
        write_credentials(&mut added);
        write_generic(&generic, &mut added);
    }
    let margin = " ".repeat(indent);
    let added: String = added
        .lines()
        .map(|line| format!("{margin}{line}\n"))
        .collect();
    let text = format!(
        "{}{added}{}",
        source.get(..line_start)?,
        source.get(line_start..)?
    );
    Some(Recommendation {
        text,
        unfed: needs.unfed,
        missing_stages: needs.stages,
    })
}

impl Needs {
    fn of(rules: &[&Rule], space: &Space, solver: &Solver) -> Self {
        let mut needs = Self::default();
        for rule in rules {
            rule.for_each_condition(&mut |condition| {
                space.for_each_kind(condition, solver, &mut |known, kind| {
                    if let [only] = kind.stages.as_slice() {
                        needs.stages.insert(*only);
                    }
                    let level = needed(condition, known, &kind, solver);
                    if let Target::Resource {
                        group,
                        resource,
                        subresource,
                        ..
                    } = &kind.probe.target
                    {
                        let resource = (group.clone(), resource.clone(), subresource.clone());
                        needs.add(rule, resource, &kind.probe.verb, level, &kind.probe.target);
                    }
                });
            });
        }
        needs
    }

    fn add(
        &mut self,
        rule: &Rule,
        resource: Resource,
        verb: &str,
        level: PolicyLevel,
        target: &Target,
    ) {
        if level <= PolicyLevel::Metadata {
            return;
        }
        if is_credential(&resource) {
            self.unfed
                .insert((rule.name.to_string(), target_text(target)));
            return;
        }
        let need = self.bodies.entry(resource).or_default().entry(verb.into());
        let need = need.or_insert((level, BTreeSet::new()));
        need.0 = need.0.max(level);
        need.1.insert(rule.name.to_string());
    }

    /// What the policy does not give yet.
    fn beyond(self, policy: &Policy, rules: &[&Rule], space: &Space, solver: &Solver) -> Self {
        let mut missing = Self {
            unfed: self.unfed,
            ..Self::default()
        };
        for rule in rules {
            rule.for_each_condition(&mut |condition| {
                space.for_each_kind(condition, solver, &mut |known, kind| {
                    let decision = kind.probe.decide(policy);
                    let level = needed(condition, known, &kind, solver);
                    if let [only] = kind.stages.as_slice()
                        && policy.omit_stages.contains(*only)
                    {
                        missing.stages.insert(*only);
                    }
                    let Target::Resource {
                        group,
                        resource,
                        subresource,
                        ..
                    } = &kind.probe.target
                    else {
                        return;
                    };
                    let resource = (group.clone(), resource.clone(), subresource.clone());
                    if decision.level < level && !is_credential(&resource) {
                        let need = missing
                            .bodies
                            .entry(resource)
                            .or_default()
                            .entry(kind.probe.verb.clone());
                        let need = need.or_insert((level, BTreeSet::new()));
                        need.0 = need.0.max(level);
                        need.1.insert(rule.name.to_string());
                    }
                });
            });
        }
        missing
    }

    fn head(&self) -> String {
        let mut omitted = StageSet::default();
        if !self.stages.contains(&PolicyStage::RequestReceived) {
            omitted = omitted.with(PolicyStage::RequestReceived);
        }
        let omitted: Vec<&str> = omitted.iter().map(PolicyStage::as_str).collect();
        let mut text = String::from("apiVersion: audit.k8s.io/v1\nkind: Policy\n");
        if !omitted.is_empty() {
            text.push_str(
                "# It tells only when a request came in; the other stages tell that as well.\n",
            );
            let _ = writeln!(text, "omitStages: [{}]", omitted.join(", "));
        }
        text.push_str("# No rule reads who owns which field of an object, and it is the larger part of many bodies.\nomitManagedFields: true\nrules:\n");
        text
    }

    /// Moves what is needed of every resource, custom ones included, out of the needs of single ones.
    fn take_generic(&mut self) -> BTreeMap<Box<str>, Need> {
        let generic = self.bodies.remove(&any_resource()).unwrap_or_default();
        for verbs in self.bodies.values_mut() {
            verbs.retain(|verb, (level, _)| {
                generic.get(verb).is_none_or(|(least, _)| *least < *level)
            });
        }
        self.bodies.retain(|_, verbs| !verbs.is_empty());
        generic
    }

    /// Rules for what is needed: one for each level and set of verbs.
    fn drafts(&self) -> Vec<Draft> {
        let mut drafts: BTreeMap<(PolicyLevel, Vec<Box<str>>), Draft> = BTreeMap::new();
        for (resource, verbs) in &self.bodies {
            for level in [
                PolicyLevel::Metadata,
                PolicyLevel::Request,
                PolicyLevel::RequestResponse,
            ] {
                let of_level = verbs.iter().filter(|(_, (needed, _))| *needed == level);
                let (names, why): (Vec<Box<str>>, Vec<&BTreeSet<String>>) =
                    of_level.map(|(verb, (_, why))| (verb.clone(), why)).unzip();
                if names.is_empty() {
                    continue;
                }
                let draft = drafts
                    .entry((level, names.clone()))
                    .or_insert_with(|| Draft {
                        level,
                        verbs: names,
                        resources: Vec::new(),
                        why: BTreeSet::new(),
                    });
                draft.resources.push(resource.clone());
                draft.why.extend(why.into_iter().flatten().cloned());
            }
        }
        drafts.into_values().collect()
    }
}

/// The level that the rule needs to fire on this kind of request as it would with all bodies recorded.
fn needed(
    condition: &Condition,
    known: &Known<'_>,
    kind: &Kind<'_>,
    solver: &Solver,
) -> PolicyLevel {
    let stages = kind.stages.iter();
    let levels = stages.map(|stage| solver.level(condition, &known.at(*stage)));
    levels.max().unwrap_or(PolicyLevel::Metadata)
}

fn is_credential(resource: &Resource) -> bool {
    let (group, name, subresource) = resource;
    CREDENTIALS.contains(&(&**group, &**name, &**subresource))
}

/// What stands for every resource that nobody names.
fn any_resource() -> Resource {
    ("probe.example.com".into(), "probes".into(), "".into())
}

/// Rules for bodies of everything that comes by.
fn write_generic(generic: &BTreeMap<Box<str>, Need>, text: &mut String) {
    let mut by_level: BTreeMap<PolicyLevel, (Vec<Box<str>>, BTreeSet<String>)> = BTreeMap::new();
    for (verb, (level, why)) in generic {
        let (verbs, all) = by_level.entry(*level).or_default();
        verbs.push(verb.clone());
        all.extend(why.iter().cloned());
    }
    for (level, (verbs, why)) in by_level {
        write_why(&why, text);
        let _ = writeln!(text, "- level: {level}\n  verbs: [{}]", verbs.join(", "));
    }
}

fn write_credentials(text: &mut String) {
    text.push_str("# Their bodies are credentials: never more than Metadata, whatever stands below.\n- level: Metadata\n  resources:\n");
    let resources: Vec<Resource> = CREDENTIALS
        .map(|(group, name, sub)| (group.into(), name.into(), sub.into()))
        .to_vec();
    write_resources(&resources, text);
}

impl Draft {
    fn write(&self, text: &mut String) {
        write_why(&self.why, text);
        let _ = writeln!(
            text,
            "- level: {}\n  verbs: [{}]\n  resources:",
            self.level,
            self.verbs.join(", ")
        );
        write_resources(&self.resources, text);
    }
}

/// The rules that a rule of the policy is for.
fn write_why(why: &BTreeSet<String>, text: &mut String) {
    const NAMED: usize = 4;
    let named: Vec<&str> = why.iter().take(NAMED).map(String::as_str).collect();
    let more = why.len().saturating_sub(NAMED);
    let more = if more > 0 {
        format!(" and {more} more")
    } else {
        String::new()
    };
    let _ = writeln!(text, "# For {}{more}.", named.join(", "));
}

fn write_resources(resources: &[Resource], text: &mut String) {
    let mut by_group: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for (group, name, subresource) in resources {
        let slash = if subresource.is_empty() { "" } else { "/" };
        by_group
            .entry(group)
            .or_default()
            .push(format!("{name}{slash}{subresource}"));
    }
    for (group, names) in by_group {
        let _ = writeln!(
            text,
            "  - {{group: \"{group}\", resources: [{}]}}",
            names.join(", ")
        );
    }
}

impl Noise {
    /// Whether some rule could fire on it.
    fn feeds(&self, rules: &[&Rule], solver: &Solver) -> bool {
        let target = Target::Resource {
            group: self.group.as_str().into(),
            resource: self.resource.as_str().into(),
            subresource: self.subresource.as_str().into(),
            namespace: "".into(),
            name: "".into(),
        };
        let known = Known {
            target: Some(&target),
            verb: Some(&self.verb),
            level: Some(PolicyLevel::RequestResponse),
            ..Known::default()
        };
        let mut feeds = false;
        for rule in rules {
            rule.for_each_condition(&mut |condition| {
                feeds |= solver.answer(condition, &known) != Answer::False
            });
        }
        feeds
    }

    fn write(&self, text: &mut String) {
        let slash = if self.subresource.is_empty() { "" } else { "/" };
        let _ = writeln!(
            text,
            "# {:.1} % of the events of the log, and no rule could fire on them.",
            self.share * 100.0
        );
        let _ = writeln!(
            text,
            "- level: None\n  users: [\"{}\"]\n  verbs: [{}]\n  resources:\n  - {{group: \"{}\", resources: [{}{slash}{}]}}",
            self.user.escape_default(),
            self.verb,
            self.group,
            self.resource,
            self.subresource
        );
    }
}
