//! SIGTERM: what was begun is finished.

use std::net::TcpStream;
use std::time::{Duration, Instant};

use axum::http::StatusCode;

use crate::daemon::Setup;
use crate::events::{event, list, marked};
use crate::receiver::{Mode, Receiver};

#[test]
fn a_request_in_flight_is_answered_and_its_alerts_are_delivered() {
    let mut setup = Setup::new();
    let daemon = setup.start();
    let (address, mut sender) = (daemon.webhook(), daemon.sender());
    let body = list(&[event("a")]);
    let (first, rest) = body.split_at(100);
    sender.write(&format!("POST /k8s_audit HTTP/1.1\r\nHost: kubevigil\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{first}", body.len()));
    std::thread::sleep(Duration::from_millis(100));
    daemon.signal("TERM");
    let start = Instant::now();
    while TcpStream::connect(address).is_ok() {
        assert!(
            start.elapsed() < Duration::from_secs(5),
            "new connections must be refused"
        );
        std::thread::sleep(Duration::from_millis(10));
    }
    sender.write(rest);
    assert_eq!(sender.answer().unwrap().status, 200);
    let mut daemon = daemon;
    assert_eq!(daemon.wait().code(), Some(0), "{}", daemon.log());
    assert_eq!(setup.alerts().ids(), ["a"]);
}

#[test]
fn everything_journaled_is_detected_and_delivered_before_the_end() {
    let mut setup = Setup::new();
    let daemon = setup.start();
    let mut sender = daemon.sender();
    for batch in 0..10 {
        sender.deliver(&marked((0..400).map(|event| format!("{batch}-{event}"))));
    }
    let start = Instant::now();
    daemon.terminate();
    assert!(
        start.elapsed() < Duration::from_secs(28),
        "{:?}",
        start.elapsed()
    );
    assert_eq!(setup.alerts().ids().len(), 4_000);
}

#[test]
fn alerts_for_an_output_that_is_down_wait_for_the_next_start() {
    let receiver = Receiver::new(Mode::Refuse(StatusCode::SERVICE_UNAVAILABLE));
    let mut setup = Setup::new();
    setup.outputs = format!("[http: {{url: '{}'}}]", receiver.url());
    let mut daemon = setup.start();
    daemon.sender().deliver(&list(&[event("a")]));
    daemon.until("a try", |_| receiver.refusals() > 0);
    let start = Instant::now();
    let log = daemon.terminate();
    assert!(
        start.elapsed() < Duration::from_secs(20),
        "{:?}",
        start.elapsed()
    );
    assert!(log.contains("alerts still wait"), "{log}");
    receiver.set(Mode::Take);
    let mut daemon = setup.start();
    daemon.until("the alert", |_| receiver.alerts().len() == 1);
}

#[test]
fn a_second_signal_ends_the_wait() {
    let receiver = Receiver::new(Mode::Refuse(StatusCode::SERVICE_UNAVAILABLE));
    let mut setup = Setup::new();
    setup.outputs = format!("[http: {{url: '{}'}}]", receiver.url());
    let mut daemon = setup.start();
    daemon.sender().deliver(&list(&[event("a")]));
    daemon.until("a try", |_| receiver.refusals() > 0);
    let start = Instant::now();
    daemon.signal("INT");
    daemon.says("once more to stop at once");
    std::thread::sleep(Duration::from_millis(1_200));
    daemon.signal("INT");
    assert_eq!(daemon.wait().code(), Some(0), "{}", daemon.log());
    assert!(
        start.elapsed() < Duration::from_secs(6),
        "{:?}",
        start.elapsed()
    );
    assert!(daemon.log().contains("stopped at once"));
}
