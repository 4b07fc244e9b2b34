//! A disk that runs full: errors, no loss, and work again when there is room.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "tests"
)]

#[path = "../../../tests/small_disk.rs"]
mod small_disk;

use kubevigil_journal::{Health, Journal, NewRecord, Options, Place, ReaderStart, WriteErrorKind};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use small_disk::SmallDisk;

fn batch(number: u64) -> Vec<NewRecord> {
    (0..10)
        .map(|n| NewRecord::unkeyed(format!("{number} {n} {}", "x".repeat(3000))))
        .collect()
}

/// Appends until it fails; gives how many batches are on disk.
fn append_until_full(journal: &Journal, from: u64) -> u64 {
    for number in from.. {
        match journal.append(batch(number)).unwrap().wait() {
            Ok(_) => {}
            Err(error) => {
                assert_eq!(error.kind, WriteErrorKind::NoSpace, "{error}");
                return number;
            }
        }
    }
    panic!("the disk never fills")
}

fn numbers(journal: &Journal) -> Vec<u64> {
    let mut reader = journal.reader("check", ReaderStart::Oldest).unwrap();
    reader.seek(Place::new(0));
    let mut numbers = Vec::new();
    loop {
        let records = reader.read(1000, 1 << 20, Duration::ZERO).unwrap();
        if records.is_empty() {
            return numbers;
        }
        for record in records {
            let text = std::str::from_utf8(&record.payload).unwrap();
            numbers.push(text.split(' ').next().unwrap().parse().unwrap());
        }
    }
}

fn ten_of_each(count: u64) -> Vec<u64> {
    (0..count).flat_map(|number| [number; 10]).collect()
}

fn wait_until_good(journal: &Journal) {
    let started = Instant::now();
    while journal.health() != Health::Good {
        assert!(
            started.elapsed() < Duration::from_secs(20),
            "the journal does not heal"
        );
        thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn a_full_disk_refuses_heals_and_loses_nothing() {
    let Some(disk) = SmallDisk::mount("8m") else {
        return;
    };
    let dir = disk.path().join("journal");
    let options = Options {
        segment_bytes: 1 << 20,
        ..Options::default()
    };
    let (journal, _) = Journal::open(&dir, options.clone()).unwrap();

    let full = append_until_full(&journal, 0);
    assert!(full > 10);
    let Health::Failing(trouble) = journal.health() else {
        panic!("must be failing")
    };
    assert_eq!(trouble.error.kind, WriteErrorKind::NoSpace);
    assert_eq!(
        numbers(&journal),
        ten_of_each(full),
        "what failed is not there"
    );

    disk.fill(0);
    assert!(journal.append(batch(full)).unwrap().wait().is_err());
    let retry = append_after_room(&journal, &disk, full);
    assert_eq!(numbers(&journal), ten_of_each(retry));

    drop(journal);
    let (journal, recovery) = Journal::open(&dir, options).unwrap();
    assert_eq!((recovery.cut_bytes, recovery.damaged.len()), (0, 0));
    assert_eq!(numbers(&journal), ten_of_each(retry));
}

/// Frees room (what the ballast took, and old files would do as well) and appends once more.
fn append_after_room(journal: &Journal, disk: &SmallDisk, full: u64) -> u64 {
    disk.make_room();
    resize(disk, "16m");
    wait_until_good(journal);
    journal.append(batch(full)).unwrap().wait().unwrap();
    full + 1
}

fn resize(disk: &SmallDisk, size: &str) {
    let options = format!("remount,size={size}");
    let status = Command::new("mount")
        .args(["-o", &options])
        .arg(disk.path())
        .status()
        .unwrap();
    assert!(status.success());
}

#[test]
fn commits_fail_on_a_full_disk_and_work_again_with_room() {
    let Some(disk) = SmallDisk::mount("8m") else {
        return;
    };
    let (journal, _) = Journal::open(disk.path().join("journal"), Options::default()).unwrap();
    journal.append(batch(0)).unwrap().wait().unwrap();
    let reader = journal.reader("r", ReaderStart::Oldest).unwrap();
    reader.commit(Place::new(0)).unwrap();

    disk.fill(0);
    let state = vec![7; 4 << 20];
    let large = journal.commit_all(&[("r", Place::new(5))], &[("state", &state)]);
    let text = large.unwrap_err().to_string();
    assert!(text.contains("cannot write reader places"), "{text}");
    assert_eq!(journal.stats().readers[0].committed, Some(Place::new(0)));

    disk.make_room();
    resize(&disk, "32m");
    journal
        .commit_all(&[("r", Place::new(5))], &[("state", &state)])
        .unwrap();
    drop((reader, journal));
    let (journal, _) = Journal::open(disk.path().join("journal"), Options::default()).unwrap();
    assert_eq!(journal.stats().readers[0].committed, Some(Place::new(5)));
    assert_eq!(journal.blob("state").unwrap().unwrap(), state);
}
