//! Alerts in files: each exactly once, wherever the process dies.
//!
//! A crash is played by putting the disk back into a state that a dying process could have left: the bytes of a batch written
//! up to anywhere, the checkpoint before or after, the commit not done.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use kubevigil_alerts::AlertId;
use kubevigil_alerts::output::file::appender::{Appender, Line};
use proptest::prelude::*;
use tempfile::TempDir;

use crate::alerts;

struct Disk {
    folder: TempDir,
}

impl Disk {
    fn new() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
        }
    }

    fn log(&self) -> PathBuf {
        self.folder.path().join("alerts.jsonl")
    }

    fn rotated(&self, number: usize) -> PathBuf {
        self.folder.path().join(format!("alerts.jsonl.{number}"))
    }

    fn checkpoint(&self) -> PathBuf {
        // In a folder of its own: only log files stand beside each other.
        let folder = self.folder.path().join("state");
        fs::create_dir_all(&folder).unwrap();
        folder.join("file.json")
    }

    /// A process that starts.
    fn appender(&self) -> Appender {
        Appender::new(self.log(), self.checkpoint())
    }

    fn text(&self) -> String {
        fs::read_to_string(self.log()).unwrap_or_default()
    }

    /// The lines of all files, the oldest first.
    fn lines(&self, rotations: usize) -> Vec<String> {
        let files = (0..rotations)
            .map(|number| self.rotated(number))
            .chain([self.log()]);
        let texts = files.filter_map(|path| fs::read_to_string(path).ok());
        texts
            .flat_map(|text| text.lines().map(str::to_owned).collect::<Vec<_>>())
            .collect()
    }
}

fn line(number: u64) -> Line {
    (
        id(number),
        format!(
            "{{\"n\":{number},\"pad\":\"{}\"}}",
            "x".repeat(usize::try_from(number).unwrap() % 7)
        ),
    )
}

fn id(number: u64) -> AlertId {
    alerts::alert(number).id
}

fn lines(numbers: std::ops::Range<u64>) -> Vec<Line> {
    numbers.map(line).collect()
}

fn texts(numbers: std::ops::Range<u64>) -> Vec<String> {
    numbers.map(|number| line(number).1).collect()
}

#[test]
fn lines_are_appended_to_what_stands_there() {
    let disk = Disk::new();
    fs::write(disk.log(), "before\n").unwrap();
    let mut appender = disk.appender();
    appender.append(&lines(0..2)).unwrap();
    appender.append(&lines(2..3)).unwrap();
    assert_eq!(disk.text(), format!("before\n{}\n", texts(0..3).join("\n")));
}

#[test]
fn a_new_file_is_private() {
    let disk = Disk::new();
    disk.appender().append(&lines(0..1)).unwrap();
    assert_eq!(
        fs::metadata(disk.log()).unwrap().permissions().mode() & 0o777,
        0o600
    );
    assert_eq!(
        fs::metadata(disk.checkpoint())
            .unwrap()
            .permissions()
            .mode()
            & 0o777,
        0o600
    );
}

#[test]
fn an_unfinished_line_of_somebody_else_is_kept_apart() {
    let disk = Disk::new();
    fs::write(disk.log(), "unfinished").unwrap();
    disk.appender().append(&lines(0..1)).unwrap();
    assert_eq!(
        disk.text(),
        format!("unfinished\n{}\n", texts(0..1).join(""))
    );
}

#[test]
fn killed_at_every_byte_of_a_batch_each_line_stands_once() {
    let disk = Disk::new();
    disk.appender().append(&lines(0..2)).unwrap();
    let before = (
        fs::read(disk.log()).unwrap(),
        fs::read(disk.checkpoint()).unwrap(),
    );
    disk.appender().append(&lines(2..5)).unwrap();
    let whole = fs::read(disk.log()).unwrap();
    for cut in before.0.len()..=whole.len() {
        fs::write(disk.log(), &whole[..cut]).unwrap();
        fs::write(disk.checkpoint(), &before.1).unwrap();
        disk.appender().append(&lines(2..5)).unwrap();
        assert_eq!(disk.lines(0), texts(0..5), "cut at byte {cut}");
    }
}

#[test]
fn killed_at_every_byte_of_the_first_batch_each_line_stands_once() {
    let disk = Disk::new();
    let mut appender = disk.appender();
    // The checkpoint is written before the first byte: what it says then is what a crash leaves.
    appender.append(&[]).unwrap();
    let first = fs::read(disk.checkpoint()).unwrap();
    appender.append(&lines(0..2)).unwrap();
    let whole = fs::read(disk.log()).unwrap();
    for cut in 0..=whole.len() {
        fs::write(disk.log(), &whole[..cut]).unwrap();
        fs::write(disk.checkpoint(), &first).unwrap();
        disk.appender().append(&lines(0..2)).unwrap();
        assert_eq!(disk.lines(0), texts(0..2), "cut at byte {cut}");
    }
}

#[test]
fn killed_then_rotated_at_every_byte_each_line_stands_once() {
    let disk = Disk::new();
    disk.appender().append(&lines(0..2)).unwrap();
    let before = (
        fs::read(disk.log()).unwrap(),
        fs::read(disk.checkpoint()).unwrap(),
    );
    disk.appender().append(&lines(2..5)).unwrap();
    let whole = fs::read(disk.log()).unwrap();
    for cut in before.0.len()..=whole.len() {
        // The same inode again: the file is moved back and written in place.
        if disk.rotated(0).exists() {
            fs::rename(disk.rotated(0), disk.log()).unwrap();
        }
        fs::write(disk.log(), &whole[..cut]).unwrap();
        fs::write(disk.checkpoint(), &before.1).unwrap();
        fs::rename(disk.log(), disk.rotated(0)).unwrap();
        if cut % 2 == 0 {
            fs::write(disk.log(), "").unwrap();
        }
        disk.appender().append(&lines(2..5)).unwrap();
        disk.appender().append(&lines(5..6)).unwrap();
        assert_eq!(disk.lines(1), texts(0..6), "cut at byte {cut}");
    }
}

#[test]
fn killed_between_checkpoint_and_commit_nothing_stands_twice() {
    let disk = Disk::new();
    disk.appender().append(&lines(0..4)).unwrap();
    // Handed over again in other batches than before.
    disk.appender().append(&lines(0..2)).unwrap();
    disk.appender().append(&lines(2..6)).unwrap();
    assert_eq!(disk.lines(0), texts(0..6));
}

#[test]
fn after_a_rename_lines_follow_the_file_until_told_or_until_there_is_a_new_one() {
    let disk = Disk::new();
    let mut appender = disk.appender();
    appender.append(&lines(0..1)).unwrap();
    fs::rename(disk.log(), disk.rotated(0)).unwrap();
    appender.append(&lines(1..2)).unwrap();
    assert!(!disk.log().exists());
    appender.reopen();
    appender.append(&lines(2..3)).unwrap();
    fs::rename(disk.log(), disk.rotated(1)).unwrap();
    fs::write(disk.log(), "").unwrap();
    appender.append(&lines(3..4)).unwrap();
    assert_eq!(disk.lines(2), texts(0..4));
    assert_eq!(disk.lines(0), texts(3..4));
}

#[test]
fn a_deleted_file_is_made_anew() {
    let disk = Disk::new();
    let mut appender = disk.appender();
    appender.append(&lines(0..1)).unwrap();
    fs::remove_file(disk.log()).unwrap();
    appender.append(&lines(1..2)).unwrap();
    assert_eq!(disk.lines(0), texts(1..2));
}

#[test]
fn a_file_truncated_in_place_goes_on_from_its_start() {
    let disk = Disk::new();
    let mut appender = disk.appender();
    appender.append(&lines(0..3)).unwrap();
    fs::copy(disk.log(), disk.rotated(0)).unwrap();
    fs::write(disk.log(), "").unwrap();
    appender.append(&lines(3..4)).unwrap();
    drop(appender);
    fs::copy(disk.log(), disk.rotated(1)).unwrap();
    fs::write(disk.log(), "").unwrap();
    disk.appender().append(&lines(4..6)).unwrap();
    assert_eq!(disk.lines(2), texts(0..6));
}

#[test]
fn an_unreadable_checkpoint_costs_repetition_but_loses_nothing() {
    let disk = Disk::new();
    disk.appender().append(&lines(0..2)).unwrap();
    fs::write(disk.checkpoint(), "{").unwrap();
    disk.appender().append(&lines(1..3)).unwrap();
    assert_eq!(disk.lines(0), [texts(0..2), texts(1..3)].concat());
}

#[test]
fn what_is_no_file_is_refused_and_named() {
    let disk = Disk::new();
    let error = Appender::new("/dev/full".into(), disk.checkpoint())
        .append(&lines(0..1))
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "cannot open /dev/full: not a regular file; use the output `stdout` or a path of its own"
    );
    let error =
        Appender::new(disk.folder.path().join("missing/x"), disk.checkpoint()).append(&lines(0..1));
    assert!(error.unwrap_err().to_string().contains("missing/x"));
}

/// What happens around one batch.
#[derive(Clone, Debug)]
enum Happening {
    /// Nothing special.
    Done,
    /// The commit fails; the same alerts are handed over again.
    CommitFails,
    /// The process dies before anything of the batch is durable but this share (of 1,000) of its bytes.
    KilledWriting(usize),
    /// The process dies after the checkpoint, before the commit.
    KilledBeforeCommit,
    /// The process dies after the commit.
    KilledAfter,
    /// The file is renamed and the process is told so.
    Rotated,
    /// The process dies while it writes, and the file is renamed before the next one starts.
    KilledWritingThenRotated(usize),
}

fn happening() -> impl Strategy<Value = Happening> {
    prop_oneof![
        3 => Just(Happening::Done),
        1 => Just(Happening::CommitFails),
        2 => (0..=1_000_usize).prop_map(Happening::KilledWriting),
        1 => Just(Happening::KilledBeforeCommit),
        1 => Just(Happening::KilledAfter),
        1 => Just(Happening::Rotated),
        2 => (0..=1_000_usize).prop_map(Happening::KilledWritingThenRotated),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]
    #[test]
    fn whatever_happens_each_line_stands_once_and_in_order(
        batches in prop::collection::vec((1_u64..5, happening()), 1..14),
    ) {
        let disk = Disk::new();
        let mut appender = disk.appender();
        let (mut committed, mut rotations, mut longest) = (0_u64, 0, 0_u64);
        for (size, happening) in batches {
            let until = committed + size;
            longest = longest.max(until);
            let before = (fs::read(disk.log()).ok(), fs::read(disk.checkpoint()).ok());
            appender.append(&lines(committed..until)).unwrap();
            let cut_short = |share: usize| {
                let Ok(whole) = fs::read(disk.log()) else { return };
                // Only within one file can the earlier checkpoint be put back.
                let Some(old) = before.0.as_ref().filter(|old| whole.starts_with(old)) else { return };
                let Some(checkpoint) = &before.1 else { return };
                let kept = old.len() + (whole.len() - old.len()) * share / 1_000;
                fs::OpenOptions::new().write(true).open(disk.log()).unwrap().set_len(kept as u64).unwrap();
                fs::write(disk.checkpoint(), checkpoint).unwrap();
            };
            let mut rotate = || {
                if disk.log().exists() {
                    fs::rename(disk.log(), disk.rotated(rotations)).unwrap();
                    rotations += 1;
                }
            };
            match happening {
                Happening::Done => committed = until,
                Happening::CommitFails => {}
                Happening::KilledWriting(share) => {
                    cut_short(share);
                    appender = disk.appender();
                }
                Happening::KilledBeforeCommit => appender = disk.appender(),
                Happening::KilledAfter => {
                    committed = until;
                    appender = disk.appender();
                }
                Happening::Rotated => {
                    committed = until;
                    rotate();
                    appender.reopen();
                }
                Happening::KilledWritingThenRotated(share) => {
                    cut_short(share);
                    rotate();
                    appender = disk.appender();
                }
            }
        }
        appender.append(&lines(committed..longest.max(committed + 1))).unwrap();
        let all = disk.lines(rotations);
        prop_assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), all.len(), "nothing twice");
        prop_assert_eq!(all, texts(0..longest.max(committed + 1)));
    }
}
