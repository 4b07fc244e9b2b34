//! Recordings of a genuine cluster, at work and under attack: what the default rules find in them.
//!
//! `docs/detections.md` shows it as a table; `UPDATE_DOCS=1 cargo test -p kubevigil --test cli` writes it anew where the recordings are
//! at hand.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::sync::LazyLock;

use serde_json::Value;

use crate::detections::text;
use crate::detections_page::{replace_part, write_or_compare};
use crate::kubevigil::{json_lines, run, shared};

/// Scenarios without an attack.
const ORDINARY: [&str; 5] = [
    "startup",
    "shutdown",
    "00-setup",
    "01-admin-crud",
    "14-watches",
];
/// Priorities up to Sigma's `medium`, the most urgent last.
const CALM: [&str; 4] = ["Debug", "Informational", "Notice", "Warning"];
/// What is more urgent and rightly found in ordinary work. The node of the recordings is registered with kubectl and the node's own
/// certificate, which is what an intruder on a node would do.
const ARGUED: [(&str, &str); 1] = [("00-setup", "Node identity in the hands of a tool")];

#[test]
fn ordinary_work_of_a_genuine_cluster_raises_nothing_urgent() {
    let mut urgent = Vec::new();
    for (scenario, alerts) in FOUND.iter() {
        let name = scenario.rsplit('/').next().unwrap();
        if !ORDINARY.contains(&name) {
            continue;
        }
        let wrong = alerts.iter().filter(|((priority, rule), _)| {
            !CALM.contains(&priority.as_str()) && !ARGUED.contains(&(name, rule))
        });
        urgent.extend(wrong.map(|(alert, count)| format!("{scenario}: {alert:?} {count}")));
    }
    assert!(urgent.is_empty(), "{urgent:#?}");
}

#[test]
fn every_recorded_attack_is_found_and_the_page_says_by_which_rules() {
    if FOUND.is_empty() {
        return;
    }
    let mut table = "| recorded scenario | policy | alerts |\n|---|---|---|\n".to_owned();
    for (scenario, alerts) in FOUND.iter() {
        let (policy, name) = scenario.split_once('/').unwrap();
        assert!(
            ORDINARY.contains(&name) || !alerts.is_empty(),
            "{scenario} went unnoticed"
        );
        let mut sorted: Vec<_> = alerts.iter().collect();
        sorted.sort_by_key(|((priority, rule), _)| (urgency(priority), rule.clone()));
        let found: Vec<String> = sorted
            .into_iter()
            .map(|((_, rule), count)| {
                if *count == 1 {
                    rule.clone()
                } else {
                    format!("{rule} ×{count}")
                }
            })
            .collect();
        let found = if found.is_empty() {
            "none".to_owned()
        } else {
            found.join(" · ")
        };
        writeln!(table, "| {name} | {policy} | {found} |").unwrap();
    }
    let path = Path::new(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../docs/detections.md"
    ));
    let page = fs::read_to_string(path).unwrap();
    write_or_compare(path, &replace_part(&page, "recordings", &table));
}

/// Priority and rule, and how many alerts there are.
type Alerts = BTreeMap<(String, String), usize>;

/// What is found in each recording under the standard profile, in the order of the scenarios. Empty without recordings.
static FOUND: LazyLock<Vec<(String, Alerts)>> = LazyLock::new(|| {
    let Some(recorded) = shared("data/recorded") else {
        return Vec::new();
    };
    let mut found: Vec<(String, Alerts)> = std::thread::scope(|scope| {
        let policies = ["docs-policy", "everything"]
            .map(|policy| (policy, recorded.join(policy)))
            .map(|(policy, folder)| scope.spawn(move || scan_all(policy, &folder)));
        let found = policies.map(|scan| scan.join().unwrap());
        found.into_iter().flatten().collect()
    });
    found.sort_by_key(|(scenario, _)| {
        let (policy, name) = scenario.split_once('/').unwrap();
        (name.to_owned(), policy.to_owned())
    });
    found
});

fn scan_all(policy: &str, folder: &Path) -> Vec<(String, Alerts)> {
    let files = fs::read_dir(folder).unwrap();
    let scan = |file: &Path| {
        let outcome = run(["scan", "--format", "json", file.to_str().unwrap()], b"");
        let mut alerts = Alerts::new();
        for alert in json_lines(&outcome.stdout) {
            *alerts.entry(key(&alert)).or_default() += 1;
        }
        let scenario = file.file_stem().unwrap().to_str().unwrap();
        (format!("{policy}/{scenario}"), alerts)
    };
    files.map(|file| scan(&file.unwrap().path())).collect()
}

fn key(alert: &Value) -> (String, String) {
    (
        text(alert, "priority").to_owned(),
        text(alert, "rule").to_owned(),
    )
}

/// 0 for what is most urgent.
fn urgency(priority: &str) -> usize {
    let words = ["Critical", "Error", "Warning", "Notice", "Informational"];
    words.iter().position(|word| *word == priority).unwrap()
}
