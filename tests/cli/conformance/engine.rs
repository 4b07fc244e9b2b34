//! The tests of Falco's own suite for audit events: one recorded request or a few, and the rules that must see them.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::FALCO_RULES;
use crate::kubevigil::{json_lines, run, shared};

/// Rules in the words of an early engine, which the vectors name without giving their text.
const OLD_RULES: &str = "K8SAuditEngineV4K8SAuditRules";

#[test]
fn the_tests_of_falcos_suite_give_what_falco_gave() {
    let Some(vectors) = shared("vectors/falco-cases.json") else {
        return;
    };
    if shared(FALCO_RULES).is_none() {
        return;
    }
    let vectors: Value = serde_json::from_slice(&fs::read(vectors).unwrap()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let tests = vectors["engine_tests"].as_array().unwrap();
    assert_eq!(tests.len(), 66);
    let (replayed, without_rules): (Vec<_>, Vec<_>) = tests
        .iter()
        .partition(|test| has_all_rules(test, &vectors["rule_files"]));
    eprintln!(
        "{} tests are skipped: the vectors lack the text of {OLD_RULES}",
        without_rules.len()
    );
    assert_eq!((replayed.len(), without_rules.len()), (59, 7));
    let mut failures = Vec::new();
    for test in replayed {
        for matching in ["first", "all"] {
            if let Err(reason) = replay(test, matching, &vectors["rule_files"], folder.path()) {
                failures.push(format!("{}, {matching}: {reason}", test["test"]));
            }
        }
    }
    assert!(
        failures.is_empty(),
        "{} failed:\n{}",
        failures.len(),
        failures.join("\n")
    );
}

/// Whether every rule file of a test can be had. System call rules never match audit events: Falco was observed without them.
fn has_all_rules(test: &Value, texts: &Value) -> bool {
    let names = test["rules"].as_array().unwrap();
    names
        .iter()
        .all(|name| *name != OLD_RULES || texts.get(OLD_RULES).is_some())
}

fn replay(test: &Value, matching: &str, rule_texts: &Value, folder: &Path) -> Result<(), String> {
    let trace = test["trace"].as_str().unwrap().rsplit('/').next().unwrap();
    let trace = shared(&format!("data/falco/{trace}")).ok_or("its trace is missing")?;
    let rules = rule_files(test, rule_texts, folder);
    let mut arguments = vec![
        "scan",
        "--format",
        "falco",
        "--no-default-rules",
        "--rule-matching",
        matching,
    ];
    for file in &rules {
        arguments.extend(["--rules", file.to_str().unwrap()]);
    }
    arguments.push(trace.to_str().unwrap());
    let outcome = run(&arguments, b"");
    let loads = test["asserted"]["load_succeeds"].as_bool().unwrap();
    same(
        &format!("whether the rules load ({})", outcome.stderr),
        &(outcome.code == 0),
        &loads,
    )?;
    let alerts = json_lines(&outcome.stdout);
    let observed = test[format!("observed_rule_matching_{matching}")]
        .as_array()
        .unwrap();
    let seen = |list: &[Value]| {
        list.iter()
            .map(|alert| seen(alert, matching))
            .collect::<Vec<_>>()
    };
    same("the alerts", &seen(&alerts), &seen(observed))?;
    match matching {
        "first" => Ok(()),
        _ => asserted(&test["asserted"], &alerts),
    }
}

/// The part of an alert that the vectors hold: of runs that report every rule, the names alone.
fn seen(alert: &Value, matching: &str) -> Value {
    match matching {
        "first" => json!([alert["rule"], alert["priority"], alert["output"]]),
        _ => alert["rule"].clone(),
    }
}

/// What the suite itself demands of a run that reports every rule.
fn asserted(asserted: &Value, alerts: &[Value]) -> Result<(), String> {
    for demand in asserted["rule_counts"].as_array().unwrap() {
        let count = alerts
            .iter()
            .filter(|alert| alert["rule"] == demand["rule"])
            .count() as u64;
        same(
            &format!("the alerts of {}", demand["rule"]),
            &count,
            &demand["count"].as_u64().unwrap(),
        )?;
    }
    let silent = asserted["no_detection_at_all"].as_bool().unwrap();
    if silent && !alerts.is_empty() {
        Err("nothing may be found".to_owned())
    } else {
        Ok(())
    }
}

/// The rule files of a test, in order.
fn rule_files(test: &Value, texts: &Value, folder: &Path) -> Vec<PathBuf> {
    let names = test["rules"]
        .as_array()
        .unwrap()
        .iter()
        .map(|name| name.as_str().unwrap());
    let file = |name: &str| {
        if name.ends_with("k8s_audit_rules.yaml") {
            return shared(FALCO_RULES);
        }
        let path = folder.join(format!("{name}.yaml"));
        fs::write(&path, texts.get(name)?.as_str().unwrap()).unwrap();
        Some(path)
    };
    names.filter_map(file).collect()
}

fn same<T: PartialEq + std::fmt::Debug>(what: &str, got: &T, expected: &T) -> Result<(), String> {
    if got == expected {
        Ok(())
    } else {
        Err(format!("{what}: got {got:?}, expected {expected:?}"))
    }
}
