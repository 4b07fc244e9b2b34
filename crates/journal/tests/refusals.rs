//! Directories that cannot be a journal, and what the user reads then.

use kubevigil_journal::{Journal, NewRecord, OpenError, Options, Recovery};
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::path::Path;
use std::process::{Command, Stdio};

fn open(dir: &Path) -> Result<(Journal, Recovery), OpenError> {
    Journal::open(dir, Options::default())
}

/// Run by `another_process_is_told_who_holds_the_journal` in a process of its own.
#[test]
fn hold_a_journal_until_killed() {
    let Some(dir) = std::env::var_os("JOURNAL_TO_HOLD") else {
        return;
    };
    let _journal = open(Path::new(&dir)).unwrap();
    eprintln!("held");
    std::thread::sleep(std::time::Duration::from_secs(60));
}

#[test]
fn another_process_is_told_who_holds_the_journal() {
    let dir = tempfile::tempdir().unwrap();
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "hold_a_journal_until_killed", "--nocapture"])
        .env("JOURNAL_TO_HOLD", dir.path())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap() == "held"));
    let text = open(dir.path()).unwrap_err().to_string();
    child.kill().unwrap();
    child.wait().unwrap();
    let (path, pid) = (dir.path().display(), child.id());
    let expected = format!(
        "the journal {path} is in use by another process (process {pid}); stop that one or choose \
         another directory"
    );
    assert_eq!(text, expected);
    open(dir.path()).unwrap();
}

#[test]
fn a_journal_of_another_user_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    drop(open(dir.path()).unwrap());
    if chown(dir.path().join("journal.lock"), Some(4242), None).is_err() {
        eprintln!("skipped: only root can give a file away");
        return;
    }
    let text = open(dir.path()).unwrap_err().to_string();
    assert!(
        text.contains("belongs to user 4242 and this process runs as user 0"),
        "{text}"
    );
}

#[test]
fn a_segment_of_a_newer_version_is_refused_and_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let (journal, _) = open(dir.path()).unwrap();
    journal
        .append(vec![NewRecord::unkeyed("x")])
        .unwrap()
        .wait()
        .unwrap();
    drop(journal);
    let segment = dir.path().join("00000000000000000000.seg");
    let mut bytes = fs::read(&segment).unwrap();
    // Version 2 with a checksum that holds.
    bytes.splice(8..12, 2_u32.to_le_bytes());
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(bytes.get(..12).unwrap());
    hasher.update(bytes.get(16..48).unwrap());
    bytes.splice(12..16, hasher.finalize().to_le_bytes());
    fs::write(&segment, &bytes).unwrap();
    let text = open(dir.path()).unwrap_err().to_string();
    assert!(
        text.contains("has layout version 2, this build reads version 1"),
        "{text}"
    );
    assert_eq!(fs::read(&segment).unwrap(), bytes);
}

#[test]
fn broken_reader_places_are_named_with_what_to_do() {
    let dir = tempfile::tempdir().unwrap();
    drop(open(dir.path()).unwrap());
    fs::write(
        dir.path().join("places.redb"),
        "not a database, but long enough ".repeat(1000),
    )
    .unwrap();
    let text = open(dir.path()).unwrap_err().to_string();
    assert!(
        text.contains("places.redb") && text.contains("move that file away"),
        "{text}"
    );
}

#[test]
fn everything_is_made_for_its_owner_alone() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("state/events");
    drop(open(&path).unwrap());
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&path), 0o700);
    assert_eq!(mode(&path.join("00000000000000000000.seg")), 0o600);
}
