//! Retention: what goes, by size and by age.

use kubevigil_journal::{Options, Place, ReaderStart};
use std::time::Duration;

use crate::{drain, open, put, small_segments};

#[test]
fn size_takes_the_oldest_segments_and_tells_the_readers_what_they_lost() {
    let dir = tempfile::tempdir().unwrap();
    let options = Options {
        retain_bytes: 10_000,
        ..small_segments()
    };
    let journal = open(&dir, options.clone());
    let mut slow = journal.reader("slow", ReaderStart::Oldest).unwrap();
    for n in 0..200 {
        put(&journal, &[&format!("{n:0200}")]);
    }
    let stats = journal.stats();
    assert!(stats.bytes <= 12_500, "{stats:?}");
    let oldest = stats.oldest.unwrap().number();
    assert!(oldest > 100);
    let records = drain(&mut slow);
    assert_eq!(records[0].place.number(), oldest);
    assert_eq!(slow.lost(), oldest);
    assert_eq!(journal.stats().readers[0].lost, oldest);
    assert_eq!(records.len() as u64 + slow.lost(), 200);
    drop((slow, journal));
    let journal = open(&dir, options);
    assert!(journal.stats().oldest.unwrap().number() >= oldest);
    assert_eq!(journal.stats().newest, Some(Place::new(199)));
}

#[test]
fn age_takes_only_what_every_reader_has_finished() {
    let dir = tempfile::tempdir().unwrap();
    let options = Options {
        retain_age: Some(Duration::ZERO),
        ..small_segments()
    };
    let journal = open(&dir, options);
    let reader = journal.reader("r", ReaderStart::Oldest).unwrap();
    let fill = || (0..20).for_each(|n| put(&journal, &[&format!("{n:0200}")]));
    fill();
    assert_eq!(
        journal.stats().oldest,
        Some(Place::new(0)),
        "nothing is committed yet"
    );
    reader.commit(Place::new(15)).unwrap();
    fill();
    let oldest = journal.stats().oldest.unwrap().number();
    assert!((8..=16).contains(&oldest), "{oldest}");
}
