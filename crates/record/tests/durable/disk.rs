//! Disks that run full, below the events that wait and below the log.

use std::fs;
use std::sync::Arc;
use std::time::Duration;

use kubevigil_record::durable::DurableOptions;
use kubevigil_record::sink::ErrorCounters;

use crate::receiver::{Receiver, webhook};
use crate::small_disk::SmallDisk;
use crate::{DURABLE_LOG, durable, event, log_options, logged, wait_for, wait_until_delivered};

#[tokio::test]
async fn a_disk_that_is_full_of_waiting_events_fails_requests_and_heals_by_delivery() {
    let Some(disk) = SmallDisk::mount("8m") else {
        return;
    };
    let address = Receiver::nobody();
    let backend = crate::webhook::open(disk.path(), webhook(address), Duration::from_secs(30));
    let mut kept = Vec::new();
    let error = loop {
        let id = kept.len().to_string();
        match backend.sink.emit(&[event(&id, 20_000)]).await {
            Ok(()) => kept.push(id),
            Err(error) => break error.to_string(),
        }
    };
    assert!(
        error.starts_with("webhook: cannot write to the journal: No space left"),
        "{error}"
    );
    assert!(kept.len() > 100, "{} events", kept.len());

    let receiver = Receiver::at(address);
    wait_until_delivered(&backend).await;
    assert_eq!(
        receiver.ids(|status| status == 200),
        kept,
        "what failed is not there"
    );
}

#[tokio::test]
async fn requests_go_on_while_there_is_room_again_below_the_waiting_events() {
    let Some(disk) = SmallDisk::mount("8m") else {
        return;
    };
    let receiver = Receiver::start();
    let address = receiver.address;
    let backend = crate::webhook::open(disk.path(), webhook(address), Duration::from_secs(30));
    let mut kept = Vec::new();
    for _ in 0..2 {
        disk.fill(100_000);
        loop {
            let id = kept.len().to_string();
            if backend.sink.emit(&[event(&id, 20_000)]).await.is_err() {
                break;
            }
            kept.push(id);
        }
        disk.make_room();
        let id = kept.len().to_string();
        let mut is_kept = false;
        for _ in 0..100 {
            is_kept = is_kept || backend.sink.emit(&[event(&id, 0)]).await.is_ok();
        }
        assert!(is_kept, "works again at once");
        kept.push(id);
    }
    backend.sink.shutdown().await;
    assert_eq!(receiver.ids(|status| status == 200), kept);
}

#[tokio::test]
async fn a_log_without_room_delays_events_and_has_each_whole_and_once_afterwards() {
    let Some(disk) = SmallDisk::mount("8m") else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let options = DurableOptions {
        drain: Duration::from_secs(30),
        ..DurableOptions::new(folder.path().join("state"))
    };
    let errors = Arc::new(ErrorCounters::default());
    let backend = DURABLE_LOG()
        .open_log(&log_options(disk.path()), Some(&options), &errors)
        .unwrap();
    disk.fill(50_000);
    let ids: Vec<String> = (0..100).map(|number| number.to_string()).collect();
    for id in &ids {
        backend.sink.emit(&[event(id, 3_001)]).await.unwrap();
    }
    wait_for("failures", || {
        durable(&backend).figures().failed_deliveries > 2
    })
    .await;
    let text = fs::read(log_options(disk.path()).path).unwrap();
    assert!(
        !text.ends_with(b"\n"),
        "the disk was full in the middle of a line"
    );
    disk.make_room();
    backend.sink.shutdown().await;
    assert_eq!(logged(disk.path(), false)["audit.log"], ids);
    assert_eq!(errors.get("log"), 0);
}
