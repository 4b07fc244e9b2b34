//! Which requests a rule can fire on, and at which level.
//!
//! Values are filled in one after another, the most telling first, and whatever the condition rules out is not looked at further. What
//! is left is every kind of request on which the rule may fire: kinds, because a value that neither rule nor policy names stands for all
//! others like it.

use std::collections::BTreeSet;

use kubevigil_audit::policy::{Policy, PolicyLevel, PolicyStage};
use kubevigil_rules::json_test::{JsonPredicate, Subject};
use kubevigil_rules::{Condition, Expr, Needle, Predicate, Rule};

use crate::known::{Answer, Known, Solver};
use crate::probe::{
    NAME, NAMESPACE, Probe, RESOURCE_VERBS, Target, USER_CLASSES, UserClass, resource_targets,
};

/// A kind of request.
#[derive(Clone, Debug)]
pub struct Kind<'s> {
    /// The request.
    pub probe: Probe,
    /// Who asks, in words.
    pub user: UserClass<'s>,
    /// The stages at which the rule may fire; one of them recorded is enough.
    pub stages: Vec<PolicyStage>,
}

/// Everything that rules and a policy tell apart.
#[derive(Debug)]
pub struct Space {
    targets: Vec<Target>,
    namespaces: Vec<Box<str>>,
    users: Vec<(Box<str>, Vec<Box<str>>)>,
}

impl Space {
    /// What these rules and this policy tell apart.
    pub fn new<'r>(rules: impl IntoIterator<Item = &'r Rule>, policy: &Policy) -> Self {
        let mut named = Named::default();
        for rule in rules {
            rule.for_each_condition(&mut |condition| named.condition(condition));
        }
        for rule in &policy.rules {
            named.namespaces.extend(rule.namespaces.iter().cloned());
            named.users.extend(rule.users.iter().cloned());
            named.groups.extend(rule.user_groups.iter().cloned());
        }
        named.space()
    }

    /// The kinds of users: those of every cluster and those that the policy names.
    pub fn users(&self) -> Vec<(UserClass<'_>, Vec<&str>)> {
        let own = self.users.iter().map(|(name, groups)| {
            let groups: Vec<&str> = groups.iter().map(AsRef::as_ref).collect();
            (
                UserClass {
                    label: name,
                    name: Some(name),
                    groups: &[],
                },
                groups,
            )
        });
        let common = USER_CLASSES
            .iter()
            .map(|class| (*class, class.groups.to_vec()));
        common.chain(own).collect()
    }

    /// Calls `visit` with every kind of request on which the condition may hold when all bodies are recorded, and with what is known of it
    /// but the stage.
    pub fn for_each_kind(
        &self,
        condition: &Condition,
        solver: &Solver,
        visit: &mut dyn FnMut(&Known<'_>, Kind<'_>),
    ) {
        let users = self.users();
        let known = Known {
            level: Some(PolicyLevel::RequestResponse),
            ..Known::default()
        };
        let possible = |known: &Known<'_>| solver.answer(condition, known) != Answer::False;
        for target in &self.targets {
            let known = Known {
                target: Some(target),
                ..known.clone()
            };
            if !possible(&known) {
                continue;
            }
            for verb in verbs(target) {
                let known = Known {
                    verb: Some(verb),
                    ..known.clone()
                };
                if !possible(&known) {
                    continue;
                }
                for namespace in self.namespaces_of(target, verb) {
                    let known = Known {
                        namespace: Some(namespace),
                        ..known.clone()
                    };
                    for (class, groups) in &users {
                        let class = UserClass { groups, ..*class };
                        let known = Known {
                            user: Some(&class),
                            ..known.clone()
                        };
                        let at = |stage: &PolicyStage| known.at(*stage);
                        let stages: Vec<PolicyStage> = stages(target, verb)
                            .iter()
                            .copied()
                            .filter(|stage| possible(&at(stage)))
                            .collect();
                        if !stages.is_empty() {
                            let probe = probe(target, verb, namespace, &class);
                            let kind = Kind {
                                probe,
                                user: class,
                                stages,
                            };
                            visit(&known, kind);
                        }
                    }
                }
            }
        }
    }

    fn namespaces_of<'s>(&'s self, target: &Target, verb: &str) -> Vec<&'s str> {
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
        let all = self.namespaces.iter().map(AsRef::as_ref);
        all.filter(|namespace: &&str| spanning || !namespace.is_empty())
            .collect()
    }
}

fn probe(target: &Target, verb: &str, namespace: &str, class: &UserClass<'_>) -> Probe {
    let mut target = target.clone();
    if let Target::Resource {
        namespace: of_target,
        name,
        subresource,
        ..
    } = &mut target
    {
        *of_target = namespace.into();
        let nameless = matches!(verb, "list" | "watch" | "create" | "deletecollection")
            && subresource.is_empty();
        *name = if nameless { "" } else { NAME }.into();
    }
    Probe {
        user: class.user(),
        verb: verb.into(),
        target,
    }
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
    const LONG: [&str; 5] = ["attach", "exec", "proxy", "log", "portforward"];
    use PolicyStage::{RequestReceived, ResponseComplete, ResponseStarted};
    let is_long = matches!(verb, "watch" | "proxy")
        || matches!(target, Target::Resource { subresource, .. } if LONG.contains(&&**subresource));
    if is_long {
        &[RequestReceived, ResponseStarted, ResponseComplete]
    } else {
        &[RequestReceived, ResponseComplete]
    }
}

/// Values that somebody names.
#[derive(Default)]
struct Named {
    resources: BTreeSet<Box<str>>,
    groups_of_resources: BTreeSet<Box<str>>,
    subresources: BTreeSet<Box<str>>,
    namespaces: BTreeSet<Box<str>>,
    users: BTreeSet<Box<str>>,
    groups: BTreeSet<Box<str>>,
}

impl Named {
    fn condition(&mut self, condition: &Condition) {
        match condition {
            Condition::All(parts) | Condition::Any(parts) | Condition::ExactlyOne(parts) => {
                parts.iter().for_each(|part| self.condition(part));
            }
            Condition::Not(part) => self.condition(part),
            Condition::Json(test) => {
                if let (Subject::Lookup(lookup), JsonPredicate::OneOf(texts, _)) =
                    (&test.subject, &test.predicate)
                {
                    self.texts(&lookup.name, texts.iter().cloned());
                }
            }
            Condition::Test(test) => {
                if let Expr::Field(field) = &test.subject {
                    self.texts(&field.name, constants(&test.predicate));
                }
            }
            Condition::Elements(_) => {}
        }
    }

    fn texts(&mut self, field: &str, texts: impl IntoIterator<Item = Box<str>>) {
        let set = match field {
            "objectRef.resource" | "resource" | "ka.target.resource" => &mut self.resources,
            "objectRef.apiGroup" | "apiGroup" => &mut self.groups_of_resources,
            "objectRef.subresource" | "subresource" | "ka.target.subresource" => {
                &mut self.subresources
            }
            "objectRef.namespace" | "namespace" | "ka.target.namespace" => &mut self.namespaces,
            _ => return,
        };
        set.extend(texts);
    }

    fn space(mut self) -> Space {
        self.namespaces
            .extend(["", NAMESPACE, "kube-system"].map(Box::from));
        let mut targets: Vec<Target> = resource_targets()
            .map(|(resource, subresource)| target(resource.group, resource.name, subresource))
            .collect();
        for name in &self.resources {
            if crate::resources::of_name(name).next().is_none() && !name.is_empty() {
                let groups = self
                    .groups_of_resources
                    .iter()
                    .filter(|group| !crate::resources::is_group(group));
                targets.extend(groups.map(|group| target(group, name, "")));
                targets.push(target("probe.example.com", name, ""));
            }
        }
        targets.push(target("probe.example.com", "probes", ""));
        targets.push(Target::Path("/probe-path".into()));
        let with_groups = |name: Box<str>| {
            let (name, groups) = crate::kubectl::user(&name, Vec::new());
            (name, groups)
        };
        let mut users: Vec<_> = self.users.into_iter().map(with_groups).collect();
        let of_group = |group: Box<str>| {
            (
                format!("a member of {group}").into_boxed_str(),
                vec![group, "system:authenticated".into()],
            )
        };
        users.extend(
            self.groups
                .into_iter()
                .filter(|group| !group.starts_with("system:"))
                .map(of_group),
        );
        Space {
            targets,
            namespaces: self.namespaces.into_iter().collect(),
            users,
        }
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

fn constants(predicate: &Predicate) -> Vec<Box<str>> {
    match predicate {
        Predicate::OneOf(texts) => texts.iter().map(|text| text.to_string().into()).collect(),
        Predicate::Compare(_, Needle::Text(text)) => vec![text.to_string().into()],
        _ => Vec::new(),
    }
}
