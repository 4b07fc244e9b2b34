//! What the path of a log may lead to: folders, pipes, devices, links, files of others.

#![expect(clippy::unwrap_used, clippy::print_stderr, reason = "tests")]

#[path = "../../../tests/small_disk.rs"]
mod small_disk;

use std::fs::{self, File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::os::unix::fs::{FileTypeExt as _, symlink};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use kubevigil_audit::time::Timestamp;
use kubevigil_record::backend::{BackendOptions, Mode};
use kubevigil_record::durable::DurableOptions;
use kubevigil_record::event::AuditEvent;
use kubevigil_record::log::{LogOptions, LogSink, RotatingFile};
use kubevigil_record::sink::{ErrorCounters, Sink as _};
use small_disk::SmallDisk;

const MIB: usize = 1024 * 1024;

/// A log at this path, in files of 1 MiB.
fn log(path: &Path) -> LogOptions {
    LogOptions {
        max_size: 1,
        ..LogOptions::new(path)
    }
}

fn event() -> Arc<AuditEvent> {
    Arc::new(AuditEvent::default())
}

fn now() -> Timestamp {
    Timestamp::parse(b"2026-07-23T18:32:12.123Z").unwrap()
}

/// The paths below a folder.
fn tree(folder: &Path) -> Vec<PathBuf> {
    let mut paths = Vec::new();
    for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
        paths.push(entry.path());
        if entry.file_type().unwrap().is_dir() {
            paths.extend(tree(&entry.path()));
        }
    }
    paths.sort();
    paths
}

fn make_pipe(path: &Path) {
    assert!(Command::new("mkfifo").arg(path).status().unwrap().success());
}

/// A device of the test's own that is always full; `None`, with a message, where none can be made.
fn full_device(folder: &Path) -> Option<PathBuf> {
    let path = folder.join("full");
    let made = Command::new("mknod")
        .arg(&path)
        .args(["c", "1", "7"])
        .output();
    let works = made.is_ok_and(|made| made.status.success())
        && OpenOptions::new().write(true).open(&path).is_ok();
    if !works {
        eprintln!("skipped: making a device needs root");
    }
    works.then_some(path)
}

#[test]
fn a_line_that_found_no_room_leaves_no_piece_behind() {
    let Some(disk) = SmallDisk::mount("1m") else {
        return;
    };
    let path = disk.path().join("audit.log");
    let mut file = RotatingFile::new(&log(&path)).unwrap();
    file.write(b"first\n", now()).unwrap();
    disk.fill(0);
    let mut long = vec![b'x'; 64 * 1024];
    long.push(b'\n');
    file.write(&long, now()).unwrap_err();
    disk.make_room();
    file.write(b"last\n", now()).unwrap();
    assert_eq!(fs::read_to_string(&path).unwrap(), "first\nlast\n");
}

#[test]
fn what_can_be_no_log_is_told_before_and_at_the_start_in_the_same_words() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    fs::create_dir(at("folder")).unwrap();
    fs::write(at("file"), "").unwrap();
    let _socket = UnixListener::bind(at("socket")).unwrap();
    symlink("nowhere/audit.log", at("dangling")).unwrap();
    symlink("round", at("round")).unwrap();
    symlink("folder", at("linked")).unwrap();
    let cases = [
        (
            "folder",
            "the audit log DIR/folder is a directory; name a file in it",
        ),
        (
            "linked",
            "the audit log DIR/linked is a directory; name a file in it",
        ),
        (
            "socket",
            "the audit log DIR/socket is a socket, which takes no lines; name a file, or `-` for standard output",
        ),
        (
            "file/audit.log",
            "the audit log DIR/file/audit.log cannot be made: nothing can be made in DIR/file",
        ),
        (
            "dangling",
            "the audit log DIR/dangling is a link to DIR/nowhere/audit.log, where no file can be made: No such file",
        ),
        (
            "round",
            "the audit log DIR/round is a link to DIR/round, where no file can be made: Too many levels",
        ),
    ];
    for (name, expected) in cases {
        let options = log(&at(name));
        let expected = expected.replace("DIR", &folder.path().display().to_string());
        let checked = options.check().unwrap_err().to_string();
        assert!(checked.starts_with(&expected), "{checked}");
        let opened = RotatingFile::new(&options).unwrap_err().to_string();
        assert!(opened.starts_with(&expected), "{opened}");
    }
}

#[test]
fn a_check_leaves_no_trace() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("audit.log");
    fs::write(&path, "old\n").unwrap();
    make_pipe(&folder.path().join("pipe"));
    symlink("new.log", folder.path().join("link")).unwrap();
    let before = tree(folder.path());
    let times =
        || [folder.path(), &path].map(|path| fs::metadata(path).unwrap().modified().unwrap());
    let then = times();
    for name in ["audit.log", "pipe", "link", "new.log", "a/b/audit.log"] {
        log(&folder.path().join(name)).check().unwrap();
    }
    let state = folder.path().join("state/audit-log");
    DurableOptions::new(state).check().unwrap();
    assert_eq!(tree(folder.path()), before);
    assert_eq!(times(), then);
    assert_eq!(fs::read_to_string(&path).unwrap(), "old\n");
}

#[test]
fn a_disk_that_is_read_only_is_told_before_the_start() {
    let Some(disk) = SmallDisk::mount("1m") else {
        return;
    };
    let old = disk.path().join("old.log");
    fs::write(&old, "").unwrap();
    let remount = Command::new("mount")
        .args(["-o", "remount,ro"])
        .arg(disk.path())
        .status();
    assert!(remount.unwrap().success());
    for path in [disk.path().join("a/audit.log"), old] {
        let error = log(&path).check().unwrap_err().to_string();
        assert!(error.contains("Read-only file system"), "{error}");
    }
    let error = DurableOptions::new(disk.path().join("state/audit-log")).check();
    let expected = format!(
        "nothing can be made in {}: Read-only",
        disk.path().display()
    );
    assert!(error.unwrap_err().to_string().starts_with(&expected));
}

#[test]
fn a_pipe_without_a_reader_is_refused_instead_of_waited_for() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("pipe");
    make_pipe(&path);
    let error = RotatingFile::new(&log(&path)).unwrap_err().to_string();
    assert!(
        error.ends_with("is a pipe that nobody reads; start its reader first"),
        "{error}"
    );
}

#[test]
fn the_reader_of_a_pipe_is_not_at_its_end_before_the_gateway_is() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("pipe");
    make_pipe(&path);
    let reading = {
        let path = path.clone();
        std::thread::spawn(move || {
            let mut text = String::new();
            File::open(path).unwrap().read_to_string(&mut text).unwrap();
            text
        })
    };
    let mut file = loop {
        match RotatingFile::new(&log(&path)) {
            Ok(file) => break file,
            // The reader is not there yet.
            Err(_) => std::thread::sleep(Duration::from_millis(1)),
        }
    };
    std::thread::sleep(Duration::from_millis(50));
    file.write(b"one\n", now()).unwrap();
    file.write(b"two\n", now()).unwrap();
    drop(file);
    assert_eq!(reading.join().unwrap(), "one\ntwo\n");
}

#[tokio::test]
async fn in_mode_durable_a_pipe_gets_each_event_once() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("pipe");
    make_pipe(&path);
    let mut reader = OpenOptions::new()
        .read(true)
        .write(true)
        .open(&path)
        .unwrap();
    let options = BackendOptions {
        mode: Mode::Durable,
        ..BackendOptions::log()
    };
    let durable = DurableOptions::new(folder.path().join("state"));
    let backend = options
        .open_log(&log(&path), Some(&durable), &Arc::default())
        .unwrap();
    for _ in 0..3 {
        backend.sink.emit(&[event()]).await.unwrap();
        tokio::time::sleep(Duration::from_millis(400)).await;
    }
    backend.sink.shutdown().await;
    let figures = backend.durable.unwrap().figures();
    assert_eq!(
        (
            figures.delivered,
            figures.failed_deliveries,
            figures.waiting_events
        ),
        (3, 0, 0)
    );
    reader.write_all(b"end").unwrap();
    let mut text = vec![0; 65_536];
    let length = reader.read(&mut text).unwrap();
    let text = String::from_utf8_lossy(text.get(..length).unwrap());
    assert_eq!(text.lines().count(), 4, "{text}");
}

#[tokio::test]
async fn each_write_that_a_device_refuses_is_counted_and_the_device_stays() {
    let folder = tempfile::tempdir().unwrap();
    let Some(device) = full_device(folder.path()) else {
        return;
    };
    let link = folder.path().join("audit.log");
    symlink(&device, &link).unwrap();
    for path in [&device, &link] {
        let counters = Arc::<ErrorCounters>::default();
        log(path).check().unwrap();
        let sink = LogSink::open(&log(path), Arc::clone(&counters)).unwrap();
        let large = AuditEvent {
            user_agent: "x".repeat(MIB),
            ..AuditEvent::default()
        };
        for event in [event(), Arc::new(large), event()] {
            let error = sink.emit(&[event]).await.unwrap_err().to_string();
            assert!(error.contains("No space left on device"), "{error}");
        }
        assert_eq!(counters.get("log"), 3);
    }
    assert_eq!(tree(folder.path()), [link.clone(), device.clone()]);
    assert!(link.is_symlink() && fs::metadata(device).unwrap().file_type().is_char_device());
}

#[test]
fn the_file_behind_a_link_is_put_aside_and_the_link_stays() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    fs::create_dir(at("disk")).unwrap();
    symlink("disk/real.log", at("audit.log")).unwrap();
    let mut file = RotatingFile::new(&log(&at("audit.log"))).unwrap();
    let line = [vec![b'x'; MIB - 1], vec![b'\n']].concat();
    file.write(&line, now()).unwrap();
    file.write(&line, now()).unwrap();
    let expected = [
        "audit.log",
        "disk",
        "disk/real-2026-07-23T18-32-12.123.log",
        "disk/real.log",
    ];
    assert_eq!(tree(folder.path()), expected.map(at));
    assert_eq!(
        fs::read_link(at("audit.log")).unwrap(),
        Path::new("disk/real.log")
    );
}

/// Standard output of whoever started the process, for one: behind `/proc/self/fd/1` may be any file.
#[test]
fn what_a_link_of_the_system_leads_to_is_never_put_aside() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("redirected");
    let held = File::create(&path).unwrap();
    let number = std::os::fd::AsRawFd::as_raw_fd(&held);
    let link = folder.path().join("audit.log");
    symlink(format!("/dev/fd/{number}"), &link).unwrap();
    let mut file = RotatingFile::new(&log(&link)).unwrap();
    for _ in 0..3 {
        file.write(&[b'x'; MIB], now()).unwrap();
    }
    assert_eq!(tree(folder.path()), [link, path.clone()]);
    assert_eq!(fs::metadata(path).unwrap().len(), 3 * MIB as u64);
}

#[test]
fn one_file_is_the_log_of_one_gateway() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("audit.log");
    symlink("audit.log", folder.path().join("link")).unwrap();
    let mut first = RotatingFile::new(&log(&path)).unwrap();
    let refused = |name: &str| {
        let error = RotatingFile::new(&log(&folder.path().join(name))).unwrap_err();
        assert!(
            error.to_string().contains("is in use by another gateway"),
            "{error}"
        );
    };
    refused("audit.log");
    refused("link");
    first.write(&[b'x'; MIB], now()).unwrap();
    first.write(b"behind the first file\n", now()).unwrap();
    refused("audit.log");
    // Who only looks, looks.
    log(&path).check().unwrap();
    drop(first);
    RotatingFile::new(&log(&path)).unwrap();
}

#[test]
fn standard_output_has_more_than_one_name() {
    for (path, is_stdout) in [
        ("-", true),
        ("/dev/stdout", true),
        ("/dev/fd/1", true),
        ("./-", false),
    ] {
        assert_eq!(LogOptions::new(path).is_stdout(), is_stdout, "{path}");
    }
}
