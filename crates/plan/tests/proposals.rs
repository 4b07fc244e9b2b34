//! What is proposed feeds the rules, and nothing in it is superfluous.

mod support;

use std::collections::BTreeSet;

use kubevigil_audit::policy::{Policy, PolicyFile, PolicyLevel};
use kubevigil_diagnostics::Severity;
use kubevigil_plan::KubernetesVersion;
use kubevigil_plan::check::check;
use kubevigil_plan::coverage::{Verdict, coverage};
use kubevigil_plan::known::Solver;
use kubevigil_plan::merge::merge;
use kubevigil_plan::need::Space;
use kubevigil_plan::probe::{Probe, RESOURCE_VERBS, USER_CLASSES, resource_targets};
use kubevigil_plan::recommend::{Noise, Recommendation, recommend};
use kubevigil_rules::Rule;
use proptest::prelude::*;
use proptest::sample::subsequence;
use support::{load, rule_texts};

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn a_proposed_policy_feeds_every_rule_and_says_so_when_it_must_not(texts in rule_texts(), noisy in any::<bool>()) {
        let loaded = load(&texts);
        let rules: Vec<&Rule> = loaded.iter().map(AsRef::as_ref).collect();
        let noise = if noisy { noise() } else { Vec::new() };
        let proposed = recommend(&rules, &noise, &Solver::default());
        let file = PolicyFile::read("proposed.yaml", &proposed.text);
        prop_assert!(file.is_valid(), "{:?}\n{}", file.diagnostics, proposed.text);
        let findings = grave(&file);
        prop_assert!(findings.is_empty(), "{findings:?}\n{}", proposed.text);
        let hungry = hungry(&rules, &proposed, file.policy.as_ref().unwrap());
        prop_assert!(hungry.is_empty(), "{hungry:?}\n{}\n{texts:?}", proposed.text);
    }

    #[test]
    fn without_any_of_its_rules_a_proposed_policy_is_worse(texts in rule_texts(), noisy in any::<bool>()) {
        let loaded = load(&texts);
        let rules: Vec<&Rule> = loaded.iter().map(AsRef::as_ref).collect();
        let noise = if noisy { noise() } else { Vec::new() };
        let proposed = recommend(&rules, &noise, &Solver::default());
        let policy = PolicyFile::read("proposed.yaml", &proposed.text).policy.unwrap();
        for number in 0..policy.rules.len() - 1 {
            let mut less = policy.clone();
            less.rules.remove(number);
            let is_worse = gaps(&rules, &less) > gaps(&rules, &policy) || records_more(&less, &policy);
            prop_assert!(is_worse, "rules[{number}] is superfluous in\n{}\n{texts:?}", proposed.text);
        }
        // The last rule is the ground: what it alone records, no rule may ask for today.
        prop_assert_eq!(policy.rules.last().unwrap().level, Some(PolicyLevel::Metadata));
    }

    #[test]
    fn a_merged_policy_feeds_every_rule_and_merging_again_adds_nothing(texts in rule_texts(), own in own_rules()) {
        let loaded = load(&texts);
        let rules: Vec<&Rule> = loaded.iter().map(AsRef::as_ref).collect();
        let text = format!("# Ours.\napiVersion: audit.k8s.io/v1\nkind: Policy\nrules:\n{}", own.join(""));
        let before = PolicyFile::read("policy.yaml", &text);
        let solver = Solver::default();
        let merged = merge(&before, &rules, &solver).unwrap();
        let file = PolicyFile::read("policy.yaml", &merged.text);
        prop_assert!(file.is_valid(), "{:?}\n{}", file.diagnostics, merged.text);
        let lines: BTreeSet<&str> = merged.text.lines().collect();
        prop_assert!(text.lines().all(|line| lines.contains(line)));
        let hungry = hungry(&rules, &merged, file.policy.as_ref().unwrap());
        prop_assert!(hungry.is_empty(), "{hungry:?}\n{}\n{texts:?}", merged.text);
        let again = merge(&file, &rules, &solver).unwrap();
        prop_assert_eq!(again.text, merged.text);
    }
}

/// Rules that people write.
fn own_rules() -> impl Strategy<Value = Vec<&'static str>> {
    const OWN: &[&str] = &[
        "# Quiet.\n- level: None\n  users: [\"system:kube-proxy\"]\n  verbs: [watch]\n",
        "- level: None\n  userGroups: [\"system:nodes\"]\n  verbs: [get]\n",
        "- level: None\n  namespaces: [kube-system]\n",
        "- level: RequestResponse\n  resources:\n  - {group: \"\", resources: [pods]}\n",
        "- level: Metadata\n  omitStages: [ResponseComplete]\n  resources:\n  - {group: \"\", resources: [configmaps, \"pods/*\"]}\n",
        "- level: None\n  nonResourceURLs: [\"/healthz*\", \"/version\"]\n",
        "-\n  # The dash stands alone.\n  level: None\n  resources:\n  - {group: apps}\n",
        "- level: Metadata\n",
        "- level: None\n",
    ];
    subsequence(OWN, 1..=4)
}

fn noise() -> Vec<Noise> {
    let noise = |user: &str, verb: &str, group: &str, resource: &str| Noise {
        user: user.to_owned(),
        verb: verb.to_owned(),
        group: group.to_owned(),
        resource: resource.to_owned(),
        share: 0.25,
        ..Noise::default()
    };
    vec![
        noise(
            "system:kube-scheduler",
            "update",
            "coordination.k8s.io",
            "leases",
        ),
        noise("system:node:a", "get", "", "pods"),
        noise("odd \"name\"\n", "list", "", "configmaps"),
    ]
}

fn grave(file: &PolicyFile) -> Vec<String> {
    let findings = check(file, KubernetesVersion::DEFAULT).into_iter();
    let grave = findings.filter(|finding| finding.severity > Severity::Info);
    grave
        .map(|finding| format!("{} {}", finding.code, finding.message))
        .collect()
}

/// Rules that cannot fire on everything although nothing was said of them.
fn hungry(rules: &[&Rule], proposed: &Recommendation, policy: &Policy) -> Vec<String> {
    let told: BTreeSet<&str> = proposed
        .unfed
        .iter()
        .map(|(rule, _)| rule.as_str())
        .collect();
    let space = Space::new(rules.iter().copied(), policy);
    let solver = Solver::default();
    let untold = rules.iter().filter(|rule| !told.contains(&*rule.name));
    let covered = untold.map(|rule| (rule, coverage(rule, policy, &space, &solver)));
    let hungry = covered
        .filter(|(_, coverage)| matches!(coverage.verdict, Verdict::Part | Verdict::Nothing));
    hungry
        .map(|(rule, coverage)| format!("{}: {:?}", rule.name, coverage.gaps))
        .collect()
}

/// On how many kinds of requests rules cannot fire.
fn gaps(rules: &[&Rule], policy: &Policy) -> usize {
    let space = Space::new(rules.iter().copied(), policy);
    let solver = Solver::default();
    let found = rules
        .iter()
        .flat_map(|rule| coverage(rule, policy, &space, &solver).gaps);
    found.map(|gap| gap.kinds).sum()
}

/// Whether some request is recorded at a higher level.
fn records_more(less: &Policy, policy: &Policy) -> bool {
    let mut classes = USER_CLASSES.to_vec();
    let names: Vec<String> = policy
        .rules
        .iter()
        .flat_map(|rule| &rule.users)
        .map(ToString::to_string)
        .collect();
    classes.extend(names.iter().map(|name| kubevigil_plan::probe::UserClass {
        label: name,
        name: Some(name),
        groups: &["system:authenticated"],
    }));
    resource_targets().any(|(resource, subresource)| {
        RESOURCE_VERBS.iter().any(|verb| {
            classes.iter().any(|class| {
                let probe = Probe::resource(class, verb, resource, subresource);
                probe.decide(less).level > probe.decide(policy).level
            })
        })
    })
}
