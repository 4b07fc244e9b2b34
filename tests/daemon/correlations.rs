//! Correlations in the daemon: what they find, what they remember across restarts and reloads, and what is said about it.

use kubevigil_journal::{Journal, Options};
use serde_json::Value;

use crate::daemon::{Daemon, Setup};
use crate::events::{Request, list};

/// Three marked requests of a user within a minute.
const MANY: &str = "
title: Marked request
name: marked
logsource: {product: kubernetes, service: audit}
detection: {selection: {verb: marked}, condition: selection}
level: low
---
title: Many marked requests
name: many
correlation:
  type: event_count
  rules: [marked]
  group-by: [user.username]
  timespan: 1m
  condition: {gte: 3}
level: high
";

/// Another correlation of the same requests: two of them within a minute.
const PAIR: &str = "
---
title: Two marked requests
name: two
correlation:
  type: event_count
  rules: [marked]
  group-by: [user.username]
  timespan: 1m
  condition: {gte: 2}
level: medium
";

/// A namespace that a user was never seen in, once five seconds were watched.
const FIRST: &str = "
title: Marked request
name: marked
logsource: {product: kubernetes, service: audit}
detection: {selection: {verb: marked}, condition: selection}
level: low
---
title: First seen there
name: first
kubevigil:
  type: first_seen
  rules: [marked]
  group-by: [user.username]
  field: [objectRef.namespace]
  learning: 5s
  timespan: 1h
level: medium
";

fn many() -> Setup {
    Setup::new().with_rules("many.yml", MANY)
}

fn send(daemon: &Daemon, requests: &[Request]) {
    let events: Vec<String> = requests.iter().map(Request::event).collect();
    daemon.sender().deliver(&list(&events));
}

fn rules(alerts: &[Value]) -> Vec<&str> {
    let rules = alerts.iter().map(|alert| alert["rule"].as_str().unwrap());
    rules.collect()
}

/// The auditIDs of an alert's evidence.
fn evidence(alert: &Value) -> Vec<&str> {
    let events = alert["evidence"].as_array().unwrap().iter();
    events
        .map(|event| event["event"]["auditID"].as_str().unwrap())
        .collect()
}

/// The daemon has put so many events to the rules since its start.
fn detected(daemon: &mut Daemon, events: u64) {
    daemon.counts("kubevigil_detect_events_total", events);
}

#[test]
fn a_correlation_fires_once_and_shows_its_evidence() {
    let mut setup = many();
    let mut daemon = setup.start();
    let requests: Vec<Request> = (0..5)
        .map(|second| Request::new(&format!("e{second}"), second))
        .collect();
    send(&daemon, &requests);
    let alerts = setup.alerts().wait_for(1);
    let alert = &alerts[0];
    assert_eq!(alert["rule"], "Many marked requests");
    assert_eq!(alert["priority"], "Error");
    assert_eq!(alert["event"]["auditID"], "e2");
    assert_eq!(evidence(alert), ["e0", "e1", "e2"]);
    assert_eq!(alert["evidenceTotal"], 3);
    let text = alert["output"].as_str().unwrap();
    assert!(text.contains("user.username=jane"), "{text}");
    detected(&mut daemon, 5);
    let name = "rule=\"Many marked requests\"";
    for (sample, value) in [
        (format!("rule_matches_total{{{name}}}"), 3),
        (
            format!("rule_suppressed_total{{{name},reason=\"repeated\"}}"),
            2,
        ),
        (format!("correlation_groups{{{name}}}"), 1),
        (format!("correlation_entries{{{name}}}"), 5),
        ("alerts_total".to_owned(), 1),
        ("rules".to_owned(), 1),
    ] {
        daemon.counts(&format!("kubevigil_{sample}"), value);
    }
    assert_eq!(daemon.metric("kubevigil_state_limit_bytes"), Some(64 << 20));
    assert!(daemon.metric("kubevigil_state_bytes").unwrap() > 0);
}

#[test]
fn windows_span_a_restart() {
    let mut setup = many();
    let mut daemon = setup.start();
    send(&daemon, &[Request::new("a", 0), Request::new("b", 1)]);
    detected(&mut daemon, 2);
    daemon.terminate();
    let mut daemon = setup.start();
    daemon.says("correlations go on where they were");
    send(&daemon, &[Request::new("c", 2), Request::new("d", 3)]);
    let alerts = setup.alerts().wait_for(1);
    assert_eq!(evidence(&alerts[0]), ["a", "b", "c"]);
    daemon.counts("kubevigil_state_kept_total", 1);
    let log = daemon.terminate();
    assert!(!log.contains("given up"), "{log}");
}

#[test]
fn what_was_learned_survives_a_restart() {
    let mut setup = Setup::new().with_rules("first.yml", FIRST);
    let daemon = setup.start();
    send(&daemon, &[Request::new("a", 0), Request::new("b", 4)]);
    daemon.terminate();
    let daemon = setup.start();
    let elsewhere = Request {
        namespace: "prod".to_owned(),
        ..Request::new("d", 61)
    };
    send(&daemon, &[Request::new("c", 60), elsewhere]);
    let alerts = setup.alerts().wait_for(1);
    assert_eq!(alerts[0]["event"]["auditID"], "d");
    daemon.terminate();
}

#[test]
fn a_reload_keeps_what_correlations_remember() {
    let mut setup = many();
    let mut daemon = setup.start();
    send(&daemon, &[Request::new("a", 0), Request::new("b", 1)]);
    detected(&mut daemon, 2);
    setup.write("many.yml", &format!("{MANY}{PAIR}"));
    daemon.signal("HUP");
    daemon.says("rules reloaded");
    daemon.counts("kubevigil_state_kept_total", 1);
    send(&daemon, &[Request::new("c", 2)]);
    let alerts = setup.alerts().wait_for(1);
    assert_eq!(rules(&alerts), ["Many marked requests"]);
    assert_eq!(evidence(&alerts[0]), ["a", "b", "c"]);
    send(&daemon, &[Request::new("d", 3)]);
    let alerts = setup.alerts().wait_for(2);
    assert_eq!(
        evidence(&alerts[1]),
        ["c", "d"],
        "the new one began with the reload"
    );
}

#[test]
fn correlations_that_ask_something_else_after_a_restart_begin_anew() {
    let mut setup = Setup::new().with_rules("many.yml", &format!("{MANY}{PAIR}"));
    let mut daemon = setup.start();
    send(&daemon, &[Request::new("a", 0)]);
    detected(&mut daemon, 1);
    daemon.terminate();
    setup.write("many.yml", &format!("{MANY}{}", PAIR.replace("1m", "2m")));
    let mut daemon = setup.start();
    daemon.says("given up");
    let log = daemon.log();
    assert!(log.contains("Two marked requests"), "named: {log}");
    assert!(!log.contains("Many marked requests"), "{log}");
    daemon.counts("kubevigil_state_dropped_total", 1);
    send(&daemon, &[Request::new("b", 1), Request::new("c", 2)]);
    let alerts = setup.alerts().wait_for(2);
    let found: Vec<(&str, Vec<&str>)> = rules(&alerts)
        .into_iter()
        .zip(alerts.iter().map(evidence))
        .collect();
    assert_eq!(
        found,
        [
            ("Many marked requests", vec!["a", "b", "c"]),
            ("Two marked requests", vec!["b", "c"]),
        ]
    );
}

#[test]
fn a_damaged_state_is_said_and_does_not_stop_the_daemon() {
    let mut setup = many();
    let mut daemon = setup.start();
    send(&daemon, &[Request::new("a", 0), Request::new("b", 1)]);
    detected(&mut daemon, 2);
    daemon.terminate();
    for (damage, reason) in [
        (flip as Damage, "damaged"),
        (truncate, "damaged"),
        (from_the_future, "format version 99"),
        (empty, "no state of correlations"),
    ] {
        change_state(&setup, damage);
        let mut daemon = setup.start();
        daemon.says("what correlations remembered is lost");
        let log = daemon.log();
        assert!(log.contains(reason), "{reason}: {log}");
        daemon.counts("kubevigil_state_unreadable_total", 1);
        daemon.terminate();
    }
    let daemon = setup.start();
    send(&daemon, &[Request::new("c", 2)]);
    let later: Vec<Request> = [("d", 3), ("e", 4)]
        .map(|(id, second)| Request::new(id, second))
        .into();
    send(&daemon, &later);
    let alerts = setup.alerts().wait_for(1);
    assert_eq!(evidence(&alerts[0]), ["c", "d", "e"]);
}

type Damage = fn(Vec<u8>) -> Vec<u8>;

fn flip(mut state: Vec<u8>) -> Vec<u8> {
    let middle = state.len() / 2;
    state[middle] ^= 1;
    state
}

fn truncate(mut state: Vec<u8>) -> Vec<u8> {
    state.truncate(state.len() - 3);
    state
}

fn from_the_future(mut state: Vec<u8>) -> Vec<u8> {
    state[8] = 99;
    state
}

fn empty(_: Vec<u8>) -> Vec<u8> {
    Vec::new()
}

/// Changes what is stored of the state while no daemon runs.
fn change_state(setup: &Setup, damage: Damage) {
    let (journal, _) = Journal::open(setup.state.join("events"), Options::default()).unwrap();
    let state = damage(journal.blob("detect.state").unwrap().unwrap());
    journal
        .commit_all(&[], &[("detect.state", &state)])
        .unwrap();
    journal.close();
}

#[test]
fn limits_of_the_configuration_hold_and_show() {
    let mut setup = many();
    setup.limits = "{memory: 2MiB, groups: 10}".to_owned();
    let mut daemon = setup.start();
    let request = |number: u64| Request {
        user: format!("user-{number}"),
        ..Request::new(&format!("e{number}"), 0)
    };
    send(&daemon, &(0..25).map(request).collect::<Vec<_>>());
    let name = "{rule=\"Many marked requests\"}";
    daemon.counts(&format!("kubevigil_correlation_groups{name}"), 10);
    daemon.counts(
        &format!("kubevigil_correlation_evicted_groups_total{name}"),
        15,
    );
    daemon.counts("kubevigil_state_limit_bytes", 2 << 20);
    daemon.terminate();
    let mut daemon = setup.start();
    daemon.counts(&format!("kubevigil_correlation_groups{name}"), 10);
    daemon.counts(
        &format!("kubevigil_correlation_evicted_groups_total{name}"),
        0,
    );
}

#[test]
fn events_that_come_too_late_are_counted() {
    let mut setup = many();
    let mut daemon = setup.start();
    send(&daemon, &[Request::new("a", 600), Request::new("late", 0)]);
    let name = "{rule=\"Many marked requests\"}";
    daemon.counts(&format!("kubevigil_correlation_late_events_total{name}"), 1);
}
