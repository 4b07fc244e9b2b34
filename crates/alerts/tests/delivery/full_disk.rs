//! A disk that runs full under the alert file.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use kubevigil_alerts::output::file::appender::{Appender, Line};

use crate::alerts;

/// A small disk of its own, unmounted at the end.
struct SmallDisk(tempfile::TempDir);

impl SmallDisk {
    fn mount() -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let mut mount = Command::new("mount");
        mount
            .args(["-t", "tmpfs", "-o", "size=1m", "tmpfs"])
            .arg(folder.path())
            .stderr(Stdio::null());
        let mounted = mount.status().is_ok_and(|status| status.success());
        if !mounted {
            println!("skipped: mounting a small disk needs root");
        }
        mounted.then_some(Self(folder))
    }

    /// Fills the disk, but for `left` bytes.
    fn fill(&self, left: u64) {
        let mut ballast = OpenOptions::new()
            .append(true)
            .create(true)
            .open(self.ballast())
            .unwrap();
        while ballast.write(&[1; 4096]).is_ok_and(|written| written > 0) {}
        let size = ballast.metadata().unwrap().len();
        ballast.set_len(size - left).unwrap();
    }

    fn ballast(&self) -> std::path::PathBuf {
        self.0.path().join("ballast")
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(self.0.path()).status();
    }
}

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
    let Some(disk) = SmallDisk::mount() else {
        return;
    };
    let state = tempfile::tempdir().unwrap();
    let log = disk.0.path().join("alerts.jsonl");
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
    fs::remove_file(disk.ballast()).unwrap();
    appender.append(&lines(3..9)).unwrap();
    assert_each_once(&log, 9);
}

#[test]
fn a_full_disk_under_the_checkpoint_is_retried_and_each_line_stands_once() {
    let Some(disk) = SmallDisk::mount() else {
        return;
    };
    let logs = tempfile::tempdir().unwrap();
    let log = logs.path().join("alerts.jsonl");
    let checkpoint = disk.0.path().join("file.json");
    let mut appender = Appender::new(log.clone(), checkpoint.clone());
    appender.append(&lines(0..3)).unwrap();
    disk.fill(0);
    appender.append(&lines(3..6)).unwrap_err();
    appender.append(&lines(3..6)).unwrap_err();
    fs::remove_file(disk.ballast()).unwrap();
    Appender::new(log.clone(), checkpoint)
        .append(&lines(3..7))
        .unwrap();
    assert_each_once(&log, 7);
}
