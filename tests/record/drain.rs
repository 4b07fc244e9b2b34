//! SIGTERM: what was begun is finished.

use std::net::TcpStream;
use std::time::{Duration, Instant};

use crate::daemon::PATIENCE;
use crate::gate::{Client, Place, address, events, kubeconfig};

#[test]
fn a_request_under_way_is_answered_and_recorded() {
    let place = Place::new().with_log();
    let mut daemon = place.start();
    let mut client = Client::connect(&daemon);
    client.send("jane", "GET", "/slow", "");
    daemon.until("the request is with the API server", |_| {
        !place.upstream.asked().is_empty()
    });
    let address = address(&daemon);
    daemon.signal("TERM");
    let start = Instant::now();
    while TcpStream::connect(address).is_ok() {
        assert!(
            start.elapsed() < PATIENCE,
            "new connections must be refused"
        );
        std::thread::sleep(Duration::from_millis(10));
    }
    assert_eq!(client.answer().unwrap().status, 200);
    assert_eq!(daemon.wait().code(), Some(0), "{}", daemon.log());
    assert_eq!(place.events(1)[0]["requestURI"], "/slow");
}

#[test]
fn what_a_queue_holds_is_written_before_the_end() {
    let place = Place::new().with_log().with(&[
        "--audit-log-mode=batch",
        "--audit-log-batch-max-size=1000",
        "--audit-log-batch-max-wait=1h",
    ]);
    let daemon = place.start();
    let mut client = Client::connect(&daemon);
    for _ in 0..10 {
        client.ask("jane", "GET", "/api/v1/pods", "");
    }
    daemon.terminate();
    let log = std::fs::read_to_string(place.path("audit.log")).unwrap();
    assert_eq!(events(&log).len(), 10);
}

#[test]
fn a_second_signal_ends_the_wait() {
    let place = Place::new().with(&[
        "--audit-webhook-config-file={}/webhook.yaml",
        "--audit-webhook-mode=blocking",
        "--audit-webhook-initial-backoff=1h",
    ]);
    place.write("webhook.yaml", &kubeconfig("http://127.0.0.1:1/k8s_audit"));
    let mut daemon = place.start();
    let mut client = Client::connect(&daemon);
    client.send("jane", "GET", "/api/v1/pods", "");
    daemon.until("the request is with the API server", |_| {
        !place.upstream.asked().is_empty()
    });
    let start = Instant::now();
    daemon.signal("TERM");
    daemon.says("once more to stop at once");
    std::thread::sleep(Duration::from_millis(1_200));
    daemon.signal("TERM");
    assert_eq!(daemon.wait().code(), Some(0), "{}", daemon.log());
    assert!(
        start.elapsed() < Duration::from_secs(8),
        "{:?}",
        start.elapsed()
    );
}
