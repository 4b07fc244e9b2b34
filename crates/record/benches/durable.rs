//! What a request waits for its event: a log in mode `blocking`, which writes and does not sync, and the same in mode `durable`, which
//! syncs and delivers meanwhile.
//!
//! One request at a time shows the latency, 64 at a time what sharing syncs is worth. The figures are those of the disk.
#![expect(clippy::unwrap_used, reason = "benchmark")]

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use kubevigil_audit::event::{Level, Stage};
use kubevigil_record::backend::{Backend, BackendOptions, Mode};
use kubevigil_record::durable::DurableOptions;
use kubevigil_record::event::AuditEvent;
use kubevigil_record::log::LogOptions;
use kubevigil_record::sink::Sink;
use tokio::runtime::Runtime;

/// With its metadata about as long as an event of level Metadata, 1.2 kB.
const USER_AGENT: usize = 1_000;
const AT_ONCE: [u64; 2] = [1, 64];

fn event() -> Arc<AuditEvent> {
    Arc::new(AuditEvent {
        level: Level::Metadata,
        stage: Stage::ResponseComplete,
        audit_id: "0aebbeb1-5a9f-4e0c-9f5c-0f4a8a1e1f0d".to_owned(),
        user_agent: "x".repeat(USER_AGENT),
        ..AuditEvent::default()
    })
}

fn open(folder: &Path, mode: Mode) -> Backend {
    let options = BackendOptions {
        mode,
        ..BackendOptions::log()
    };
    let log = LogOptions {
        max_backups: 2,
        ..LogOptions::new(folder.join(mode.as_str()).join("audit.log"))
    };
    let durable = DurableOptions::new(folder.join("state"));
    options
        .open_log(&log, Some(&durable), &Arc::default())
        .unwrap()
}

/// So many requests side by side, each with so many events one after another.
async fn emit(sink: Arc<dyn Sink>, requests: u64, rounds: u64) -> Duration {
    let started = Instant::now();
    let request = || {
        let sink = Arc::clone(&sink);
        tokio::spawn(async move {
            for _ in 0..rounds {
                sink.emit(&[event()]).await.unwrap();
            }
        })
    };
    let requests: Vec<_> = (0..requests).map(|_| request()).collect();
    for request in requests {
        request.await.unwrap();
    }
    started.elapsed()
}

fn events(criterion: &mut Criterion) {
    let runtime = Runtime::new().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let mut group = criterion.benchmark_group("emit");
    group
        .sample_size(10)
        .measurement_time(Duration::from_secs(3));
    for mode in [Mode::Blocking, Mode::Durable] {
        let backend = {
            let _inside = runtime.enter();
            open(folder.path(), mode)
        };
        for requests in AT_ONCE {
            group.throughput(Throughput::Elements(requests));
            let id = BenchmarkId::new(mode.as_str(), format!("{requests} at once"));
            group.bench_function(id, |bencher| {
                bencher.iter_custom(|rounds| {
                    runtime.block_on(emit(Arc::clone(&backend.sink), requests, rounds))
                });
            });
        }
        runtime.block_on(backend.sink.shutdown());
    }
}

criterion_group!(benches, events);
criterion_main!(benches);
