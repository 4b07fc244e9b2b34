//! The journal in use: appending, reading, committing, closing, opening again.
#![expect(clippy::unwrap_used, reason = "tests")]

use kubevigil_journal::{
    AppendError, CommitError, Health, Journal, NewRecord, Options, Place, ReadError, Reader,
    ReaderError, ReaderStart, Record,
};
use std::thread;
use std::time::{Duration, Instant};

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
fn records_with_a_known_key_are_counted_and_not_written() {
    let dir = tempfile::tempdir().unwrap();
    let keyed = |number: u8| NewRecord::keyed([number; 16], vec![number]);
    let journal = open(&dir, Options::default());
    let first = journal
        .append(vec![keyed(1), keyed(2), keyed(1)])
        .unwrap()
        .wait()
        .unwrap();
    assert_eq!((first.written, first.duplicates), (2, 1));
    assert_eq!(first.places, Some((Place::new(0), Place::new(1))));
    let again = journal
        .append(vec![keyed(2), keyed(3)])
        .unwrap()
        .wait()
        .unwrap();
    assert_eq!((again.written, again.duplicates), (1, 1));
    drop(journal);

    let journal = open(&dir, Options::default());
    let all = journal
        .append(vec![keyed(1), keyed(2), keyed(3)])
        .unwrap()
        .wait()
        .unwrap();
    assert_eq!((all.places, all.written, all.duplicates), (None, 0, 3));
    assert_eq!(journal.stats().duplicates, 3);
    let unkeyed = vec![NewRecord::unkeyed("x"), NewRecord::unkeyed("x")];
    assert_eq!(journal.append(unkeyed).unwrap().wait().unwrap().written, 2);
}

#[test]
fn the_window_of_known_keys_spans_segments_after_reopening() {
    let dir = tempfile::tempdir().unwrap();
    let options = || Options {
        duplicate_window: 30,
        ..small_segments()
    };
    let keyed = |number: u8| NewRecord::keyed([number; 16], vec![number; 200]);
    let journal = open(&dir, options());
    for number in 1..=50 {
        journal.append(vec![keyed(number)]).unwrap().wait().unwrap();
    }
    drop(journal);
    let journal = open(&dir, options());
    let known = |number| {
        journal
            .append(vec![keyed(number)])
            .unwrap()
            .wait()
            .unwrap()
            .duplicates
            == 1
    };
    assert!(known(21) && known(35) && known(50));
    assert!(!known(20), "the 31st newest is forgotten");
}

#[tokio::test]
async fn tickets_can_be_awaited() {
    let dir = tempfile::tempdir().unwrap();
    let journal = open(&dir, Options::default());
    let tickets: Vec<_> = (0..50)
        .map(|n| {
            journal
                .append(vec![NewRecord::unkeyed(vec![n; 10])])
                .unwrap()
        })
        .collect();
    for (n, ticket) in tickets.into_iter().enumerate() {
        let place = Place::new(n as u64);
        assert_eq!(ticket.await.unwrap().places, Some((place, place)));
    }
    assert!(journal.stats().syncs < 50, "appends that wait share a sync");
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

#[test]
fn too_much_is_refused_before_it_is_taken() {
    let dir = tempfile::tempdir().unwrap();
    let options = Options {
        max_record_bytes: 10,
        max_waiting_bytes: 100,
        ..Options::default()
    };
    let journal = open(&dir, options);
    let long = vec![
        NewRecord::unkeyed("short"),
        NewRecord::unkeyed("much too long"),
    ];
    let error = journal.append(long).unwrap_err();
    assert_eq!(
        error,
        AppendError::TooLarge {
            index: 1,
            bytes: 13,
            limit: 10
        }
    );
    let flood = (0..10_000).map(|_| journal.append(vec![NewRecord::unkeyed("0123456789")]));
    let (taken, refused): (Vec<_>, Vec<_>) = flood.partition(Result::is_ok);
    assert!(matches!(
        refused[0],
        Err(AppendError::Full { limit: 100, .. })
    ));
    let taken = taken
        .into_iter()
        .map(|ticket| ticket.unwrap().wait().unwrap());
    assert_eq!(taken.count() as u64, journal.stats().records);
    assert_eq!(journal.stats().waiting_bytes, 0);
}

#[test]
fn an_empty_append_resolves() {
    let dir = tempfile::tempdir().unwrap();
    let journal = open(&dir, Options::default());
    let appended = journal.append(Vec::new()).unwrap().wait().unwrap();
    assert_eq!((appended.places, appended.written), (None, 0));
}

#[test]
fn closing_writes_what_waits_and_lets_readers_finish() {
    let dir = tempfile::tempdir().unwrap();
    let journal = open(&dir, Options::default());
    let mut reader = journal.reader("r", ReaderStart::Oldest).unwrap();
    let tickets: Vec<_> = (0..100)
        .map(|_| journal.append(vec![NewRecord::unkeyed("x")]).unwrap())
        .collect();
    journal.close();
    assert!(tickets.into_iter().all(|ticket| ticket.wait().is_ok()));
    assert_eq!(
        journal.append(Vec::new()).unwrap_err(),
        AppendError::Stopped
    );
    assert_eq!(journal.health(), Health::Closed);
    let records = reader.read(1000, usize::MAX, LATER).unwrap();
    assert_eq!(records.len(), 100);
    reader.commit(records[99].place).unwrap();
    assert!(matches!(reader.read(1, 1, LATER), Err(ReadError::Closed)));
    assert_eq!(reader.lag(), 0);
}

#[test]
fn appenders_on_many_threads_each_keep_their_order() {
    let dir = tempfile::tempdir().unwrap();
    let journal = open(&dir, small_segments());
    thread::scope(|scope| {
        for thread in 0..4 {
            let journal = &journal;
            scope.spawn(move || {
                for n in 0..50 {
                    let pair =
                        [0, 1].map(|half| NewRecord::unkeyed(format!("{thread} {n} {half}")));
                    let appended = journal.append(pair.to_vec()).unwrap().wait().unwrap();
                    let (first, last) = appended.places.unwrap();
                    assert_eq!(
                        last.number(),
                        first.number() + 1,
                        "an append is not interleaved"
                    );
                }
            });
        }
    });
    let records = drain(&mut journal.reader("r", ReaderStart::Oldest).unwrap());
    for thread in 0..4 {
        let own = texts(&records)
            .into_iter()
            .filter(|text| text.starts_with(&format!("{thread} ")));
        let expected = (0..50).flat_map(|n| [0, 1].map(|half| format!("{thread} {n} {half}")));
        assert!(own.eq(expected));
    }
}

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
