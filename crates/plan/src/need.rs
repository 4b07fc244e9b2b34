//! Which requests a rule can fire on, and at which level.
//!
//! Values are filled in one after another, the most telling first, and whatever the condition rules out is not looked at further. What
//! is left is every kind of request on which the rule may fire: kinds, because a value that neither rule nor policy names stands for all
//! others like it.

use std::collections::BTreeSet;
use std::rc::Rc;

use kubevigil_audit::policy::{
    Attributes, Decision, Policy, PolicyLevel, PolicyStage, StageSet, User,
};
use kubevigil_audit::request_info::LONG_RUNNING_SUBRESOURCES;
use kubevigil_rules::json_test::{JsonPredicate, Subject};
use kubevigil_rules::pattern::{Pattern, Token};
use kubevigil_rules::{Condition, Expr, Needle, Predicate, Rule};

use crate::known::{Answer, Known, KnownUser, Solver};
use crate::probe::{NAME, NAMESPACE, RESOURCE_VERBS, Target, USER_CLASSES, resource_targets};
use crate::rest::{Rest, Values};

/// A kind of request.
#[derive(Debug)]
pub struct Kind<'k> {
    /// What is asked for.
    pub target: &'k Target,
    /// The verb.
    pub verb: &'k str,
    /// The namespace; empty for none.
    pub namespace: &'k str,
    /// Who asks.
    pub user: &'k KnownUser,
    /// The stages at which the rule may fire, and what is left of its condition there; one of them recorded is enough.
    pub stages: Vec<(PolicyStage, Rc<Rest<'k>>)>,
}

/// Everything that rules and a policy tell apart.
#[derive(Debug)]
pub struct Space {
    targets: Vec<Target>,
    /// Those that the policy names, and three that stand for the others.
    namespaces: BTreeSet<Box<str>>,
    users: Vec<KnownUser>,
}

impl Kind<'_> {
    /// What the policy does with it.
    pub fn decide(&self, policy: &Policy) -> Decision {
        let groups = &self.user.groups;
        let user = self.user.name.as_deref();
        let blank = Attributes {
            user: user.map(|name| User { name, groups }),
            verb: self.verb,
            ..Attributes::default()
        };
        policy.decide(&match self.target {
            Target::Path(path) => Attributes { path, ..blank },
            Target::Resource {
                group,
                resource,
                subresource,
                ..
            } => Attributes {
                is_resource_request: true,
                namespace: self.namespace,
                api_group: group,
                resource,
                subresource,
                name: self.name(subresource),
                ..blank
            },
        })
    }

    /// The level that the rule needs to fire as it would with all bodies recorded, when these stages leave no event.
    pub fn level(&self, omitted: StageSet) -> PolicyLevel {
        let all = self.stages.iter();
        let left = all.clone().filter(|(stage, _)| !omitted.contains(*stage));
        let least = left.map(|(_, rest)| rest.level()).min();
        // With none left it is the stages that are missing.
        let least = least.or_else(|| all.map(|(_, rest)| rest.level()).min());
        least.unwrap_or(PolicyLevel::Metadata)
    }

    fn name(&self, subresource: &str) -> &'static str {
        let is_nameless = matches!(self.verb, "list" | "watch" | "create" | "deletecollection")
            && subresource.is_empty();
        if is_nameless { "" } else { NAME }
    }
}

impl Space {
    /// What these rules and this policy tell apart.
    pub fn new<'r>(rules: impl IntoIterator<Item = &'r Rule>, policy: &Policy) -> Self {
        let mut named = Named::default();
        for rule in rules {
            rule.for_each_condition(&mut |condition| named.condition(condition));
        }
        let mut namespaces = BTreeSet::from(["", NAMESPACE, "kube-system"].map(Box::from));
        for rule in &policy.rules {
            namespaces.extend(rule.namespaces.iter().cloned());
        }
        Self {
            targets: named.targets(),
            namespaces,
            users: users(policy),
        }
    }

    /// Calls `visit` with every kind of request on which the condition may hold when all bodies are recorded, and with what is known of it
    /// but the stage.
    pub fn for_each_kind(
        &self,
        condition: &Condition,
        solver: &Solver,
        visit: &mut dyn FnMut(&Known<'_>, Kind<'_>),
    ) {
        let mut named = Named::default();
        named.condition(condition);
        let mut namespaces = self.namespaces.clone();
        namespaces.append(&mut named.namespaces);
        let whole = solver.rest(condition);
        for target in &self.targets {
            let known = Known {
                target: Some(target),
                level: Some(PolicyLevel::RequestResponse),
                ..Known::default()
            };
            let rest = solver.narrow(&whole, &known, Values::TARGET.and(Values::BODIES));
            if rest.answer() == Answer::False {
                continue;
            }
            for verb in verbs(target) {
                let known = Known {
                    verb: Some(verb),
                    ..known.clone()
                };
                let rest = solver.narrow(&rest, &known, Values::VERB);
                let stages = stages(target, verb).iter();
                let stages: Vec<_> = stages
                    .map(|&stage| {
                        (
                            stage,
                            solver.narrow(
                                &rest,
                                &known.at(stage),
                                Values::STAGE.and(Values::BODIES),
                            ),
                        )
                    })
                    .collect();
                self.for_each_asker(solver, &namespaces, &known, &stages, visit);
            }
        }
    }

    /// Goes through namespaces and users of one verb on one target.
    fn for_each_asker(
        &self,
        solver: &Solver,
        namespaces: &BTreeSet<Box<str>>,
        known: &Known<'_>,
        stages: &[(PolicyStage, Rc<Rest<'_>>)],
        visit: &mut dyn FnMut(&Known<'_>, Kind<'_>),
    ) {
        let (Some(target), Some(verb)) = (known.target, known.verb) else {
            return;
        };
        let narrow = |stages: &[(PolicyStage, _)], known: &Known<'_>, new: Values| {
            let stages = stages.iter().map(|(stage, rest)| {
                let rest: Rc<Rest<'_>> = solver.narrow(rest, &known.at(*stage), new);
                (*stage, rest)
            });
            let possible = stages.filter(|(_, rest)| rest.answer() != Answer::False);
            possible.collect::<Vec<_>>()
        };
        for namespace in namespaces_of(namespaces, target, verb) {
            let known = Known {
                namespace: Some(namespace),
                ..known.clone()
            };
            let stages = narrow(stages, &known, Values::NAMESPACE);
            if stages.is_empty() {
                continue;
            }
            for user in &self.users {
                let known = Known {
                    user: Some(user),
                    ..known.clone()
                };
                let stages = narrow(&stages, &known, Values::USER.and(Values::USER_NAME));
                if !stages.is_empty() {
                    let kind = Kind {
                        target,
                        verb,
                        namespace,
                        user,
                        stages,
                    };
                    visit(&known, kind);
                }
            }
        }
    }
}

fn namespaces_of<'s>(
    namespaces: &'s BTreeSet<Box<str>>,
    target: &Target,
    verb: &str,
) -> Vec<&'s str> {
    let Target::Resource {
        group, resource, ..
    } = target
    else {
        return vec![""];
    };
    let namespaced =
        crate::resources::find(group, resource).is_none_or(|resource| resource.namespaced);
    if !namespaced {
        return vec![""];
    }
    let spanning = matches!(verb, "list" | "watch" | "deletecollection");
    let all = namespaces.iter().map(AsRef::as_ref);
    all.filter(|namespace: &&str| spanning || !namespace.is_empty())
        .collect()
}

/// The kinds of users: those of every cluster and those that the policy names.
fn users(policy: &Policy) -> Vec<KnownUser> {
    let common = USER_CLASSES.iter().map(|class| KnownUser {
        label: class.label.into(),
        name: class.name.map(Box::from),
        groups: class.groups.iter().map(|&group| group.into()).collect(),
        is_exact: matches!(class.name, None | Some("system:anonymous")),
    });
    let mut users: Vec<KnownUser> = common.collect();
    let rules = policy.rules.iter();
    let names: BTreeSet<&Box<str>> = rules.clone().flat_map(|rule| &rule.users).collect();
    users.extend(names.into_iter().map(|name| KnownUser {
        label: name.clone(),
        name: Some(name.clone()),
        groups: crate::identity::user(name, Vec::new()).1,
        is_exact: true,
    }));
    let groups: BTreeSet<&Box<str>> = rules.flat_map(|rule| &rule.user_groups).collect();
    let own = groups
        .into_iter()
        .filter(|group| !group.starts_with("system:"));
    users.extend(own.map(|group| KnownUser {
        label: format!("a member of {group}").into(),
        name: Some("probe-member".into()),
        groups: vec![group.clone(), "system:authenticated".into()],
        is_exact: false,
    }));
    users
}

fn verbs(target: &Target) -> &'static [&'static str] {
    match target {
        Target::Path(_) => &["get", "post"],
        Target::Resource { subresource, .. } => match &**subresource {
            // A collection has no subresources.
            "" => &RESOURCE_VERBS,
            _ => &["get", "create", "update", "patch", "delete"],
        },
    }
}

/// The stages at which such a request has events; panics are left out, since nobody asks for them.
fn stages(target: &Target, verb: &str) -> &'static [PolicyStage] {
    use PolicyStage::{RequestReceived, ResponseComplete, ResponseStarted};
    let is_long = matches!(verb, "watch" | "proxy")
        || matches!(target, Target::Resource { subresource, .. } if LONG_RUNNING_SUBRESOURCES.contains(&&**subresource));
    if is_long {
        &[RequestReceived, ResponseStarted, ResponseComplete]
    } else {
        &[RequestReceived, ResponseComplete]
    }
}

/// Values that rules name.
#[derive(Default)]
struct Named {
    resources: BTreeSet<Box<str>>,
    groups: BTreeSet<Box<str>>,
    namespaces: BTreeSet<Box<str>>,
}

impl Named {
    fn condition(&mut self, condition: &Condition) {
        match condition {
            Condition::All(parts) | Condition::Any(parts) | Condition::ExactlyOne(parts) => {
                parts.iter().for_each(|part| self.condition(part));
            }
            Condition::Not(part) => self.condition(part),
            Condition::Json(test) => {
                if let Subject::Lookup(lookup) = &test.subject {
                    self.texts(&lookup.name, json_samples(&test.predicate));
                }
            }
            Condition::Test(test) => {
                if let Expr::Field(field) = &test.subject {
                    self.texts(&field.name, samples(&test.predicate));
                }
            }
            Condition::Elements(_) => {}
        }
    }

    fn texts(&mut self, field: &str, texts: Vec<Box<str>>) {
        let set = match field {
            "objectRef.resource" | "ka.target.resource" => &mut self.resources,
            "objectRef.apiGroup" => &mut self.groups,
            "objectRef.namespace" | "ka.target.namespace" => &mut self.namespaces,
            _ => return,
        };
        set.extend(texts.into_iter().filter(|text| !text.is_empty()));
    }

    fn targets(&self) -> Vec<Target> {
        let mut targets: Vec<Target> = resource_targets()
            .map(|(resource, subresource)| target(resource.group, resource.name, subresource))
            .collect();
        for name in &self.resources {
            if crate::resources::of_name(name).next().is_none() {
                let groups = self
                    .groups
                    .iter()
                    .filter(|group| !crate::resources::is_group(group));
                targets.extend(groups.map(|group| target(group, name, "")));
                targets.push(target("probe.example.com", name, ""));
            }
        }
        targets.push(target("probe.example.com", "probes", ""));
        targets.push(Target::Path("/probe-path".into()));
        targets
    }
}

fn target(group: &str, resource: &str, subresource: &str) -> Target {
    Target::Resource {
        group: group.into(),
        resource: resource.into(),
        subresource: subresource.into(),
        namespace: "".into(),
        name: "".into(),
    }
}

/// Texts that satisfy a test, one for each way to do so.
fn json_samples(predicate: &JsonPredicate) -> Vec<Box<str>> {
    match predicate {
        JsonPredicate::OneOf(texts, _) => texts.clone(),
        JsonPredicate::Like(patterns, _) => patterns.iter().map(sample).collect(),
        _ => Vec::new(),
    }
}

fn samples(predicate: &Predicate) -> Vec<Box<str>> {
    match predicate {
        Predicate::OneOf(texts) => texts.iter().map(|text| text.to_string().into()).collect(),
        Predicate::Compare(_, Needle::Text(text))
        | Predicate::Contains(Needle::Text(text), _)
        | Predicate::StartsWith(Needle::Text(text), _)
        | Predicate::EndsWith(Needle::Text(text), _) => vec![text.to_string().into()],
        Predicate::Glob(text, _) => vec![text.to_string().replace(['*', '?'], "x").into()],
        _ => Vec::new(),
    }
}

/// A text that matches; of what may be anything as little as possible.
fn sample(pattern: &Pattern) -> Box<str> {
    let characters = pattern.0.iter().map(|token| match token {
        Token::Char(character) => *character,
        Token::One | Token::Many => 'x',
    });
    characters.collect::<String>().into()
}
