//! The smallest policy that feeds a set of rules.
//!
//! What each rule needs follows from its condition ([`crate::need`]). Metadata of everything is the ground, since nobody knows what an
//! investigation will ask; bodies are recorded only where a rule reads them; what nobody needs and a log shows to be noise is
//! dropped. Secrets and tokens never rise above Metadata: a rule that would need their bodies is reported instead.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use kubevigil_audit::policy::{Policy, PolicyLevel, PolicyStage, StageSet};
use kubevigil_rules::Rule;

use crate::coverage::target_text;
use crate::known::{Answer, Known, KnownUser, Solver};
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
const CREDENTIALS: [(&str, &str, &str); 5] = [
    ("", "secrets", ""),
    ("", "serviceaccounts", "token"),
    ("authentication.k8s.io", "tokenreviews", ""),
    ("oauth.openshift.io", "oauthaccesstokens", ""),
    ("oauth.openshift.io", "oauthauthorizetokens", ""),
];

pub(crate) const CATCH_ALL: &str =
    "# Everything else: who, what, when and the outcome.\n- level: Metadata\n";

/// A resource: group, plural, subresource.
pub(crate) type Resource = (Box<str>, Box<str>, Box<str>);

/// A level, and the rules that need it.
pub(crate) type Need = (PolicyLevel, BTreeSet<String>);

/// What rules need of resources above Metadata.
#[derive(Default)]
pub(crate) struct Needs {
    /// The level for each resource and verb, and the rules that need it.
    pub(crate) bodies: BTreeMap<Resource, BTreeMap<Box<str>, Need>>,
    /// Stages without which some rule cannot fire.
    pub(crate) stages: BTreeSet<PolicyStage>,
    pub(crate) unfed: BTreeSet<(String, String)>,
}

/// A rule of the proposal under construction.
pub(crate) struct Draft {
    level: PolicyLevel,
    verbs: Vec<Box<str>>,
    resources: Vec<Resource>,
    why: BTreeSet<String>,
}

/// The policy for these rules. `noise` is dropped where no rule could fire on it.
pub fn recommend(rules: &[&Rule], noise: &[Noise], solver: &Solver) -> Recommendation {
    let space = Space::new(rules.iter().copied(), &Policy::default());
    let mut needs = Needs::of(rules, &space, solver);
    let generic = needs.take_generic(|_, _| true);
    let dropped: Vec<&Noise> = noise
        .iter()
        .filter(|noise| !noise.feeds(rules, solver))
        .collect();
    let mut text = needs.head();
    for noise in &dropped {
        noise.write(&mut text);
    }
    for draft in needs.drafts() {
        draft.write(&mut text);
    }
    write_generic(&generic, &mut text);
    text.push_str(CATCH_ALL);
    Recommendation {
        text,
        unfed: needs.unfed,
        missing_stages: BTreeSet::new(),
    }
}

impl Needs {
    pub(crate) fn of(rules: &[&Rule], space: &Space, solver: &Solver) -> Self {
        let mut needs = Self::default();
        let for_each_kind = |visit: &mut dyn FnMut(&Rule, Kind<'_>)| {
            for rule in rules {
                rule.for_each_condition(&mut |condition| {
                    space.for_each_kind(condition, solver, &mut |_, kind| visit(rule, kind));
                });
            }
        };
        for_each_kind(&mut |_, kind| {
            if let [(only, _)] = kind.stages.as_slice() {
                needs.stages.insert(*only);
            }
        });
        let omitted = needs.omitted();
        for_each_kind(&mut |rule, kind| needs.add(rule, &kind, omitted));
        needs
    }

    /// Stages that nobody needs.
    fn omitted(&self) -> StageSet {
        let received = PolicyStage::RequestReceived;
        let is_needed = self.stages.contains(&received);
        Some(received).filter(|_| !is_needed).into_iter().collect()
    }

    fn add(&mut self, rule: &Rule, kind: &Kind<'_>, omitted: StageSet) {
        let level = kind.level(omitted);
        let Some(resource) = resource(kind.target).filter(|_| level > PolicyLevel::Metadata) else {
            return;
        };
        let most = most(&resource);
        if level > most {
            self.unfed
                .insert((rule.name.to_string(), target_text(kind.target)));
        } else {
            self.need(rule, resource, kind.verb, level);
        }
    }

    pub(crate) fn need(&mut self, rule: &Rule, resource: Resource, verb: &str, level: PolicyLevel) {
        let need = self.bodies.entry(resource).or_default();
        let need = need.entry(verb.into()).or_default();
        need.0 = need.0.max(level);
        if !need.1.contains(&*rule.name) {
            need.1.insert(rule.name.to_string());
        }
    }

    fn head(&self) -> String {
        let omitted: Vec<&str> = self.omitted().iter().map(PolicyStage::as_str).collect();
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

    /// Moves what is needed of every resource, custom ones included, out of the needs of single ones that such a rule would reach.
    pub(crate) fn take_generic(
        &mut self,
        reaches: impl Fn(&Resource, &str) -> bool,
    ) -> BTreeMap<Box<str>, Need> {
        let generic = self.bodies.remove(&any_resource()).unwrap_or_default();
        for (resource, verbs) in &mut self.bodies {
            verbs.retain(|verb, (level, _)| {
                let is_given = generic.get(verb).is_some_and(|(given, _)| given >= level);
                !is_given || !reaches(resource, verb)
            });
        }
        self.bodies.retain(|_, verbs| !verbs.is_empty());
        generic
    }

    /// Rules for what is needed: one for each level and set of verbs.
    pub(crate) fn drafts(&self) -> Vec<Draft> {
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

/// The resource of a target, if it has one.
pub(crate) fn resource(target: &Target) -> Option<Resource> {
    match target {
        Target::Path(_) => None,
        Target::Resource {
            group,
            resource,
            subresource,
            ..
        } => Some((group.clone(), resource.clone(), subresource.clone())),
    }
}

pub(crate) fn is_credential(resource: &Resource) -> bool {
    let (group, name, subresource) = resource;
    CREDENTIALS.contains(&(&**group, &**name, &**subresource))
}

/// The highest level at which a resource may be recorded. Answers about ConfigMaps dump what many people keep passwords in; what is
/// written to one is what rules look for credentials in.
pub(crate) fn most(resource: &Resource) -> PolicyLevel {
    match resource {
        credential if is_credential(credential) => PolicyLevel::Metadata,
        (group, name, _) if group.is_empty() && &**name == "configmaps" => PolicyLevel::Request,
        _ => PolicyLevel::RequestResponse,
    }
}

/// What stands for every resource that nobody names.
pub(crate) fn any_resource() -> Resource {
    ("probe.example.com".into(), "probes".into(), "".into())
}

/// Rules for bodies of everything that comes by, and before them those that keep credentials out.
pub(crate) fn write_generic(generic: &BTreeMap<Box<str>, Need>, text: &mut String) {
    let highest = generic.values().map(|(level, _)| *level).max();
    if highest > Some(PolicyLevel::Metadata) {
        write_credentials(text);
    }
    if highest == Some(PolicyLevel::RequestResponse) {
        let mut verbs = generic.iter();
        let mut verbs_of = |level: PolicyLevel| -> Vec<&str> {
            let of_level = verbs.by_ref().filter(|(_, (needed, _))| *needed >= level);
            of_level.map(|(verb, _)| &**verb).collect()
        };
        let verbs = verbs_of(PolicyLevel::RequestResponse).join(", ");
        let _ = writeln!(
            text,
            "# Answers about them hold what many keep passwords in.\n- level: Request\n  verbs: [{verbs}]\n  resources:\n  - {{group: \"\", resources: [configmaps]}}"
        );
    }
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
    text.push_str("# Their bodies are credentials: never more than Metadata, although the next rules record bodies.\n- level: Metadata\n  resources:\n");
    let resources: Vec<Resource> = CREDENTIALS
        .map(|(group, name, sub)| (group.into(), name.into(), sub.into()))
        .to_vec();
    write_resources(&resources, text);
}

impl Draft {
    pub(crate) fn write(&self, text: &mut String) {
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
pub(crate) fn write_why(why: &BTreeSet<String>, text: &mut String) {
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
        let (name, groups) = crate::identity::user(&self.user, Vec::new());
        let user = KnownUser {
            label: name.clone(),
            name: Some(name),
            groups,
            is_exact: true,
        };
        let known = Known {
            target: Some(&target),
            verb: Some(&self.verb),
            user: Some(&user),
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
