//! Rules that no request reaches, beside trying all requests of a small world.

#![expect(clippy::unwrap_used, reason = "tests")]

use kubevigil_audit::policy::{Policy, PolicyFile};
use kubevigil_plan::probe::{Probe, RESOURCE_VERBS, Target};
use kubevigil_plan::reach::unreachable;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_rule_is_unreachable_when_no_request_of_a_small_world_reaches_it(rules in prop::collection::vec(rule(), 1..6)) {
        let text = format!("apiVersion: audit.k8s.io/v1\nkind: Policy\nrules:\n{}", rules.join(""));
        let policy = PolicyFile::read("policy.yaml", &text).policy.unwrap();
        let world = world();
        let found: Vec<usize> = unreachable(&policy).into_iter().map(|found| found.rule).collect();
        let tried: Vec<usize> = (0..policy.rules.len()).filter(|rule| never_decides(&policy, *rule, &world)).collect();
        prop_assert_eq!(found, tried, "{}", text);
    }
}

/// Whether requests match the rule, and earlier ones take all of them.
fn never_decides(policy: &Policy, number: usize, world: &[Probe]) -> bool {
    let rule = policy.rules.get(number).unwrap();
    let mut matching = world
        .iter()
        .filter(|probe| rule.mismatch(&probe.attributes()).is_none())
        .peekable();
    matching.peek().is_some()
        && matching.all(|probe| probe.decide(policy).matched_rule != Some(number))
}

fn rule() -> impl Strategy<Value = String> {
    let users = list("users", &["u", "v"]);
    let groups = list("userGroups", &["g", "h"]);
    let verbs = list("verbs", &["get", "create"]);
    let namespaces = list("namespaces", &["a", "\"\""]);
    let entries = prop_oneof![
        2 => Just(String::new()),
        3 => subsequence(ENTRIES, 1..3).prop_map(|entries| format!("  resources: [{}]\n", entries.join(", "))),
    ];
    let urls = list("nonResourceURLs", &["\"*\"", "/p*", "/p/*", "/p"]);
    (
        select(vec![0, 0, 1, 2]),
        users,
        groups,
        verbs,
        namespaces,
        entries,
        urls,
    )
        .prop_map(|(kind, users, groups, verbs, namespaces, entries, urls)| {
            let selectors = match kind {
                0 => format!("{entries}{namespaces}"),
                1 => urls,
                _ => String::new(),
            };
            format!("- level: Metadata\n{users}{groups}{verbs}{selectors}")
        })
}

const ENTRIES: &[&str] = &[
    "{group: \"\"}",
    "{group: \"\", resources: [pods]}",
    "{group: \"\", resources: [pods/log]}",
    "{group: \"\", resources: [\"pods/*\"]}",
    "{group: \"*\", resources: [\"*/log\"]}",
    "{group: \"*\", resources: [\"*\"]}",
    "{group: \"\", resources: [pods], resourceNames: [n]}",
    "{group: \"\", resources: [\"*/*\"]}",
];

/// A selector, more often than not left out.
fn list(key: &'static str, values: &'static [&'static str]) -> impl Strategy<Value = String> {
    prop_oneof![
        2 => Just(String::new()),
        1 => subsequence(values, 1..=2).prop_map(move |values| format!("  {key}: [{}]\n", values.join(", "))),
    ]
}

/// Every request over the values that the rules name, and one more of each.
fn world() -> Vec<Probe> {
    let mut targets: Vec<Target> = ["/p", "/p/x", "/px", "/other"]
        .map(|path| Target::Path(path.into()))
        .to_vec();
    for group in ["", "other"] {
        for resource in ["pods", "other"] {
            for subresource in ["", "log", "other"] {
                for namespace in ["", "a", "other"] {
                    for name in ["", "n", "other"] {
                        targets.push(Target::Resource {
                            group: group.into(),
                            resource: resource.into(),
                            subresource: subresource.into(),
                            namespace: namespace.into(),
                            name: name.into(),
                        });
                    }
                }
            }
        }
    }
    let mut users = vec![None];
    for name in ["u", "v", "other"] {
        for groups in [vec![], vec!["g"], vec!["h"], vec!["g", "h"]] {
            let groups: Vec<Box<str>> = groups.into_iter().map(Box::from).collect();
            users.push(Some((Box::from(name), groups)));
        }
    }
    let mut world = Vec::new();
    for target in &targets {
        let verbs = match target {
            Target::Path(_) => &[
                "get", "head", "post", "put", "patch", "delete", "options", "create",
            ][..],
            Target::Resource { .. } => &RESOURCE_VERBS[..],
        };
        for verb in verbs {
            world.extend(users.iter().map(|user| Probe {
                user: user.clone(),
                verb: (*verb).into(),
                target: target.clone(),
            }));
        }
    }
    world
}
