//! A disk that runs full below a running daemon.

use std::fs;
use std::thread;
use std::time::Duration;

use crate::daemon::{Daemon, Setup};
use crate::events::{event, list};
use crate::small_disk::SmallDisk;

/// A list of twenty events, 60 kB.
fn batch(number: usize) -> (Vec<String>, String) {
    let ids: Vec<String> = (0..20).map(|event| format!("{number}-{event}")).collect();
    let padded = |id: &String| event(id).replace("kubectl/v1.36.2", &"x".repeat(3_000));
    let body = list(&ids.iter().map(padded).collect::<Vec<_>>());
    (ids, body)
}

fn wait_until_ready(daemon: &mut Daemon, status: u16) {
    daemon.until(&format!("/readyz {status}"), |daemon| {
        daemon.get("/readyz").status == status
    });
}

#[test]
fn a_full_disk_is_answered_with_503_and_loses_nothing() {
    let Some(disk) = SmallDisk::mount("16m") else {
        return;
    };
    let mut setup = Setup::new();
    setup.state = disk.path().join("state");
    setup.journal = "{segment_bytes: 1048576}".to_owned();
    let mut daemon = setup.start();
    let mut acknowledged = Vec::new();
    let mut number = 0;
    for _ in 0..2 {
        disk.fill(500_000);
        let refusal = loop {
            let (ids, body) = batch(number);
            let answer = daemon.sender().post(&body);
            if answer.status != 200 {
                break answer;
            }
            acknowledged.extend(ids);
            number += 1;
        };
        assert_eq!(
            (refusal.status, refusal.header("retry-after")),
            (503, Some("5")),
            "{refusal:?}"
        );
        assert!(
            !refusal.body.contains("os error"),
            "the reason is for the log: {refusal:?}"
        );
        wait_until_ready(&mut daemon, 503);
        assert_eq!(
            daemon.get("/healthz").status,
            200,
            "a full disk is not mended by a restart"
        );
        daemon.says("No space left");
        disk.make_room();
        wait_until_ready(&mut daemon, 200);
        let (ids, body) = batch(number);
        daemon.sender().deliver(&body);
        acknowledged.extend(ids);
        number += 1;
    }
    setup.alerts().wait_for(acknowledged.len());
    daemon.terminate();
    let mut ids = setup.alerts().ids();
    ids.sort();
    acknowledged.sort();
    assert_eq!(ids, acknowledged);
}

#[test]
fn alerts_wait_for_room_when_the_outbox_is_full() {
    let Some(disk) = SmallDisk::mount("16m") else {
        return;
    };
    let mut setup = Setup::new();
    // The outbox alone is on the small disk.
    fs::create_dir_all(&setup.state).unwrap();
    fs::create_dir(disk.path().join("alerts")).unwrap();
    std::os::unix::fs::symlink(disk.path().join("alerts"), setup.state.join("alerts")).unwrap();
    let mut daemon = setup.start();
    daemon.sender().deliver(&batch(0).1);
    setup.alerts().wait_for(20);
    disk.fill(0);
    let mut expected = 20;
    for number in 1..10 {
        daemon.sender().deliver(&batch(number).1);
        expected += 20;
    }
    daemon.says("cannot write alerts to the outbox");
    thread::sleep(Duration::from_millis(300));
    assert_eq!(
        daemon.get("/readyz").status,
        200,
        "events can still be taken"
    );
    disk.make_room();
    setup.alerts().wait_for(expected);
    daemon.terminate();
}

#[test]
fn what_was_detected_on_a_full_disk_survives_a_kill() {
    let Some(disk) = SmallDisk::mount("16m") else {
        return;
    };
    let mut setup = Setup::new();
    setup.state = disk.path().join("state");
    let daemon = setup.start();
    let mut acknowledged = 0;
    disk.fill(300_000);
    for number in 0.. {
        if daemon.sender().post(&batch(number).1).status != 200 {
            break;
        }
        acknowledged += 20;
    }
    daemon.kill();
    disk.make_room();
    let daemon = setup.start();
    let alerts = setup.alerts();
    let count = || alerts.ids().len();
    let mut daemon = daemon;
    daemon.until("alerts of what was acknowledged", |_| {
        count() >= acknowledged
    });
    daemon.terminate();
    let mut ids = alerts.ids();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), count(), "no alert twice");
}
