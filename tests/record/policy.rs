//! The policy changes while requests go on.

use std::fs;

use crate::gate::{Client, POLICY, Place};

const METADATA: &str = "apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
- level: Metadata
";

#[test]
fn a_new_policy_is_in_force_after_a_reload_and_the_change_is_recorded() {
    let place = Place::new().with_log();
    let mut daemon = place.start();
    let mut client = Client::connect(&daemon);
    client.ask("jane", "GET", "/api/v1/pods", "");
    place.write("policy.yaml", METADATA);
    daemon.signal("HUP");
    daemon.counts("kubevigil_record_policy_reloads_total", 1);
    client.ask("jane", "GET", "/api/v1/pods", "");
    let events = place.events(3);
    let levels: Vec<_> = events
        .iter()
        .map(|event| event["level"].as_str().unwrap())
        .collect();
    assert_eq!(levels, ["RequestResponse", "Metadata", "Metadata"]);
    let change = &events[1];
    assert_eq!(change["verb"], "update");
    assert_eq!(change["user"]["username"], "system:kubevigil");
    let annotations = &change["annotations"];
    let policy = place.path("policy.yaml").display().to_string();
    assert_eq!(annotations["kubevigil.io/policy-file"], policy.as_str());
    let digests = [
        "kubevigil.io/policy-digest",
        "kubevigil.io/policy-previous-digest",
    ];
    let digests = digests.map(|key| annotations[key].as_str().unwrap());
    assert_ne!(digests[0], digests[1]);
}

#[test]
fn a_file_that_is_swapped_is_noticed_without_a_signal() {
    let place = Place::new().with_log();
    let mut daemon = place.start();
    let new = place.write("policy.new", METADATA);
    fs::rename(new, place.path("policy.yaml")).unwrap();
    daemon.counts("kubevigil_record_policy_reloads_total", 1);
    assert_eq!(place.events(1)[0]["verb"], "update");
}

#[test]
fn a_broken_policy_changes_nothing_and_is_counted() {
    let place = Place::new().with_log();
    let mut daemon = place.start();
    place.write("policy.yaml", "kind: Policy\nrules: []\n");
    daemon.signal("HUP");
    daemon.counts("kubevigil_record_policy_reload_failures_total", 1);
    Client::connect(&daemon).ask("jane", "GET", "/api/v1/pods", "");
    assert_eq!(place.events(1)[0]["level"], "RequestResponse", "as before");
    let log = daemon.log();
    assert!(log.contains("policy.yaml"), "{log}");
    place.write("policy.yaml", POLICY);
    daemon.signal("HUP");
    Client::connect(&daemon).ask("jane", "GET", "/api/v1/pods", "");
    place.events(2);
    daemon.terminate();
}
