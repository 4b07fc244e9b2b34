//! Appends: known keys, tickets, what is refused, many at once, and the end.

use kubevigil_journal::{AppendError, Health, NewRecord, Options, Place, ReadError, ReaderStart};
use std::thread;

use crate::{LATER, drain, open, small_segments, texts};

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
