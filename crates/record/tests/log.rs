//! The log backend writes and rotates real files as the API server does (spec 9, 9.1).

#![expect(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::io::Read as _;
use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _, symlink};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use kubevigil_audit::time::Timestamp;
use kubevigil_record::event::AuditEvent;
use kubevigil_record::log::{LogFormat, LogOptions, LogSink, RotatingFile};
use kubevigil_record::sink::{ErrorCounters, Sink as _};
use proptest::prelude::*;

const MIB: usize = 1024 * 1024;

fn at(milliseconds: i128) -> Timestamp {
    let start = Timestamp::parse(b"2026-07-23T18:32:12.123Z").unwrap();
    Timestamp {
        nanoseconds: start.nanoseconds + milliseconds * 1_000_000,
    }
}

fn options(folder: &Path) -> LogOptions {
    LogOptions {
        max_size: 1,
        max_backups: 0,
        max_age: 0,
        ..LogOptions::new(folder.join("audit.log"))
    }
}

fn line(length: usize) -> Vec<u8> {
    let mut line = vec![b'x'; length - 1];
    line.push(b'\n');
    line
}

/// The files of the folder and their lengths.
fn files(folder: &Path) -> BTreeMap<String, usize> {
    let entries = fs::read_dir(folder).unwrap().map(Result::unwrap);
    entries
        .map(|entry| {
            let length = entry.metadata().unwrap().len() as usize;
            (entry.file_name().into_string().unwrap(), length)
        })
        .collect()
}

fn named(files: &[(&str, usize)]) -> BTreeMap<String, usize> {
    files
        .iter()
        .map(|(name, length)| ((*name).to_owned(), *length))
        .collect()
}

#[test]
fn a_full_file_is_put_aside_under_the_time() {
    let folder = tempfile::tempdir().unwrap();
    let mut file = RotatingFile::new(&options(folder.path())).unwrap();
    file.write(&line(MIB - 10), at(0)).unwrap();
    file.write(&line(10), at(1)).unwrap();
    assert_eq!(
        files(folder.path()),
        named(&[("audit.log", MIB)]),
        "exactly full is not too full"
    );
    file.write(&line(1), at(2)).unwrap();
    let expected = named(&[("audit-2026-07-23T18-32-12.125.log", MIB), ("audit.log", 1)]);
    assert_eq!(files(folder.path()), expected);
}

#[test]
fn the_first_write_of_a_process_puts_a_file_aside_that_it_would_fill() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("audit.log");
    for (length, aside) in [(MIB - 11, false), (MIB - 10, true)] {
        fs::write(&path, line(length)).unwrap();
        let mut file = RotatingFile::new(&options(folder.path())).unwrap();
        file.write(&line(10), at(0)).unwrap();
        assert_eq!(files(folder.path()).len() > 1, aside, "{length}");
    }
}

#[test]
fn a_line_longer_than_a_file_is_refused_and_the_file_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let mut file = RotatingFile::new(&options(folder.path())).unwrap();
    let error = file.write(&line(MIB + 1), at(0)).unwrap_err();
    assert_eq!(
        error.to_string(),
        "a line of 1048577 bytes is longer than the longest file, 1048576 bytes; raise --audit-log-maxsize"
    );
    file.write(&line(MIB), at(1)).unwrap();
    assert_eq!(files(folder.path()), named(&[("audit.log", MIB)]));
}

#[test]
fn without_a_size_nothing_is_ever_put_aside() {
    let folder = tempfile::tempdir().unwrap();
    let options = LogOptions {
        max_size: 0,
        ..options(folder.path())
    };
    let mut file = RotatingFile::new(&options).unwrap();
    for number in 0..3 {
        file.write(&line(MIB), at(number)).unwrap();
    }
    assert_eq!(files(folder.path()), named(&[("audit.log", 3 * MIB)]));
}

#[test]
fn what_is_no_regular_file_is_never_put_aside() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("audit.log");
    let status = Command::new("mkfifo").arg(&path).status().unwrap();
    assert!(status.success());
    let reader = OpenOptions::new().read(true).write(true).open(&path);
    let drained = std::thread::spawn(move || {
        let mut some = vec![0; 3 * MIB];
        reader.unwrap().read_exact(&mut some)
    });
    let mut file = RotatingFile::new(&options(folder.path())).unwrap();
    for second in 0..3 {
        file.write(&line(MIB), at(second * 1000)).unwrap();
    }
    assert_eq!(
        files(folder.path()).keys().collect::<Vec<_>>(),
        ["audit.log"]
    );
    assert!(fs::metadata(&path).unwrap().file_type().is_fifo());
    drained.join().unwrap().unwrap();
}

#[test]
fn folder_and_file_are_for_the_server_alone_and_a_new_file_takes_the_old_ones_mode() {
    let folder = tempfile::tempdir().unwrap();
    let options = options(&folder.path().join("a/b"));
    let mut file = RotatingFile::new(&options).unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&folder.path().join("a")), 0o700);
    assert_eq!(mode(&options.path), 0o600);
    fs::set_permissions(&options.path, fs::Permissions::from_mode(0o640)).unwrap();
    file.write(&line(MIB), at(0)).unwrap();
    file.write(&line(MIB), at(1)).unwrap();
    assert_eq!(mode(&options.path), 0o640);
}

/// What is left of `backups` after a write at [`at`]`(0)`.
fn kept(change: impl Fn(LogOptions) -> LogOptions, backups: &[&str]) -> Vec<String> {
    let folder = tempfile::tempdir().unwrap();
    for name in backups {
        fs::write(folder.path().join(name), "old\n").unwrap();
    }
    let mut file = RotatingFile::new(&change(options(folder.path()))).unwrap();
    file.write(b"new\n", at(0)).unwrap();
    file.close();
    files(folder.path())
        .into_keys()
        .filter(|name| name != "audit.log")
        .collect()
}

const BACKUPS: [&str; 6] = [
    "audit-2026-07-20T18-32-12.123.log",
    "audit-2026-07-21T18-32-12.123.log.gz",
    "audit-2026-07-22T18-32-12.123.log",
    "audit-2026-07-22T18-32-12.123.log.gz",
    "audit-2026-07-23T18-32-12.12.log",
    "other-2026-07-20T18-32-12.123.log",
];

#[test]
fn old_files_go_by_number_and_by_age_and_others_are_left_alone() {
    let all = |options: LogOptions| options;
    assert_eq!(kept(all, &BACKUPS), BACKUPS);
    let by_number = |options| LogOptions {
        max_backups: 1,
        ..options
    };
    assert_eq!(
        kept(by_number, &BACKUPS),
        BACKUPS[2..],
        "a file and its compressed twin are one"
    );
    let by_number = |options| LogOptions {
        max_backups: 2,
        ..options
    };
    assert_eq!(kept(by_number, &BACKUPS), BACKUPS[1..]);
    let by_age = |options| LogOptions {
        max_age: 2,
        ..options
    };
    assert_eq!(
        kept(by_age, &BACKUPS),
        BACKUPS[1..],
        "exactly as old as allowed is kept"
    );
    let by_age = |options| LogOptions {
        max_age: 1,
        ..options
    };
    assert_eq!(kept(by_age, &BACKUPS), BACKUPS[2..]);
}

#[test]
fn old_files_are_compressed_whole() {
    let folder = tempfile::tempdir().unwrap();
    let options = LogOptions {
        compress: true,
        ..options(folder.path())
    };
    let mut file = RotatingFile::new(&options).unwrap();
    file.write(&line(MIB), at(0)).unwrap();
    file.write(b"new\n", at(1)).unwrap();
    file.close();
    let compressed = folder.path().join("audit-2026-07-23T18-32-12.124.log.gz");
    let names: Vec<String> = files(folder.path()).into_keys().collect();
    assert_eq!(names, ["audit-2026-07-23T18-32-12.124.log.gz", "audit.log"]);
    let mut text = Vec::new();
    flate2::read::GzDecoder::new(fs::File::open(compressed).unwrap())
        .read_to_end(&mut text)
        .unwrap();
    assert_eq!(text, line(MIB));
}

#[test]
fn what_others_put_beside_the_log_is_neither_waited_for_nor_followed() {
    let folder = tempfile::tempdir().unwrap();
    let beside = |name: &str| folder.path().join(name);
    let pipe = Command::new("mkfifo").arg(beside(BACKUPS[0])).status();
    assert!(pipe.unwrap().success());
    fs::write(beside("target"), "precious").unwrap();
    fs::write(beside(BACKUPS[2]), "old\n").unwrap();
    symlink(beside("target"), beside(BACKUPS[3])).unwrap();
    let options = LogOptions {
        compress: true,
        ..options(folder.path())
    };
    let mut file = RotatingFile::new(&options).unwrap();
    file.write(b"new\n", at(0)).unwrap();
    file.close();
    assert_eq!(fs::read_to_string(beside("target")).unwrap(), "precious");
    assert!(
        fs::metadata(beside(BACKUPS[0]))
            .unwrap()
            .file_type()
            .is_fifo()
    );
    assert!(fs::symlink_metadata(beside(BACKUPS[3])).unwrap().is_file());
    assert!(!beside(BACKUPS[2]).exists());
}

#[tokio::test]
async fn both_formats_are_lines_of_the_file() {
    for (format, start) in [
        (LogFormat::Json, r#"{"kind":"Event""#),
        (LogFormat::Legacy, "0001-01-01T00:00:00Z AUDIT: "),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let options = LogOptions {
            format,
            ..options(folder.path())
        };
        let sink = LogSink::open(&options, Arc::default()).unwrap();
        sink.emit(&[
            Arc::new(AuditEvent::default()),
            Arc::new(AuditEvent::default()),
        ])
        .await
        .unwrap();
        let text = fs::read_to_string(&options.path).unwrap();
        assert_eq!(
            text.lines().filter(|line| line.starts_with(start)).count(),
            2
        );
    }
}

#[tokio::test]
async fn an_event_that_cannot_be_written_is_counted_and_the_others_are_written() {
    let folder = tempfile::tempdir().unwrap();
    let counters = Arc::new(ErrorCounters::default());
    let sink = LogSink::open(&options(folder.path()), Arc::clone(&counters)).unwrap();
    let bad = AuditEvent {
        request_object: Some("a: yaml".into()),
        ..AuditEvent::default()
    };
    let error = sink
        .emit(&[Arc::new(bad), Arc::new(AuditEvent::default())])
        .await
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "log: byte 0 of the body does not belong to exactly one JSON value"
    );
    assert_eq!(counters.get("log"), 1);
    assert_eq!(files(folder.path()), named(&[("audit.log", 173)]));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// The model: files as lists of lines, each at most as long as the limit, cut where the next line would not fit.
    #[test]
    fn every_line_is_whole_in_the_file_that_the_model_says(
        lines in prop::collection::vec((1..MIB + MIB / 8, prop::bool::weighted(0.1)), 1..12)
    ) {
        let folder = tempfile::tempdir().unwrap();
        let options = options(folder.path());
        let mut file = RotatingFile::new(&options).unwrap();
        let mut model = vec![0];
        let mut is_first = true;
        for (number, (length, restarts)) in lines.into_iter().enumerate() {
            if restarts {
                file.close();
                file = RotatingFile::new(&options).unwrap();
                is_first = true;
            }
            let written = file.write(&line(length), at(number as i128));
            prop_assert_eq!(written.is_ok(), length <= MIB);
            if length > MIB {
                continue;
            }
            let current = model.last_mut().unwrap();
            let limit = if is_first { MIB - 1 } else { MIB };
            if *current > 0 && *current + length > limit {
                model.push(length);
            } else {
                *current += length;
            }
            is_first = false;
        }
        let found: Vec<usize> = files(folder.path()).into_values().collect();
        prop_assert_eq!(found, model);
    }
}
