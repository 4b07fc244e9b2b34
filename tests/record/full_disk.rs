//! A disk that runs full: requests fail rather than go unrecorded.

use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::process::Stdio;
use std::thread;
use std::time::Duration;

use crate::backends::READS_BY_JANE;
use crate::daemon::Daemon;
use crate::gate::{Client, Place, events};
use crate::small_disk::SmallDisk;
use crate::source;
use crate::upstream::Upstream;

/// Reads secrets until one read fails; the targets of those that were answered whole.
fn read_until_refused(daemon: &Daemon, answered: &mut Vec<String>) {
    loop {
        let target = format!(
            "/api/v1/namespaces/dev/secrets/db?filling={}&number={}",
            "x".repeat(20_000),
            answered.len()
        );
        let mut client = Client::connect(daemon);
        client.send("jane", "GET", &target, "");
        match client.answer() {
            Some(answer) if answer.status == 200 => answered.push(target),
            Some(answer) => return assert_eq!(answer.status, 500, "{answer:?}"),
            // Broken off.
            None => return,
        }
    }
}

#[test]
fn in_mode_durable_nothing_is_answered_that_cannot_be_kept() {
    let Some(disk) = SmallDisk::mount("16m") else {
        return;
    };
    let place = Place::new().with_log().with(&["--audit-log-mode=durable"]);
    let state = format!("--state-dir={}", disk.path().join("state").display());
    let place = place.with(&[&state]);
    let mut daemon = place.start();
    let mut answered = Vec::new();
    for _ in 0..2 {
        assert_eq!(daemon.get("/readyz").status, 200);
        disk.fill(500_000);
        read_until_refused(&daemon, &mut answered);
        daemon.until("/readyz 503", |daemon| daemon.get("/readyz").status == 503);
        let why = daemon.get("/readyz").body;
        assert!(
            why.starts_with("events for the audit log cannot be kept, so requests fail: "),
            "{why}"
        );
        // It must not be started anew for that.
        assert_eq!(daemon.get("/healthz").status, 200);
        disk.make_room();
        // Without a request.
        daemon.until("/readyz 200", |daemon| daemon.get("/readyz").status == 200);
        daemon.until("requests are answered again", |daemon| {
            let mut client = Client::connect(daemon);
            client.send("jane", "GET", "/api/v1/pods", "");
            client.answer().is_some_and(|answer| answer.status == 200)
        });
    }
    daemon.counts("kubevigil_record_durable_waiting{backend=\"log\"}", 0);
    daemon.terminate();
    let log = events(&fs::read_to_string(place.path("audit.log")).unwrap());
    let recorded = |target: &String| {
        log.iter()
            .any(|event| event["requestURI"] == target.as_str())
    };
    assert!(answered.len() > 4, "{}", answered.len());
    assert!(answered.iter().all(recorded));
}

#[test]
fn a_daemon_whose_journal_is_full_lets_requests_fail() {
    let Some(disk) = SmallDisk::mount("16m") else {
        return;
    };
    let upstream = Upstream::start();
    let mut setup = source::setup(&upstream, "").with_rules("rules.yaml", READS_BY_JANE);
    setup.state = disk.path().join("state");
    setup.journal = "{segment_bytes: 1048576}".to_owned();
    let mut daemon = setup.start();
    disk.fill(500_000);
    let mut answered = Vec::new();
    read_until_refused(&daemon, &mut answered);
    daemon.until("/readyz 503", |daemon| daemon.get("/readyz").status == 503);
    assert!(daemon.metric("kubevigil_source_refused_total{source=\"record\"}") > Some(0));
    disk.make_room();
    daemon.until("/readyz 200", |daemon| daemon.get("/readyz").status == 200);
    daemon.terminate();
    assert!(setup.alerts().ids().len() >= answered.len());
}

#[test]
fn what_the_gateway_cannot_say_of_itself_harms_no_request() {
    // It cannot say on which port it listens, so it is given one; somebody else may take that before, and then it ends.
    let answered = (0..5).find_map(|_| answered_by_a_silent_gateway());
    let (answer, place) = answered.expect("it gets the port that it is given");
    assert_eq!(answer, "HTTP/1.1");
    place.events(1);
}

/// How an answer of a gateway begins whose standard error is that of a full disk; nothing if it does not get its port.
fn answered_by_a_silent_gateway() -> Option<(String, Place)> {
    let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = free.local_addr().unwrap().port();
    drop(free);
    let place = Place::new()
        .with_log()
        .with(&[&format!("--secure-port={port}")]);
    let full = File::options().write(true).open("/dev/full").unwrap();
    let mut command = place.command();
    let mut gateway = command.stdout(Stdio::null()).stderr(full).spawn().unwrap();
    let answer = connected(port).map(beginning_of_an_answer);
    let is_up = gateway.try_wait().unwrap().is_none();
    let _ = gateway.kill();
    gateway.wait().unwrap();
    is_up.then(|| (answer.expect("it listens"), place))
}

fn connected(port: u16) -> Option<TcpStream> {
    (0..1000).find_map(|_| {
        thread::sleep(Duration::from_millis(10));
        let client = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).ok();
        // As long as nobody listens, a connection may be made to itself.
        client.filter(|client| client.local_addr().unwrap() != client.peer_addr().unwrap())
    })
}

fn beginning_of_an_answer(mut client: TcpStream) -> String {
    let request = b"GET /version HTTP/1.1\r\nhost: g\r\nconnection: close\r\n\r\n";
    client
        .set_read_timeout(Some(Duration::from_secs(10)))
        .unwrap();
    client.write_all(request).unwrap();
    let mut answer = [0; 8];
    let _ = client.read_exact(&mut answer);
    String::from_utf8_lossy(&answer).into_owned()
}
