//! The default rules against the requests beside them.
//!
//! A folder under `detections/<tactic>/` holds `rule.yaml` and requests, one file each, with the events that were recorded
//! of it. Where the file lies says what must happen:
//!
//! - `fires/`: the first rule of `rule.yaml` alerts exactly once, its second rule never;
//! - `refused/`: the second rule alerts exactly once, the first never;
//! - `quiet/`: none of the folder's rules alerts.
//!
//! Exactly once, because a request leaves an event a stage, and people want one alert of it.

#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use kubevigil_detect::{Matcher, Position, RuleMatching, Scratch};
use kubevigil_rules::Rule;
use kubevigil_rules::falco::{Loaded, Loader, Options};

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");

#[test]
fn the_default_rules_load_without_a_mistake() {
    let loaded = load();
    assert!(loaded.successful(), "{:#?}", loaded.files);
    assert!(
        loaded
            .rules
            .iter()
            .all(|rule| rule.enabled && &*rule.source == "k8s_audit")
    );
    // As in Falco, whatever only a later file uses is first reported as unused; nothing else may be amiss.
    let warnings: Vec<_> = loaded
        .files
        .iter()
        .flat_map(|file| &file.diagnostics)
        .filter(|diagnostic| !matches!(diagnostic.code, "LOAD_UNUSED_MACRO" | "LOAD_UNUSED_LIST"))
        .collect();
    assert!(warnings.is_empty(), "{warnings:#?}");
}

#[test]
fn every_list_and_macro_is_used() {
    let loaded = load();
    let macros = loaded
        .macros
        .iter()
        .filter(|one| !one.used)
        .map(|one| &one.name);
    let lists = loaded
        .lists
        .iter()
        .filter(|one| !one.used)
        .map(|one| &one.name);
    let unused: Vec<_> = macros.chain(lists).collect();
    assert!(unused.is_empty(), "no rule uses {unused:?}");
}

#[test]
fn every_rule_does_what_the_requests_beside_it_say() {
    let detector = Detector::new();
    let mut failures = Vec::new();
    for folder in folders() {
        let rules = detector.rules_of(&folder);
        for (expectation, file) in requests(&folder) {
            failures.extend(detector.failures(&rules, expectation, &file));
        }
    }
    assert!(
        failures.is_empty(),
        "{} failures:\n{}\n",
        failures.len(),
        failures.join("\n")
    );
}

#[test]
fn every_rule_has_requests_that_raise_it_and_requests_that_do_not() {
    let detector = Detector::new();
    let mut missing = Vec::new();
    for folder in folders() {
        let at_least = match detector.rules_of(&folder).len() {
            2 => [
                (Expectation::Fires, 2),
                (Expectation::Refused, 1),
                (Expectation::Quiet, 3),
            ],
            _ => [
                (Expectation::Fires, 2),
                (Expectation::Refused, 0),
                (Expectation::Quiet, 3),
            ],
        };
        for (expectation, least) in at_least {
            let count = requests(&folder)
                .filter(|(kind, _)| *kind == expectation)
                .count();
            if count < least || (least == 0 && count > 0) {
                missing.push(format!(
                    "{}: {count} requests in {expectation:?}, not {least}",
                    name_of(&folder)
                ));
            }
        }
    }
    assert!(missing.is_empty(), "{}", missing.join("\n"));
}

#[test]
fn a_request_in_the_wrong_folder_is_noticed() {
    let detector = Detector::new();
    let folder = Path::new(ROOT).join("detections/execution/exec-into-a-pod");
    let rules = detector.rules_of(&folder);
    let attach = folder.join("fires/attach.jsonl");
    assert_eq!(
        detector.failures(&rules, Expectation::Fires, &attach),
        Vec::<String>::new()
    );
    assert_eq!(
        detector.failures(&rules, Expectation::Quiet, &attach),
        [
            "detections/execution/exec-into-a-pod/fires/attach.jsonl:1: rule `Exec into a pod` should not have fired"
        ]
    );
    assert_eq!(
        detector
            .failures(&rules, Expectation::Refused, &attach)
            .len(),
        2
    );
}

#[test]
fn every_rule_is_explained_in_the_same_way() {
    let page = fs::read_to_string(Path::new(ROOT).join("docs/detections.md")).unwrap();
    for rule in &load().rules {
        let has = |start: &str| rule.tags.iter().any(|tag| tag.starts_with(start));
        assert!(
            has("attack.t") && has("ms.ta") && has("mitre_"),
            "{}: tags {:?}",
            rule.name,
            rule.tags
        );
        assert!(
            page.contains(&format!("| {} |", rule.name)),
            "docs/detections.md has no line for {}",
            rule.name
        );
    }
    let headings = [
        "What it does",
        "Why it matters",
        "False positives",
        "Tuning",
        "Misses",
        "ATT&CK",
        "Audit level",
    ];
    for folder in folders() {
        let text = fs::read_to_string(folder.join("rule.yaml")).unwrap();
        for heading in headings {
            assert!(
                text.contains(&format!("# {heading}:")),
                "{}: no heading `{heading}`",
                name_of(&folder)
            );
        }
    }
}

#[test]
fn the_examples_of_tuning_work() {
    let page = fs::read_to_string(Path::new(ROOT).join("docs/detections.md")).unwrap();
    let (_, rest) = page.split_once("```yaml\n").unwrap();
    let (example, _) = rest.split_once("```").unwrap();
    let loaded = load_with(&[("my.yaml", example)]);
    assert!(loaded.successful(), "{:#?}", loaded.files);
    let of_name = |name: &str| {
        loaded
            .rules
            .iter()
            .find(|rule| &*rule.name == name)
            .unwrap()
    };
    assert!(!of_name("Anonymous access denied").enabled);
    let exec = &of_name("Exec into a pod").condition_text;
    assert!(exec.contains("system:serviceaccount:ci:deployer"), "{exec}");
    let secrets = &of_name("Secrets read across the cluster").condition_text;
    assert!(
        secrets.contains("system:serviceaccount:vault:vault"),
        "{secrets}"
    );
}

#[test]
fn ordinary_work_of_a_genuine_cluster_stays_quiet() {
    let recorded = Path::new(ROOT).join("../shared/data/recorded");
    if !recorded.is_dir() {
        eprintln!("skipped: no recordings beside the checkout");
        return;
    }
    let detector = Detector::new();
    for scenario in [
        "startup",
        "shutdown",
        "00-setup",
        "01-admin-crud",
        "12-enumeration",
        "14-watches",
    ] {
        for policy in ["docs-policy", "everything"] {
            let file = recorded.join(policy).join(format!("{scenario}.jsonl"));
            let alerts = if file.exists() {
                detector.alerts(&file)
            } else {
                Vec::new()
            };
            for (line, rule) in alerts {
                // A person wants to know that rights were given out and the policy keeps no record of them.
                let wanted = &*rule.name == "RBAC changed, content not recorded";
                assert!(
                    wanted,
                    "{}:{line}: `{}` on ordinary work",
                    file.display(),
                    rule.name
                );
            }
        }
    }
}

/// All default rules, compiled together as `scan` and `run` do.
struct Detector {
    matcher: Matcher,
}

/// What must happen on a request.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Expectation {
    Fires,
    Refused,
    Quiet,
}

impl Detector {
    fn new() -> Self {
        Self {
            matcher: Matcher::compile(&load().rules, RuleMatching::All).unwrap(),
        }
    }

    /// The rules that a folder's `rule.yaml` defines, in its order.
    fn rules_of(&self, folder: &Path) -> Vec<Arc<Rule>> {
        let file = name_of(&folder.join("rule.yaml"));
        let rules = self
            .matcher
            .rules()
            .iter()
            .filter(|rule| *rule.origin.file == *file);
        let rules: Vec<_> = rules.cloned().collect();
        assert!(
            (1..=2).contains(&rules.len()),
            "{file}: {} rules, not one or two",
            rules.len()
        );
        rules
    }

    /// Line and rule of each alert on a file with an event a line.
    fn alerts(&self, file: &Path) -> Vec<(usize, Arc<Rule>)> {
        let text = fs::read(file).unwrap();
        let mut scratch = Scratch::default();
        let mut alerts = Vec::new();
        for (line, event) in (1..).zip(text.split(|byte| *byte == b'\n')) {
            if event.is_empty() {
                continue;
            }
            match self
                .matcher
                .detect(event, &Position::default(), &mut scratch)
            {
                Ok(found) => alerts.extend(
                    found
                        .list
                        .into_iter()
                        .map(|detection| (line, detection.rule)),
                ),
                Err(error) => panic!("{}:{line}: {error}", file.display()),
            }
        }
        alerts
    }

    /// What a person reads when rules do something else than a request's folder says.
    fn failures(&self, rules: &[Arc<Rule>], expectation: Expectation, file: &Path) -> Vec<String> {
        let alerts = self.alerts(file);
        let judge = |(index, rule): (usize, &Arc<Rule>)| {
            let of_rule = alerts.iter().filter(|(_, found)| found.name == rule.name);
            let lines: Vec<usize> = of_rule.map(|(line, _)| *line).collect();
            let (place, name) = (name_of(file), &rule.name);
            match (expectation.rule() == Some(index), lines.as_slice()) {
                (true, [_]) | (false, []) => None,
                (true, []) => Some(format!("{place}: rule `{name}` should have fired")),
                (true, _) => Some(format!(
                    "{place}: rule `{name}` should have fired once, not on lines {lines:?}"
                )),
                (false, [line, ..]) => Some(format!(
                    "{place}:{line}: rule `{name}` should not have fired"
                )),
            }
        };
        rules.iter().enumerate().filter_map(judge).collect()
    }
}

impl Expectation {
    fn folder(self) -> &'static str {
        match self {
            Self::Fires => "fires",
            Self::Refused => "refused",
            Self::Quiet => "quiet",
        }
    }

    /// Which rule of the folder must fire.
    fn rule(self) -> Option<usize> {
        match self {
            Self::Fires => Some(0),
            Self::Refused => Some(1),
            Self::Quiet => None,
        }
    }
}

/// All rule files in the order of their paths, which puts the shared macros first.
fn load() -> Loaded {
    load_with(&[])
}

/// The default rules, and then a user's files: name and text.
fn load_with(more: &[(&str, &str)]) -> Loaded {
    let shared = Path::new(ROOT).join("detections/00-shared.yaml");
    let rules = folders().into_iter().map(|folder| folder.join("rule.yaml"));
    let files: BTreeSet<PathBuf> = rules.chain([shared]).collect();
    let mut loader = Loader::new(Options::default());
    for file in &files {
        loader.load_file(&name_of(file), &fs::read_to_string(file).unwrap());
    }
    for (name, text) in more {
        loader.load_file(name, text);
    }
    loader.finish()
}

/// `detections/<tactic>/<rule>`, sorted.
fn folders() -> Vec<PathBuf> {
    let tactics = entries(&Path::new(ROOT).join("detections"));
    let tactics = tactics.into_iter().filter(|path| path.is_dir());
    tactics.flat_map(|tactic| entries(&tactic)).collect()
}

/// The requests of a folder, each with what must happen on it.
fn requests(folder: &Path) -> impl Iterator<Item = (Expectation, PathBuf)> {
    let kinds = [Expectation::Fires, Expectation::Refused, Expectation::Quiet];
    kinds.into_iter().flat_map(|kind| {
        let files = entries(&folder.join(kind.folder())).into_iter();
        files.map(move |file| (kind, file))
    })
}

/// What a folder holds, sorted; nothing if there is no such folder.
fn entries(folder: &Path) -> Vec<PathBuf> {
    let found = fs::read_dir(folder).into_iter().flatten();
    let mut paths: Vec<_> = found.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths
}

/// A path below the repository's root, as messages show it.
fn name_of(path: &Path) -> String {
    path.strip_prefix(ROOT)
        .unwrap_or(path)
        .display()
        .to_string()
}
