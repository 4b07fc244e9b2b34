//! Records a second that reach the disk, with real syncs: the journal, and beside it a plain file
//! that gets the same bytes with one write and one `fdatasync` a batch.
//!
//! The ratio of the two is the cost of the journal; the figures themselves are those of the disk.
#![expect(clippy::unwrap_used, reason = "benchmark")]

use bytes::Bytes;
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use kubevigil_journal::{Journal, NewRecord, Options, ReaderStart};
use std::fs::{File, OpenOptions};
use std::io::{Seek as _, Write as _};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant};

const RECORD_BYTES: usize = 1700;
const HEADER_BYTES: usize = 48;
const BATCHES: [usize; 4] = [1, 10, 100, 400];
const APPENDERS: [usize; 2] = [1, 8];

/// Appends batches from several threads, each waiting for its ticket before the next.
fn append(journal: &Journal, appenders: usize, batch: usize, rounds: u64) -> Duration {
    static SERIAL: AtomicU64 = AtomicU64::new(1);
    let payload = Bytes::from(vec![b'x'; RECORD_BYTES]);
    let record = || {
        let mut key = [0; 16];
        key[..8].copy_from_slice(&SERIAL.fetch_add(1, Relaxed).to_le_bytes());
        NewRecord::keyed(key, payload.clone())
    };
    let started = Instant::now();
    thread::scope(|scope| {
        for _ in 0..appenders {
            scope.spawn(|| {
                for _ in 0..rounds {
                    let records = (0..batch).map(|_| record()).collect();
                    journal.append(records).unwrap().wait().unwrap();
                }
            });
        }
    });
    started.elapsed()
}

/// The same bytes without a journal: the batches of all appenders in one write and one sync.
fn write_plainly(file: &mut File, appenders: usize, batch: usize, rounds: u64) -> Duration {
    let bytes = vec![b'x'; appenders * batch * (RECORD_BYTES + HEADER_BYTES)];
    let started = Instant::now();
    for _ in 0..rounds {
        file.write_all(&bytes).unwrap();
        file.sync_data().unwrap();
        if file.stream_position().unwrap() > 64 << 20 {
            file.set_len(0).unwrap();
            file.rewind().unwrap();
        }
    }
    started.elapsed()
}

fn appends(criterion: &mut Criterion) {
    let dir = tempfile::tempdir().unwrap();
    let mut group = criterion.benchmark_group("append");
    group
        .sample_size(10)
        .measurement_time(Duration::from_secs(3));
    for appenders in APPENDERS {
        for batch in BATCHES {
            let shape = format!("{appenders}x{batch}");
            group.throughput(Throughput::Elements((appenders * batch) as u64));
            let options = Options {
                retain_bytes: 512 << 20,
                ..Options::default()
            };
            let (journal, _) = Journal::open(dir.path().join(&shape), options).unwrap();
            group.bench_function(BenchmarkId::new("journal", &shape), |bencher| {
                bencher.iter_custom(|rounds| append(&journal, appenders, batch, rounds));
            });
            drop(journal);
            let path = dir.path().join("plain");
            let mut file = OpenOptions::new()
                .create(true)
                .truncate(true)
                .write(true)
                .open(path)
                .unwrap();
            group.bench_function(BenchmarkId::new("plain file", &shape), |bencher| {
                bencher.iter_custom(|rounds| write_plainly(&mut file, appenders, batch, rounds));
            });
        }
    }
}

fn reads(criterion: &mut Criterion) {
    const COUNT: usize = 100_000;
    let dir = tempfile::tempdir().unwrap();
    let (journal, _) = Journal::open(dir.path(), Options::default()).unwrap();
    append(&journal, 1, 1000, COUNT as u64 / 1000);
    let mut group = criterion.benchmark_group("read");
    group
        .sample_size(10)
        .throughput(Throughput::Elements(COUNT as u64));
    let mut reader = journal.reader("r", ReaderStart::Oldest).unwrap();
    group.bench_function("100,000 records in batches of 400", |bencher| {
        bencher.iter(|| {
            reader.seek(kubevigil_journal::Place::new(0));
            let mut count = 0;
            while count < COUNT {
                count += reader.read(400, usize::MAX, Duration::ZERO).unwrap().len();
            }
        });
    });
    drop((reader, journal));
    group
        .sample_size(10)
        .bench_function("open with 100,000 records", |bencher| {
            bencher.iter(|| Journal::open(dir.path(), Options::default()).unwrap());
        });
}

criterion_group!(benches, appends, reads);
criterion_main!(benches);
