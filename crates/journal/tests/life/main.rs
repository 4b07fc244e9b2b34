//! The journal in use: appending, reading, committing, closing, opening again.
#![expect(clippy::unwrap_used, reason = "tests")]

mod appends;
mod readers;
mod retention;

use kubevigil_journal::{Journal, NewRecord, Options, Reader, Record};
use std::time::Duration;

const SOON: Duration = Duration::from_millis(20);
const LATER: Duration = Duration::from_secs(20);

fn open(dir: &tempfile::TempDir, options: Options) -> Journal {
    Journal::open(dir.path().join("journal"), options)
        .unwrap()
        .0
}

fn small_segments() -> Options {
    Options {
        segment_bytes: 2000,
        ..Options::default()
    }
}

fn put(journal: &Journal, texts: &[&str]) {
    let records = texts
        .iter()
        .map(|text| NewRecord::unkeyed((*text).to_owned()))
        .collect();
    let appended = journal.append(records).unwrap().wait().unwrap();
    assert_eq!(appended.written, texts.len() as u64);
}

fn drain(reader: &mut Reader) -> Vec<Record> {
    let mut all = Vec::new();
    loop {
        let records = reader.read(7, 1 << 20, Duration::ZERO).unwrap();
        if records.is_empty() {
            return all;
        }
        all.extend(records);
    }
}

fn texts(records: &[Record]) -> Vec<&str> {
    records
        .iter()
        .map(|record| std::str::from_utf8(&record.payload).unwrap())
        .collect()
}
