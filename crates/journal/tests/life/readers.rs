//! Readers: order, places that survive, how much they are given, and how many there may be of a name.

use kubevigil_journal::{CommitError, Journal, Options, Place, ReaderError, ReaderStart};
use std::thread;
use std::time::Instant;

use crate::{LATER, SOON, drain, open, put, small_segments, texts};

#[test]
fn a_reader_gets_what_was_appended_in_order_with_places_and_times() {
    let dir = tempfile::tempdir().unwrap();
    let journal = open(&dir, Options::default());
    let before = std::time::SystemTime::now();
    put(&journal, &["a", "", "c"]);
    put(&journal, &["d"]);
    let records = drain(&mut journal.reader("r", ReaderStart::Oldest).unwrap());
    assert_eq!(texts(&records), ["a", "", "c", "d"]);
    let places: Vec<u64> = records.iter().map(|record| record.place.number()).collect();
    assert_eq!(places, [0, 1, 2, 3]);
    assert!(records.iter().all(|record| record.appended_at >= before));
}

#[test]
fn a_reader_resumes_behind_its_committed_place_after_reopening() {
    let dir = tempfile::tempdir().unwrap();
    {
        let journal = open(&dir, small_segments());
        for n in 0..100 {
            put(&journal, &[&format!("record {n} {}", "x".repeat(100))]);
        }
        assert!(journal.stats().segments > 5, "{:?}", journal.stats());
        let mut reader = journal.reader("r", ReaderStart::Oldest).unwrap();
        assert_eq!(reader.lag(), 100);
        let records = reader.read(60, usize::MAX, SOON).unwrap();
        reader.commit(records.last().unwrap().place).unwrap();
    }
    let (journal, recovery) = Journal::open(dir.path().join("journal"), small_segments()).unwrap();
    assert_eq!((recovery.records, recovery.cut_bytes), (100, 0));
    let mut reader = journal.reader("r", ReaderStart::Newest).unwrap();
    let committed = reader.position().number();
    assert_eq!(reader.lag(), 100 - committed);
    let records = drain(&mut reader);
    assert_eq!(records.len() as u64, 100 - committed);
    assert!(texts(&records)[0].starts_with(&format!("record {committed} ")));
    put(&journal, &["next"]);
    assert_eq!(drain(&mut reader)[0].place, Place::new(100));
}

#[test]
fn a_read_is_bounded_by_records_and_by_bytes_but_never_empty() {
    let dir = tempfile::tempdir().unwrap();
    let journal = open(&dir, Options::default());
    put(&journal, &["0123456789"; 10]);
    let mut reader = journal.reader("r", ReaderStart::Oldest).unwrap();
    assert_eq!(reader.read(3, usize::MAX, SOON).unwrap().len(), 3);
    assert_eq!(reader.read(100, 25, SOON).unwrap().len(), 3);
    assert_eq!(reader.read(0, 0, SOON).unwrap().len(), 1);
    assert_eq!(reader.read(100, usize::MAX, SOON).unwrap().len(), 3);
    assert!(reader.read(100, usize::MAX, SOON).unwrap().is_empty());
}

#[test]
fn a_waiting_reader_wakes_when_records_are_durable() {
    let dir = tempfile::tempdir().unwrap();
    let journal = open(&dir, Options::default());
    let mut reader = journal.reader("r", ReaderStart::Oldest).unwrap();
    let waiting = thread::spawn(move || reader.read(1, 100, LATER).unwrap().len());
    thread::sleep(SOON);
    let started = Instant::now();
    put(&journal, &["x"]);
    assert_eq!(waiting.join().unwrap(), 1);
    assert!(started.elapsed() < LATER / 2);
}

#[test]
fn a_new_reader_may_begin_at_the_newest() {
    let dir = tempfile::tempdir().unwrap();
    let journal = open(&dir, Options::default());
    put(&journal, &["old"]);
    let mut reader = journal.reader("r", ReaderStart::Newest).unwrap();
    put(&journal, &["new"]);
    assert_eq!(texts(&drain(&mut reader)), ["new"]);
    reader.seek(Place::new(0));
    assert_eq!(texts(&drain(&mut reader)), ["old", "new"]);
}

#[test]
fn several_places_and_blobs_change_together_or_not_at_all() {
    let dir = tempfile::tempdir().unwrap();
    let journal = open(&dir, Options::default());
    put(&journal, &["a", "b"]);
    let _a = journal.reader("a", ReaderStart::Oldest).unwrap();
    let _b = journal.reader("b", ReaderStart::Oldest).unwrap();
    let (zero, one) = (Place::new(0), Place::new(1));
    journal
        .commit_all(&[("a", zero), ("b", one)], &[("state", b"one")])
        .unwrap();

    let beyond = journal.commit_all(&[("a", one), ("b", Place::new(2))], &[("state", b"two")]);
    assert!(matches!(beyond, Err(CommitError::BeyondNewest { .. })));
    let unknown = journal.commit_all(&[("a", one), ("c", one)], &[("state", b"two")]);
    assert!(matches!(unknown, Err(CommitError::UnknownReader { .. })));

    let committed = |journal: &Journal| -> Vec<_> {
        journal
            .stats()
            .readers
            .iter()
            .map(|reader| reader.committed)
            .collect()
    };
    assert_eq!(committed(&journal), [Some(zero), Some(one)]);
    drop((_a, _b, journal));
    let journal = open(&dir, Options::default());
    assert_eq!(committed(&journal), [Some(zero), Some(one)]);
    assert_eq!(journal.blob("state").unwrap().unwrap(), b"one");
    assert_eq!(journal.blob("other").unwrap(), None);
}

#[test]
fn a_name_has_one_reader_at_a_time() {
    let dir = tempfile::tempdir().unwrap();
    let journal = open(&dir, Options::default());
    let reader = journal.reader("r", ReaderStart::Oldest).unwrap();
    assert!(matches!(
        journal.reader("r", ReaderStart::Oldest),
        Err(ReaderError::Busy { .. })
    ));
    assert!(matches!(
        journal.forget_reader("r"),
        Err(ReaderError::Busy { .. })
    ));
    drop(reader);
    journal.reader("r", ReaderStart::Oldest).unwrap();
    journal.forget_reader("r").unwrap();
    assert!(journal.stats().readers.is_empty());
}
