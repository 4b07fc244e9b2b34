//! How fast lines and events come out of a log of 64 MiB in lines of about 1.7 kB, as audit events are. The goal is 2 GB a second
//! for the lines: reading must not be what limits a scan.
#![expect(clippy::unwrap_used, reason = "a benchmark may fail loudly")]

use std::fs::File;
use std::hint::black_box;
use std::io::Write;
use std::path::Path;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use kubevigil_sources::file::lines::{DEFAULT_LINE_LIMIT, LineReader};
use kubevigil_sources::file::open::Input;
use kubevigil_sources::file::scan;

const SIZE: usize = 64 << 20;

fn write_log(path: &Path) {
    let mut file = File::create(path).unwrap();
    let mut written = 0;
    while written < SIZE {
        let padding = "x".repeat(1550 + written % 200);
        let event = format!(
            "{{\"kind\":\"Event\",\"apiVersion\":\"audit.k8s.io/v1\",\"auditID\":\"{written:020}\",\"stage\":\"ResponseComplete\",\"requestURI\":\"{padding}\"}}\n"
        );
        file.write_all(event.as_bytes()).unwrap();
        written += event.len();
    }
}

fn lines(criterion: &mut Criterion) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("audit.log");
    write_log(&path);
    let mut group = criterion.benchmark_group("a plain log of 64 MiB");
    group.throughput(Throughput::Bytes(SIZE as u64));
    group.sample_size(10);
    group.bench_function("lines", |bencher| {
        bencher.iter(|| {
            let mut reader = LineReader::new(File::open(&path).unwrap(), DEFAULT_LINE_LIMIT);
            while let Some(item) = reader.next_or_last().unwrap() {
                black_box(item);
            }
        });
    });
    let input = Input::File(path);
    group.bench_function("events", |bencher| {
        bencher.iter(|| {
            for found in scan::events(&input, DEFAULT_LINE_LIMIT).unwrap() {
                black_box(found);
            }
        });
    });
    group.finish();
}

criterion_group!(benches, lines);
criterion_main!(benches);
