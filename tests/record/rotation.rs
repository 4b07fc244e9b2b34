//! An upstream whose authority is changed, broken or missing.

use std::fs;
use std::thread;
use std::time::Duration;

use crate::gate::{Client, Place};

/// Longer than between two looks at files.
const A_LOOK: Duration = Duration::from_secs(6);

#[test]
fn a_broken_authority_of_the_upstream_is_told_once_and_changes_nothing() {
    let place = Place::new_tls().with_log();
    let mut daemon = place.start();
    let good = fs::read_to_string(place.path("upstream-ca.crt")).unwrap();
    place.write("upstream-ca.crt", "no certificate");
    daemon.counts("kubevigil_gateway_reload_failures_total", 1);
    thread::sleep(A_LOOK);
    assert_eq!(
        daemon.metric("kubevigil_gateway_reload_failures_total"),
        Some(1)
    );
    let mut client = Client::connect(&daemon);
    assert_eq!(client.ask("jane", "GET", "/api/v1/pods", "").status, 200);
    // The same authority, and a remark.
    place.write("upstream-ca.crt", &(good + "# rotated\n"));
    daemon.counts("kubevigil_gateway_reloads_total", 1);
    assert_eq!(client.ask("jane", "GET", "/api/v1/pods", "").status, 200);
    let log = daemon.terminate();
    let told = log.matches("no PEM at all").count();
    assert_eq!(told, 1, "{log}");
}

#[test]
fn an_upstream_that_nobody_verifies_is_warned_of_at_the_start() {
    let place = Place::new_tls().with_log();
    let text = fs::read_to_string(place.path("upstream.yaml")).unwrap();
    let (before, rest) = text.split_once("certificate-authority:").unwrap();
    let (_, behind) = rest.split_once('}').unwrap();
    let insecure = format!("{before}insecure-skip-tls-verify: true}}{behind}");
    place.write("upstream.yaml", &insecure);
    let log = place.start().terminate();
    let warning = log.lines().find(|line| line.contains("can pose as it"));
    let warning = warning.unwrap_or_default();
    assert!(warning.contains("WARN"), "{log}");
    assert!(
        warning.contains("remove `insecure-skip-tls-verify`"),
        "{log}"
    );
}
