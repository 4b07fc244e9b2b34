//! Events in by webhook, alerts out to a file.

use serde_json::Value;

use crate::daemon::Setup;
use crate::events::{event, event_by, list, quiet};

#[test]
fn a_batch_leads_to_the_alerts_of_its_events() {
    let mut setup = Setup::new();
    let daemon = setup.start();
    daemon
        .sender()
        .deliver(&list(&[event("a"), quiet("b"), event("c")]));
    let alerts = setup.alerts().wait_for(2);
    assert_eq!(setup.alerts().ids(), ["a", "c"]);
    let alert = &alerts[0];
    assert_eq!(alert["rule"], "Marked request");
    assert_eq!(alert["priority"], "Notice");
    assert_eq!(alert["outcome"], "allowed");
    assert_eq!(alert["output"], "Marked request (user=jane)");
    assert_eq!(alert["event"]["stage"], "ResponseComplete");
    assert_eq!(alert["event"]["place"], 0);
    assert!(alert["event"].get("file").is_none());
    assert_eq!(alert["request"]["address"], "192.0.2.7");
}

#[test]
fn a_connection_is_kept_alive_for_many_batches() {
    let mut setup = Setup::new();
    let daemon = setup.start();
    let mut sender = daemon.sender();
    for number in 0..50 {
        sender.deliver(&list(&[event(&number.to_string())]));
    }
    setup.alerts().wait_for(50);
    assert_eq!(
        daemon.metric("kubevigil_webhook_connections_total"),
        Some(1)
    );
}

#[test]
fn a_batch_that_is_sent_again_alerts_once() {
    let mut setup = Setup::new();
    let mut daemon = setup.start();
    let batch = list(&[event("a"), event("b")]);
    daemon.sender().deliver(&batch);
    daemon.sender().deliver(&batch);
    daemon.counts("kubevigil_journal_duplicates_total{journal=\"events\"}", 2);
    setup.alerts().wait_for(2);

    daemon.kill();
    let daemon = setup.start();
    daemon.sender().deliver(&batch);
    daemon.sender().deliver(&list(&[event("c")]));
    setup.alerts().wait_for(3);
    assert_eq!(setup.alerts().ids(), ["a", "b", "c"]);
}

#[test]
fn events_that_share_an_audit_id_all_alert() {
    let mut setup = Setup::new();
    let daemon = setup.start();
    daemon.sender().deliver(&list(&[
        event_by("same", "jane"),
        event_by("same", "mallory"),
    ]));
    daemon.sender().deliver(&list(&[event_by("same", "eve")]));
    let alerts = setup.alerts().wait_for(3);
    let users: Vec<&Value> = alerts
        .iter()
        .map(|alert| &alert["request"]["user"])
        .collect();
    assert_eq!(users, ["jane", "mallory", "eve"]);
}

#[test]
fn a_body_that_is_no_audit_event_is_refused_for_good_and_kept() {
    let mut setup = Setup::new();
    let daemon = setup.start();
    let answer = daemon
        .sender()
        .post("{\"kind\":\"EventList\",\"items\":[{\"lev");
    assert_eq!(answer.status, 400, "{answer:?}");
    assert_eq!(
        daemon.metric("kubevigil_webhook_dead_letters_total"),
        Some(1)
    );
    assert_eq!(
        daemon.metric("kubevigil_source_problems_total{source=\"webhook\"}"),
        Some(1)
    );
    let letters = std::fs::read_dir(setup.state.join("dead-letters/webhook")).unwrap();
    assert_eq!(letters.count(), 1);
}

#[test]
fn an_event_as_large_as_a_body_may_be_is_taken_and_alerts() {
    let mut setup = Setup::new();
    setup.sources =
        "{webhook: {listen: '127.0.0.1:0', max_body_bytes: 73400320, max_memory_bytes: 200000000}}"
            .to_owned();
    let mut daemon = setup.start();
    let huge = event("huge").replace("kubectl/v1.36.2", &"x".repeat(69 << 20));
    daemon.sender().deliver(&list(&[huge, event("after")]));
    daemon.counts("kubevigil_rule_matches_total{rule=\"Marked request\"}", 2);
    setup.alerts().wait_for(2);
    assert_eq!(setup.alerts().ids(), ["huge", "after"]);
}

#[test]
fn damage_in_the_journal_is_reported_and_the_daemon_goes_on() {
    let mut setup = Setup::new();
    let daemon = setup.start();
    daemon
        .sender()
        .deliver(&list(&[event("a"), event("b"), event("c")]));
    setup.alerts().wait_for(3);
    daemon.kill();
    let folder = setup.state.join("events");
    let files = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let mut damaged = 0;
    for path in files {
        let mut bytes = std::fs::read(&path).unwrap();
        let name = b"\"auditID\":\"b\"";
        if let Some(at) = bytes.windows(name.len()).position(|part| part == name) {
            bytes[at + 11] = b'X';
            std::fs::write(&path, bytes).unwrap();
            damaged += 1;
        }
    }
    assert_eq!(damaged, 1);
    let mut daemon = setup.start();
    daemon.says("damaged");
    daemon.sender().deliver(&list(&[event("d")]));
    setup.alerts().wait_for(4);
    assert_eq!(setup.alerts().ids(), ["a", "b", "c", "d"]);
    daemon.terminate();
}
