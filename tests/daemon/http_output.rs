//! Alerts by HTTP to a server that is not always well.

use std::time::Duration;

use axum::http::StatusCode;

use crate::alerts::audit_id;
use crate::daemon::Setup;
use crate::events::{event, list, marked};
use crate::receiver::{Mode, Receiver};

#[test]
fn everything_arrives_in_order_when_the_server_is_back() {
    let receiver = Receiver::new(Mode::Refuse(StatusCode::BAD_GATEWAY));
    let mut setup = Setup::new();
    setup.outputs = format!("[http: {{url: '{}'}}]", receiver.url());
    let mut daemon = setup.start();
    daemon
        .sender()
        .deliver(&marked((0..30).map(|number| number.to_string())));
    daemon.until("some tries", |_| receiver.refusals() >= 2);
    daemon.counts("kubevigil_output_lag{output=\"http\"}", 30);
    receiver.set(Mode::Take);
    daemon.until("all alerts", |_| receiver.alerts().len() >= 30);
    let ids: Vec<String> = receiver
        .alerts()
        .iter()
        .map(|alert| audit_id(alert).to_owned())
        .collect();
    assert_eq!(
        ids,
        (0..30).map(|number| number.to_string()).collect::<Vec<_>>()
    );
    daemon.counts("kubevigil_output_delivered_total{output=\"http\"}", 30);
    daemon.counts("kubevigil_output_lag{output=\"http\"}", 0);
    assert!(
        daemon
            .metric("kubevigil_output_failures_total{output=\"http\"}")
            .unwrap()
            >= 2
    );
}

#[test]
fn a_slow_output_does_not_delay_the_others() {
    let receiver = Receiver::new(Mode::TakeAfter(Duration::from_secs(2)));
    let mut setup = Setup::new();
    let file = setup.path("alerts.jsonl");
    setup.outputs = format!(
        "[http: {{url: '{}'}}, file: {{path: {}}}]",
        receiver.url(),
        file.display()
    );
    let daemon = setup.start();
    daemon
        .sender()
        .deliver(&marked((0..100).map(|number| number.to_string())));
    setup.alerts().wait_for(100);
    assert!(
        receiver.alerts().len() < 10,
        "the file was as slow as the server"
    );
}

#[test]
fn alerts_that_are_refused_for_good_become_dead_letters() {
    let receiver = Receiver::new(Mode::Refuse(StatusCode::BAD_REQUEST));
    let mut setup = Setup::new();
    setup.outputs = format!("[http: {{url: '{}', tries: 1}}]", receiver.url());
    let mut daemon = setup.start();
    daemon.sender().deliver(&list(&[event("a")]));
    daemon.counts("kubevigil_output_dead_letters_total{output=\"http\"}", 1);
    let letters = std::fs::read_to_string(setup.state.join("dead-letters/http.jsonl")).unwrap();
    assert!(letters.contains("Marked request"), "{letters}");
}
