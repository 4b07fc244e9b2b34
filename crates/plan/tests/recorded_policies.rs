//! One list of requests was sent to genuine API servers, each under another policy. The log that has everything, put through each
//! policy, must be what that policy's server recorded: the same events, at the same levels, with bodies where those have them.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use kubevigil_audit::policy::PolicyFile;
use kubevigil_plan::recorded::at_level;
use kubevigil_plan::simulate::Simulation;
use serde_json::Value;

const RECORDED: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../../../shared/data/recorded/policies"
);

/// By request and stage: the level, and whether there is a request and a response.
type Log = BTreeMap<(String, String), (String, bool, bool)>;

#[test]
fn the_full_log_put_through_a_policy_is_the_log_of_that_policy() {
    if !Path::new(RECORDED).exists() {
        eprintln!("skipped: {RECORDED} is not there");
        return;
    }
    let full = fs::read_to_string(Path::new(RECORDED).join("p00-all/audit.jsonl")).unwrap();
    let policies = fs::read_dir(RECORDED)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let policies: Vec<PathBuf> = policies.collect();
    assert!(policies.len() >= 6);
    for folder in policies {
        let text = fs::read_to_string(folder.join("policy.yaml")).unwrap();
        let policy = PolicyFile::read("policy.yaml", &text).policy.unwrap();
        let mut simulation = Simulation::new(&policy, None);
        let mut simulated = Log::new();
        for line in full.lines() {
            let (recorded, fate) = simulation.event(line.as_bytes()).unwrap();
            if let Some(level) = fate.after {
                let left = at_level(line.as_bytes(), level, &recorded);
                note(
                    &mut simulated,
                    &serde_json::from_slice(&left).unwrap(),
                    Some(level.as_str()),
                );
            }
        }
        let mut actual = Log::new();
        for line in fs::read_to_string(folder.join("audit.jsonl"))
            .unwrap()
            .lines()
        {
            note(&mut actual, &serde_json::from_str(line).unwrap(), None);
        }
        assert_eq!(simulation.unreadable, 0);
        let wrong: Vec<String> = simulated
            .iter()
            .filter(|(key, event)| actual.get(*key) != Some(event))
            .map(|(key, event)| format!("{key:?}: {event:?}, recorded {:?}", actual.get(key)))
            .collect();
        assert!(
            wrong.is_empty(),
            "{}: {} differ\n{}",
            folder.display(),
            wrong.len(),
            wrong.join("\n")
        );
        assert_eq!(simulated.len(), actual.len(), "{}", folder.display());
    }
}

/// Notes an event of the list of requests; those of the cluster itself differ from run to run.
fn note(log: &mut Log, event: &Value, level: Option<&str>) {
    let text = |key: &str| event[key].as_str().unwrap_or_default().to_owned();
    if text("auditID").starts_with("rq-") {
        let level = level.map_or_else(|| text("level"), str::to_owned);
        let has = |key: &str| event.get(key).is_some();
        let bodies = (level, has("requestObject"), has("responseObject"));
        log.insert((text("auditID"), text("stage")), bodies);
    }
}
