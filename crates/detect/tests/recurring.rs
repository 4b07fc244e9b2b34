//! What is remembered of values that come again changes no answer.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::path::{Path, PathBuf};
use std::sync::Arc;

use kubevigil_detect::{Matcher, Position, RuleMatching, Scratch};
use kubevigil_rules::{Rule, sigma};

const RULES: &str = r"
title: patterns of one value
logsource: {product: kubernetes, service: audit}
detection: {s: {userAgent|contains: [hunter, goat]}, t: {user.groups: 'system:masters'}, condition: s or t}
---
title: alternatives between groups of values
logsource: {product: kubernetes, service: audit}
detection: {s: [{verb: get, user.username: jane}, {verb: list, user.username|startswith: j}], condition: s}
---
title: negations
logsource: {product: kubernetes, service: audit}
detection: {s: {verb: [get, list]}, t: {user.username: [jane, jim]}, condition: s and not t}
---
title: what is not there
logsource: {product: kubernetes, service: audit}
detection: {s: {objectRef.subresource: null, kv.identity: person, kv.outcome: allowed}, condition: s}
---
title: below a value
logsource: {product: kubernetes, service: audit}
detection: {s: {impersonatedUser.username: root}, condition: s}
---
title: what the API server noted
logsource: {product: kubernetes, service: audit}
detection: {s: {annotations.authentication.k8s.io/legacy-token|exists: true}, t: {kv.failedOpen: hook}, condition: s or t}
---
title: the beginning of a text
logsource: {product: kubernetes, service: audit}
detection: {s: {kv.answered: true, verb: get}, condition: s}
---
title: the whole of the same text
logsource: {product: kubernetes, service: audit}
detection: {s: {requestURI|endswith: secret}, condition: s}
";

/// Each with a key twice, dots in keys or arrays on the way among ordinary ones of the same values.
const EVENTS: [&str; 23] = [
    r#"{"verb":"get","user":{"username":"jane","groups":["a"]},"userAgent":"x"}"#,
    r#"{"verb":"get","verb":"list","user":{"username":"jane","groups":["a"]},"userAgent":"x"}"#,
    r#"{"verb":"list","user":{"username":"jane","groups":["a"]},"userAgent":"x"}"#,
    r#"{"verb":"list","user.username":"joe","user":{"username":"jane","groups":["a"]},"userAgent":"x"}"#,
    r#"{"verb":"list","user":{"username":"bob","groups":["a","system:masters"]},"userAgent":"x"}"#,
    r#"{"verb":"list","user":{"username":"bob","groups":"system:masters"},"userAgent":"x"}"#,
    r#"{"verb":"list","user":[{"username":"jane"}],"userAgent":"x"}"#,
    r#"{"verb":"list","user":[{"username":"bob"}],"userAgent":"x"}"#,
    r#"{"verb":"list","userAgent":"kube-hunter"}"#,
    r#"{"verb":"list","userAgent":["kube-hunter","x"]}"#,
    r#"{"verb":"get","user":{"username":"jane"},"impersonatedUser":{"username":"root"}}"#,
    r#"{"verb":"get","user":{"username":"jane"},"impersonatedUser":[{"username":"root"}]}"#,
    r#"{"verb":"get","stage":"ResponseComplete","responseStatus":{"code":200},"objectRef":{"resource":"pods"},"user":{"username":"eve"}}"#,
    r#"{"verb":"get","stage":"ResponseComplete","responseStatus":{"code":200},"objectRef":{"resource":"pods","subresource":"log"},"user":{"username":"eve"}}"#,
    r#"{"verb":"get","stage":"ResponseComplete","requestURI":"/debug/pprof/heap"}"#,
    r#"{"verb":"get","stage":"ResponseComplete","requestURI":"/debug/pprof"}"#,
    r#"{"verb":"get","stage":"ResponseComplete","requestURI":"/debug/pproof/heap"}"#,
    r#"{"verb":"get","stage":"ResponseComplete","requestURI":"\/debug\u002fpprof/heap"}"#,
    r#"{"verb":"get","stage":"ResponseComplete","requestURI":"\/debug\u002fpproof/heap"}"#,
    r#"{"verb":"get","stage":"ResponseComplete","requestURI":"/api/v1/namespaces/a/secret"}"#,
    r#"{"verb":"get","annotations":{"authentication.k8s.io/legacy-token":"a"}}"#,
    r#"{"verb":"get","annotations":{"authentication":{"k8s":{"io/legacy-token":"a"}}}}"#,
    r#"{"verb":"get","annotations.authentication":{"k8s.io/legacy-token":"a"},"annotations":{"failed-open.mutation.webhook.admission.k8s.io/round_0_index_1":"hook"}}"#,
];

#[test]
fn answers_are_the_same_whatever_was_seen_before() {
    let rules = load([RULES.to_owned()]);
    let events: Vec<&[u8]> = EVENTS.iter().map(|event| event.as_bytes()).collect();
    // What comes once is not remembered.
    let held = compare(&rules, &events.repeat(3));
    assert!(held > EVENTS.len(), "the events are about the rules");
}

#[test]
fn default_rules_find_the_same_in_recorded_events_with_and_without_memory() {
    let folder = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."));
    let recorded = folder.join("../shared/data/recorded/docs-policy");
    if !recorded.exists() {
        eprintln!("skipped: the recorded events are not beside the checkout");
        return;
    }
    let mut files = Vec::new();
    collect(&folder.join("detections"), &mut files);
    files.sort();
    let rules = load(
        files
            .iter()
            .map(|file| std::fs::read_to_string(file).unwrap()),
    );
    let mut logs: Vec<PathBuf> = std::fs::read_dir(recorded)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    logs.sort();
    let logs: Vec<String> = logs
        .iter()
        .map(|log| std::fs::read_to_string(log).unwrap())
        .collect();
    let events: Vec<&[u8]> = logs
        .iter()
        .flat_map(|log| log.lines())
        .map(str::as_bytes)
        .collect();
    assert!(compare(&rules, &events) > 100);
}

/// Matches the events with one memory for all and with none, and counts what holds.
fn compare(rules: &[Arc<Rule>], events: &[&[u8]]) -> usize {
    let matcher = Matcher::compile(rules, RuleMatching::All).unwrap();
    let mut scratch = Scratch::default();
    let mut count = 0;
    for event in events {
        let found = |scratch: &mut Scratch| {
            let found = matcher
                .detect(event, &Position::default(), scratch)
                .unwrap();
            let held: Vec<usize> = found.list.iter().map(|found| found.rule_number).collect();
            (held, format!("{:?}", found.hits))
        };
        let remembered = found(&mut scratch);
        count += remembered.0.len();
        let event = String::from_utf8_lossy(event);
        assert_eq!(remembered, found(&mut Scratch::default()), "{event}");
    }
    count
}

fn load(texts: impl IntoIterator<Item = String>) -> Vec<Arc<Rule>> {
    let mut loader = sigma::Loader::new(sigma::Options::default());
    for (number, text) in texts.into_iter().enumerate() {
        loader.load_file(&format!("rules {number}"), &text);
    }
    let loaded = loader.finish();
    assert!(loaded.successful(), "{:?}", loaded.files);
    loaded.rules
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, files);
        } else if path.ends_with("rule.yml") {
            files.push(path);
        }
    }
}
