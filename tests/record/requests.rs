//! A request goes through, and its event is in the log.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use crate::gate::{Client, Place};

#[test]
fn a_request_is_answered_by_the_api_server_and_leaves_its_event() {
    let place = Place::new().with_log();
    let daemon = place.start();
    let mut client = Client::connect(&daemon);
    let answer = client.ask("jane", "GET", "/api/v1/namespaces/dev/pods?limit=5", "");
    assert_eq!(answer.status, 200);
    let [event] = &place.events(1)[..] else {
        panic!("one event")
    };
    assert_eq!(event["kind"], "Event");
    assert_eq!(event["stage"], "ResponseComplete");
    assert_eq!(event["verb"], "list");
    assert_eq!(event["requestURI"], "/api/v1/namespaces/dev/pods?limit=5");
    assert_eq!(event["user"]["username"], "jane");
    assert_eq!(event["objectRef"]["namespace"], "dev");
    assert_eq!(event["responseStatus"]["code"], 200);
    assert_eq!(event["responseObject"]["kind"], "List");
    assert_eq!(event["auditID"], answer.header("audit-id").unwrap());
    let [asked] = &place.upstream.asked()[..] else {
        panic!("one request")
    };
    assert_eq!(asked.target, "/api/v1/namespaces/dev/pods?limit=5");
    assert_eq!(asked.header("authorization"), "Bearer jane");
}

#[test]
fn an_event_is_in_the_log_before_its_request_is_answered() {
    let place = Place::new().with_log();
    let daemon = place.start();
    let mut client = Client::connect(&daemon);
    for number in 1..=20 {
        client.ask("jane", "GET", "/api/v1/pods", "");
        let log = std::fs::read_to_string(place.path("audit.log")).unwrap();
        assert_eq!(log.lines().count(), number);
    }
}

#[test]
fn bodies_are_recorded_and_pass_untouched() {
    let place = Place::new().with_log();
    let daemon = place.start();
    let body = r#"{ "kind":"ConfigMap",  "apiVersion":"v1", "metadata":{"name":"c"}}"#;
    let target = "/api/v1/namespaces/dev/configmaps";
    let answer = Client::connect(&daemon).ask("jane", "POST", target, body);
    assert_eq!(answer.status, 201);
    assert_eq!(place.upstream.asked()[0].body, body);
    let event = &place.events(1)[0];
    assert_eq!(event["requestObject"]["metadata"]["name"], "c");
    assert_eq!(event["responseObject"]["metadata"]["name"], "c");
}

#[test]
fn who_cannot_be_recognised_is_refused_and_recorded() {
    let place = Place::new().with_log();
    let daemon = place.start();
    let mut client = Client::connect(&daemon);
    assert_eq!(client.ask("mallory", "GET", "/api/v1/pods", "").status, 401);
    assert_eq!(client.ask("", "GET", "/api/v1/forbidden", "").status, 403);
    let events = place.events(2);
    assert_eq!(events[0]["responseStatus"]["code"], 401);
    assert_eq!(events[0]["user"], serde_json::json!({}));
    assert_eq!(events[1]["user"]["username"], "system:anonymous");
    assert_eq!(events[1]["responseStatus"]["reason"], "Forbidden");
    assert_eq!(
        place.upstream.asked().len(),
        1,
        "the first never gets there"
    );
}

#[test]
fn in_impersonate_mode_the_api_server_hears_who_asks_from_the_gateway() {
    let place = Place::new_tls()
        .with_log()
        .with(&["--identity=impersonate"]);
    let daemon = place.start();
    let answer = Client::connect(&daemon).ask("jane", "GET", "/api/v1/pods", "");
    assert_eq!(answer.status, 200);
    let asked = &place.upstream.asked()[0];
    assert_eq!(asked.header("impersonate-user"), "jane");
    assert_eq!(asked.header("authorization"), "Bearer gateway");
    let event = &place.events(1)[0];
    assert_eq!(event["user"]["username"], "jane");
    assert!(event.get("impersonatedUser").is_none(), "{event}");
}

#[test]
fn what_is_no_request_leaves_no_event_and_is_counted_by_its_reason() {
    let place = Place::new().with_log();
    let mut daemon = place.start();
    let mut stream = TcpStream::connect(crate::gate::address(&daemon)).unwrap();
    stream.write_all(b"no request\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
    daemon.counts("kubevigil_gateway_malformed_total{reason=\"syntax\"}", 1);
    assert!(place.events(0).is_empty());
}
