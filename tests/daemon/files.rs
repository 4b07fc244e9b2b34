//! Log files and standard input as sources.

use std::fs::{self, File, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::thread;
use std::time::Duration;

use crate::alerts::tally;
use crate::daemon::{Daemon, Setup};
use crate::events::{event, quiet};

/// Writes a log and rotates it as a kube-apiserver does: rename, then create.
struct Log {
    path: PathBuf,
    file: File,
    rotations: usize,
}

impl Log {
    fn new(path: PathBuf) -> Self {
        let file = OpenOptions::new()
            .append(true)
            .create(true)
            .open(&path)
            .unwrap();
        Self {
            path,
            file,
            rotations: 0,
        }
    }

    /// Writes a line in two pieces, so that a reader may find half of it.
    fn write(&mut self, id: &str) {
        let line = event(id) + "\n";
        let (first, rest) = line.split_at(fastrand::usize(1..line.len()));
        self.file.write_all(first.as_bytes()).unwrap();
        if fastrand::u8(..) == 0 {
            thread::sleep(Duration::from_millis(5));
        }
        self.file.write_all(rest.as_bytes()).unwrap();
    }

    fn rotate(&mut self) {
        self.rotations += 1;
        let backup = format!("audit-2026-01-01T12-00-{:02}.000.log", self.rotations);
        fs::rename(&self.path, self.path.with_file_name(backup)).unwrap();
        self.file = OpenOptions::new()
            .append(true)
            .create_new(true)
            .open(&self.path)
            .unwrap();
    }
}

fn following(setup: &mut Setup) -> PathBuf {
    let log = setup.path("audit.log");
    setup.sources = format!(
        "{{webhook: null, files: [{{paths: [{}], poll_milliseconds: 20}}]}}",
        log.display()
    );
    log
}

/// Whether some file source has kept its place in the state folder.
fn checkpoint_exists(state: &Path) -> bool {
    let names = fs::read_dir(state).into_iter().flatten().flatten();
    names
        .map(|entry| entry.file_name().into_string().unwrap_or_default())
        .any(|name| name.starts_with("files-") && name.ends_with(".json"))
}

#[test]
fn a_log_is_followed_through_rotation_and_kills_and_every_event_alerts_once() {
    let mut setup = Setup::new();
    let path = following(&mut setup);
    let mut daemon: Option<Daemon> = Some(setup.start());
    let mut log = Log::new(path);
    // A file that is rotated away before it was ever seen is no live log: this one is seen.
    daemon
        .as_mut()
        .unwrap()
        .until("the checkpoint", |_| checkpoint_exists(&setup.state));
    let mut written = Vec::new();
    for number in 0..3_000 {
        let id = number.to_string();
        log.write(&id);
        written.push(id);
        match number % 500 {
            100 | 350 => log.rotate(),
            200 => daemon.take().unwrap().kill(),
            // Down while the log is rotated, and up again.
            400 => daemon = Some(setup.start()),
            _ => {}
        }
    }
    let mut daemon = daemon.unwrap();
    let alerts = setup.alerts();
    daemon.eventually("events without an alert", |_| {
        let ids = alerts.ids();
        let known = tally(ids.iter().map(String::as_str));
        written
            .iter()
            .filter(|id| !known.contains_key(id.as_str()))
            .cloned()
            .collect()
    });
    daemon.terminate();
    let ids = alerts.ids();
    let repeated: Vec<_> = tally(ids.iter().map(String::as_str))
        .into_iter()
        .filter(|(_, times)| *times > 1)
        .collect();
    assert_eq!(repeated, []);
}

#[test]
fn alerts_name_the_file_and_line_of_their_event() {
    let mut setup = Setup::new();
    let path = following(&mut setup);
    fs::write(&path, format!("{}\nno event\n{}\n", quiet("a"), event("b"))).unwrap();
    let mut daemon = setup.start();
    let alerts = setup.alerts().wait_for(1);
    assert_eq!(alerts[0]["event"]["file"].as_str(), path.to_str());
    assert_eq!(alerts[0]["event"]["line"], 3);
    daemon.counts("kubevigil_source_problems_total{source=\"file\"}", 1);
    daemon.counts("kubevigil_source_events_total{source=\"file\"}", 2);
    assert!(
        daemon
            .log()
            .contains(&format!("following {}", path.display())),
        "{}",
        daemon.log()
    );
}

#[test]
fn standard_input_is_read_to_its_end_and_the_daemon_stays() {
    let mut setup = Setup::new();
    setup.sources = "{webhook: null, stdin: true}".to_owned();
    setup.stdin = Stdio::piped();
    let mut daemon = setup.start();
    let mut stdin = daemon.child.stdin.take().unwrap();
    writeln!(stdin, "{}\n{}", event("a"), quiet("b")).unwrap();
    setup.alerts().wait_for(1);
    write!(stdin, "{}", event("c")).unwrap();
    drop(stdin);
    let alerts = setup.alerts().wait_for(2);
    assert_eq!(
        (&alerts[1]["event"]["file"], &alerts[1]["event"]["line"]),
        (&"-".into(), &3.into())
    );
    assert_eq!(
        daemon.metric("kubevigil_source_events_total{source=\"stdin\"}"),
        Some(3)
    );
    daemon.terminate();
}

#[test]
fn a_daemon_that_waits_for_standard_input_can_be_stopped() {
    let mut setup = Setup::new();
    setup.sources = "{webhook: null, stdin: true}".to_owned();
    setup.stdin = Stdio::piped();
    let mut daemon = setup.start();
    let _open = daemon.child.stdin.take().unwrap();
    daemon.terminate();
}
