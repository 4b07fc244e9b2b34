//! A segment that is begun again while it is empty: what is acknowledged afterwards survives.
#![expect(clippy::unwrap_used, reason = "tests")]

use kubevigil_journal::{Journal, NewRecord, Options, ReaderStart, Record};
use std::path::Path;
use std::time::Duration;

/// Too small for a single record, with no room to keep a second segment.
fn narrow() -> Options {
    Options {
        segment_bytes: 0,
        retain_bytes: 1,
        ..Options::default()
    }
}

fn append(journal: &Journal, text: &'static str) -> bool {
    let record = NewRecord::unkeyed(text);
    journal.append(vec![record]).unwrap().wait().is_ok()
}

fn texts(dir: &Path) -> Vec<String> {
    let (journal, recovery) = Journal::open(dir, narrow()).unwrap();
    assert_eq!(recovery.damaged, []);
    journal.close();
    let mut reader = journal.reader("test", ReaderStart::Oldest).unwrap();
    let mut texts = Vec::new();
    while let Ok(records) = reader.read(100, usize::MAX, Duration::from_secs(5)) {
        let text = |record: Record| String::from_utf8(record.payload.to_vec()).unwrap();
        texts.extend(records.into_iter().map(text));
    }
    texts
}

#[test]
fn a_segment_without_room_for_one_record_keeps_what_it_acknowledged() {
    let dir = tempfile::tempdir().unwrap();
    let (journal, _) = Journal::open(dir.path(), narrow()).unwrap();
    assert!(append(&journal, "acknowledged"));
    journal.close();
    drop(journal);
    assert_eq!(texts(dir.path()), ["acknowledged"]);
}
