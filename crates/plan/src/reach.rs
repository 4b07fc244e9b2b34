//! Which rules of a policy can decide anything at all.
//!
//! For each rule the requests that are hardest to take away from it are made up: where the rule names values, those; where it does not,
//! a value that no rule names, or, for verbs, each that there is. When earlier rules take all of them, no request reaches the
//! rule. Selectors compare texts, so this is exact for everything but verbs of paths that nobody uses.

use kubevigil_audit::policy::{GroupResources, Policy, PolicyRule};

use crate::probe::{NAME, NAMESPACE, Probe, RESOURCE_VERBS, Target};

/// A rule that no request reaches, and the earlier rules that take its requests.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Unreachable {
    /// The rule, counted from 0.
    pub rule: usize,
    /// The rules that take its requests, in order.
    pub shadowed_by: Vec<usize>,
}

/// Methods of requests outside the resources, as verbs.
const METHODS: [&str; 7] = ["get", "head", "post", "put", "patch", "delete", "options"];

/// A rule with many values of each selector is looked at with this many of them together; the rest would be more of the same.
const MAX_PROBES: usize = 200_000;

/// The rules that no request reaches.
pub fn unreachable(policy: &Policy) -> Vec<Unreachable> {
    let rules = policy.rules.iter().enumerate();
    rules
        .filter_map(|(number, rule)| shadow(policy, number, rule))
        .collect()
}

fn shadow(policy: &Policy, number: usize, rule: &PolicyRule) -> Option<Unreachable> {
    let mut shadowed_by = Vec::new();
    for probe in requests(rule) {
        let matched = probe.decide(policy).matched_rule?;
        if matched >= number {
            return None;
        }
        if !shadowed_by.contains(&matched) {
            shadowed_by.push(matched);
        }
    }
    shadowed_by.sort_unstable();
    (!shadowed_by.is_empty()).then_some(Unreachable {
        rule: number,
        shadowed_by,
    })
}

/// The requests of a rule that are hardest to take away from it. None for a rule that matches nothing, such as one of a resource `pod*`.
pub fn requests(rule: &PolicyRule) -> impl Iterator<Item = Probe> + '_ {
    let users = users(rule);
    let targets = targets(rule);
    let combined = users.into_iter().flat_map(move |user| {
        let targets = targets.clone();
        targets.into_iter().flat_map(move |target| {
            let user = user.clone();
            verbs(rule, &target).into_iter().map(move |verb| Probe {
                user: user.clone(),
                verb,
                target: target.clone(),
            })
        })
    });
    combined
        .take(MAX_PROBES)
        .filter(|probe| rule.mismatch(&probe.attributes()).is_none())
}

type ProbeUser = Option<(Box<str>, Vec<Box<str>>)>;

/// Users with as few groups as the rule admits: fewer groups match fewer earlier rules.
fn users(rule: &PolicyRule) -> Vec<ProbeUser> {
    if rule.users.is_empty() && rule.user_groups.is_empty() {
        return vec![None, Some(("probe-user".into(), Vec::new()))];
    }
    let names: Vec<Box<str>> = match rule.users.as_slice() {
        [] => vec!["probe-user".into()],
        names => names.to_vec(),
    };
    let groups: Vec<Vec<Box<str>>> = match rule.user_groups.as_slice() {
        [] => vec![Vec::new()],
        groups => groups.iter().map(|group| vec![group.clone()]).collect(),
    };
    let pairs = names.iter().flat_map(|name| {
        groups
            .iter()
            .map(move |groups| Some((name.clone(), groups.clone())))
    });
    pairs.collect()
}

fn verbs(rule: &PolicyRule, target: &Target) -> Vec<Box<str>> {
    match (rule.verbs.as_slice(), target) {
        ([], Target::Path(_)) => METHODS.map(Box::from).to_vec(),
        ([], Target::Resource { .. }) => RESOURCE_VERBS.map(Box::from).to_vec(),
        (verbs, _) => verbs.to_vec(),
    }
}

fn targets(rule: &PolicyRule) -> Vec<Target> {
    let about_resources = !rule.resources.is_empty() || !rule.namespaces.is_empty();
    let about_paths = !rule.non_resource_urls.is_empty();
    let mut targets = Vec::new();
    if about_resources || !about_paths {
        let any = [GroupResources {
            group: "*".into(),
            ..GroupResources::default()
        }];
        let entries = if rule.resources.is_empty() {
            &any[..]
        } else {
            &rule.resources
        };
        entries
            .iter()
            .for_each(|entry| resource_targets(rule, entry, &mut targets));
    }
    if !about_resources {
        let any = [Box::from("*")];
        let urls = if about_paths {
            &rule.non_resource_urls
        } else {
            &any[..]
        };
        let path = |url: &str| match url.strip_suffix('*') {
            Some("") => Target::Path("/~probe-path".into()),
            Some(prefix) => Target::Path(format!("{prefix}~probe-path").into()),
            None => Target::Path(url.into()),
        };
        targets.extend(urls.iter().map(|url| path(url)));
    }
    targets
}

fn resource_targets(rule: &PolicyRule, entry: &GroupResources, targets: &mut Vec<Target>) {
    let group = if &*entry.group == "*" {
        "probe.example.com"
    } else {
        &entry.group
    };
    let any = [Box::from("*")];
    let patterns = if entry.resources.is_empty() {
        &any[..]
    } else {
        &entry.resources
    };
    let other_name = [Box::from(NAME), Box::from("")];
    let names = if entry.resource_names.is_empty() {
        &other_name[..]
    } else {
        &entry.resource_names
    };
    let other_namespace = [Box::from(NAMESPACE), Box::from("")];
    let namespaces = if rule.namespaces.is_empty() {
        &other_namespace[..]
    } else {
        &rule.namespaces
    };
    for pattern in patterns {
        for (resource, subresource) in instances(pattern) {
            for name in names {
                for namespace in namespaces {
                    targets.push(Target::Resource {
                        group: group.into(),
                        resource: resource.clone(),
                        subresource: subresource.clone(),
                        namespace: namespace.clone(),
                        name: name.clone(),
                    });
                }
            }
        }
    }
}

/// Resources and subresources that a pattern means, the ones that nobody else names where it leaves a choice.
fn instances(pattern: &str) -> Vec<(Box<str>, Box<str>)> {
    let (resource, subresource) = pattern.split_once('/').unwrap_or((pattern, ""));
    let resource: Box<str> = if resource == "*" {
        "probes".into()
    } else {
        resource.into()
    };
    match (pattern, subresource) {
        ("*", _) => vec![(resource.clone(), "".into()), (resource, "probe".into())],
        (_, "*") => vec![(resource.clone(), "".into()), (resource, "probe".into())],
        (_, subresource) => vec![(resource, subresource.into())],
    }
}

#[cfg(test)]
mod tests {
    use kubevigil_audit::policy::PolicyFile;

    use super::*;

    fn shadows(rules: &str) -> Vec<(usize, Vec<usize>)> {
        let text = format!("apiVersion: audit.k8s.io/v1\nkind: Policy\nrules: [{rules}]\n");
        let policy = PolicyFile::read("policy.yaml", &text).policy.unwrap();
        let shadows = unreachable(&policy).into_iter();
        shadows
            .map(|found| (found.rule, found.shadowed_by))
            .collect()
    }

    #[test]
    fn a_rule_behind_one_that_takes_all_its_requests_is_unreachable() {
        for (rules, expected) in [
            ("{level: None}, {level: Metadata}", vec![(1, vec![0])]),
            ("{level: None, verbs: [get]}, {level: Metadata}", vec![]),
            (
                "{level: None, resources: [{resources: ['*']}]}, {level: Metadata, resources: [{resources: [pods/log]}]}",
                vec![(1, vec![0])],
            ),
            (
                "{level: None, resources: [{resources: [pods]}]}, {level: Metadata, resources: [{resources: [pods/log]}]}",
                vec![],
            ),
            (
                "{level: None, resources: [{resources: ['pods/*']}]}, {level: Metadata, resources: [{resources: [pods]}]}",
                vec![(1, vec![0])],
            ),
            (
                "{level: None, namespaces: [a]}, {level: None, namespaces: [b]}, {level: Metadata, namespaces: [a, b]}",
                vec![(2, vec![0, 1])],
            ),
            (
                "{level: None, userGroups: [g]}, {level: Metadata, users: [u]}",
                vec![],
            ),
            (
                "{level: None, users: [u]}, {level: Metadata, users: [u], userGroups: [g]}",
                vec![(1, vec![0])],
            ),
            (
                "{level: None, nonResourceURLs: ['/a*']}, {level: Metadata, nonResourceURLs: ['/ab', '/a/*']}",
                vec![(1, vec![0])],
            ),
            (
                "{level: None, nonResourceURLs: ['*']}, {level: None, resources: [{group: '*'}]}, {level: Metadata}",
                vec![(2, vec![0, 1])],
            ),
            (
                "{level: None, verbs: [get, list, watch]}, {level: None, verbs: [create, update, patch, delete, deletecollection, proxy]}, {level: Metadata, resources: [{resources: [pods]}]}",
                vec![(2, vec![0, 1])],
            ),
        ] {
            assert_eq!(shadows(rules), expected, "{rules}");
        }
    }
}
