//! Files that rot, vanish or were written by an attacker's hand: what is whole is read.
#![expect(clippy::unwrap_used, reason = "tests")]

use kubevigil_journal::{Journal, NewRecord, Options, ReaderStart, Recovery};
use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

const FIRST: &str = "00000000000000000000.seg";
const HEADER: u64 = 48;

fn open(dir: &Path) -> (Journal, Recovery) {
    Journal::open(
        dir,
        Options {
            segment_bytes: 1000,
            ..Options::default()
        },
    )
    .unwrap()
}

fn put(journal: &Journal, payload: impl Into<Vec<u8>>) {
    journal
        .append(vec![NewRecord::unkeyed(payload.into())])
        .unwrap()
        .wait()
        .unwrap();
}

/// A closed journal with the records `record 0`, `record 1`, … of 100 bytes, ten a segment.
fn filled(records: usize) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let (journal, _) = open(dir.path());
    (0..records).for_each(|n| put(&journal, format!("{:52}", format!("record {n}"))));
    dir
}

/// All that can be read, trimmed.
fn texts(journal: &Journal) -> Vec<String> {
    let mut reader = journal.reader("check", ReaderStart::Oldest).unwrap();
    let mut texts = Vec::new();
    loop {
        let records = reader.read(100, usize::MAX, Duration::ZERO).unwrap();
        if records.is_empty() {
            return texts;
        }
        let text = |payload: &[u8]| String::from_utf8_lossy(payload).trim().to_owned();
        texts.extend(records.iter().map(|record| text(&record.payload)));
    }
}

fn without(records: usize, lost: &[usize]) -> Vec<String> {
    (0..records)
        .filter(|n| !lost.contains(n))
        .map(|n| format!("record {n}"))
        .collect()
}

fn overwrite(path: &PathBuf, offset: u64, bytes: &[u8]) {
    OpenOptions::new()
        .write(true)
        .open(path)
        .unwrap()
        .write_all_at(bytes, offset)
        .unwrap();
}

#[test]
fn a_torn_write_is_cut_and_the_place_goes_to_the_next_record() {
    let dir = filled(3);
    let path = dir.path().join(FIRST);
    let whole = fs::metadata(&path).unwrap().len();
    let half = fs::read(&path)
        .unwrap()
        .into_iter()
        .skip(48 + 200)
        .take(70)
        .collect::<Vec<u8>>();
    OpenOptions::new()
        .append(true)
        .open(&path)
        .unwrap()
        .write_all(&half)
        .unwrap();
    let (journal, recovery) = open(dir.path());
    assert_eq!((recovery.records, recovery.cut_bytes), (3, 70));
    assert_eq!(fs::metadata(&path).unwrap().len(), whole);
    put(&journal, "record 3");
    assert_eq!(texts(&journal), without(4, &[]));
}

#[test]
fn damage_in_the_middle_costs_only_the_records_that_it_hits() {
    // Offsets in the first segment: in a payload; in a length; over two records.
    let cases: [(u64, usize, &[usize]); 3] = [
        (HEADER + 160, 1, &[1]),
        (HEADER + 208, 4, &[2]),
        (HEADER + 390, 20, &[3, 4]),
    ];
    for (offset, count, lost) in cases {
        let dir = filled(20);
        overwrite(&dir.path().join(FIRST), offset, &vec![0xAA; count]);
        let (journal, _) = open(dir.path());
        assert_eq!(texts(&journal), without(20, lost));
        assert_eq!(texts_twice(&journal), lost.len() as u64);
    }
}

/// Reads all once more with another name: the damage is not counted again.
fn texts_twice(journal: &Journal) -> u64 {
    let mut reader = journal.reader("again", ReaderStart::Oldest).unwrap();
    while !reader
        .read(100, usize::MAX, Duration::ZERO)
        .unwrap()
        .is_empty()
    {}
    journal.stats().corrupt
}

#[test]
fn damage_in_the_newest_segment_is_told_at_opening() {
    let dir = filled(5);
    overwrite(&dir.path().join(FIRST), HEADER + 160, &[0xAA]);
    let (journal, recovery) = open(dir.path());
    let spots: Vec<_> = recovery
        .damaged
        .iter()
        .map(|spot| (spot.offset, spot.records))
        .collect();
    assert_eq!(spots, [(HEADER + 100, 1)]);
    assert_eq!(recovery.cut_bytes, 0);
    assert_eq!(texts(&journal), without(5, &[1]));
}

#[test]
fn a_record_inside_a_payload_never_comes_to_light() {
    let dir = tempfile::tempdir().unwrap();
    let (journal, _) = open(dir.path());
    put(&journal, "genuine");
    let path = dir.path().join(FIRST);
    // Bytes of a real record, which carry the right salt, and one that was made without it.
    let replayed: Vec<u8> = fs::read(&path).unwrap().into_iter().skip(48).collect();
    let mut forged = vec![0; 64];
    forged.splice(0..4, [0xF5, 0x4B, 0x56, 0x8A]);
    put(
        &journal,
        [b"carrier ", replayed.as_slice(), forged.as_slice(), b" end"].concat(),
    );
    put(&journal, "last");
    drop(journal);
    let carrier = HEADER + replayed.len() as u64;
    overwrite(&path, carrier + 5, &[0xAA]);
    let (journal, _) = open(dir.path());
    assert_eq!(texts(&journal), ["genuine", "last"]);
    assert_eq!(journal.stats().corrupt, 1);
}

#[test]
fn a_segment_without_a_header_is_read_all_the_same() {
    let dir = filled(20);
    overwrite(&dir.path().join(FIRST), 0, &[0; 48]);
    let (journal, _) = open(dir.path());
    assert_eq!(texts(&journal), without(20, &[]));
}

#[test]
fn a_segment_that_somebody_deleted_is_skipped_and_counted() {
    let dir = filled(20);
    let (journal, _) = open(dir.path());
    fs::remove_file(dir.path().join(FIRST)).unwrap();
    let read = texts(&journal);
    assert_eq!(read, without(20, &[0, 1, 2, 3, 4, 5, 6, 7, 8, 9]));
    assert_eq!(journal.stats().corrupt, 10);
}

#[test]
fn a_crash_while_a_segment_is_begun_leaves_nothing_behind() {
    for leftover in [&b""[..], b"kvjou", &[0; 48]] {
        let dir = filled(3);
        let path = dir.path().join("00000000000000000003.seg");
        fs::write(&path, leftover).unwrap();
        let (journal, recovery) = open(dir.path());
        assert_eq!(recovery.discarded, std::slice::from_ref(&path));
        put(&journal, "record 3");
        assert_eq!(texts(&journal), without(4, &[]));
    }
}

#[test]
fn unreadable_bytes_of_an_unknown_segment_are_kept_aside() {
    let dir = filled(3);
    let path = dir.path().join("00000000000000000003.seg");
    fs::write(&path, [7; 500]).unwrap();
    let (_journal, recovery) = open(dir.path());
    assert_eq!(recovery.discarded, std::slice::from_ref(&path));
    assert_eq!(
        fs::read(path.with_extension("seg.damaged")).unwrap(),
        [7; 500]
    );
}

#[test]
fn a_lost_tail_never_gives_a_committed_place_away() {
    let dir = filled(5);
    let (journal, _) = open(dir.path());
    let mut reader = journal.reader("r", ReaderStart::Oldest).unwrap();
    let records = reader.read(100, usize::MAX, Duration::ZERO).unwrap();
    reader.commit(records.last().unwrap().place).unwrap();
    drop((reader, journal));
    let path = dir.path().join(FIRST);
    OpenOptions::new()
        .write(true)
        .open(&path)
        .unwrap()
        .set_len(HEADER + 250)
        .unwrap();
    let (journal, recovery) = open(dir.path());
    assert_eq!(recovery.cut_bytes, 50);
    let new = journal
        .append(vec![NewRecord::unkeyed("new")])
        .unwrap()
        .wait()
        .unwrap();
    assert_eq!(new.places.unwrap().0.number(), 5);
    let mut reader = journal.reader("r", ReaderStart::Oldest).unwrap();
    assert_eq!(
        reader.read(100, usize::MAX, Duration::ZERO).unwrap().len(),
        1
    );
    assert_eq!(texts(&journal), ["record 0", "record 1", "new"]);
}

#[test]
fn without_its_places_a_journal_starts_its_readers_again() {
    let dir = filled(3);
    let (journal, _) = open(dir.path());
    let reader = journal.reader("check", ReaderStart::Newest).unwrap();
    drop((reader, journal));
    fs::remove_file(dir.path().join("places.redb")).unwrap();
    let (journal, _) = open(dir.path());
    assert_eq!(texts(&journal), without(3, &[]));
}
