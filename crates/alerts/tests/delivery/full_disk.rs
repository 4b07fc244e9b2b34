//! A disk that runs full under the alert file.

use std::fs;
use std::path::Path;

use kubevigil_alerts::output::file::appender::{Appender, Line};

use crate::alerts;
use crate::small_disk::SmallDisk;

fn lines(numbers: std::ops::Range<u64>) -> Vec<Line> {
    numbers
        .map(|number| {
            (
                alerts::alert(number).id,
                format!("{number} {}", "x".repeat(5_000)),
            )
        })
        .collect()
}

fn assert_each_once(log: &Path, until: u64) {
    let text = fs::read_to_string(log).unwrap();
    let expected: Vec<String> = lines(0..until).into_iter().map(|(_, line)| line).collect();
    assert!(text.lines().eq(expected.iter()), "{} bytes", text.len());
}

#[test]
fn a_full_disk_is_retried_and_each_line_stands_once() {
    let Some(disk) = SmallDisk::mount("1m") else {
        return;
    };
    let state = tempfile::tempdir().unwrap();
    let log = disk.path().join("alerts.jsonl");
    let mut appender = Appender::new(log.clone(), state.path().join("file.json"));
    appender.append(&lines(0..3)).unwrap();
    disk.fill(8_192);
    for _ in 0..3 {
        let error = appender.append(&lines(3..9)).unwrap_err();
        assert!(
            error.to_string().contains("No space left on device"),
            "{error}"
        );
    }
    disk.make_room();
    appender.append(&lines(3..9)).unwrap();
    assert_each_once(&log, 9);
}

#[test]
fn a_full_disk_under_the_checkpoint_is_retried_and_each_line_stands_once() {
    let Some(disk) = SmallDisk::mount("1m") else {
        return;
    };
    let logs = tempfile::tempdir().unwrap();
    let log = logs.path().join("alerts.jsonl");
    let checkpoint = disk.path().join("file.json");
    let mut appender = Appender::new(log.clone(), checkpoint.clone());
    appender.append(&lines(0..3)).unwrap();
    disk.fill(0);
    appender.append(&lines(3..6)).unwrap_err();
    appender.append(&lines(3..6)).unwrap_err();
    disk.make_room();
    Appender::new(log.clone(), checkpoint)
        .append(&lines(3..7))
        .unwrap();
    assert_each_once(&log, 7);
}
