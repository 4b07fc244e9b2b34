//! The reader alone, beside `serde_json` on the same bytes in the same run.
//!
//! `events.jsonl` was recorded from a kube-apiserver: 160 events of 1.7 kB in the mean.

#![expect(clippy::expect_used, reason = "a benchmark may stop")]

use std::collections::BTreeMap;
use std::hint::black_box;

use bytes::Bytes;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use kubevigil_audit::json::{Duplicates, PathId, PathScratch, Paths, PathsBuilder};
use kubevigil_audit::payload::split;
use serde::Deserialize;
use serde_json::value::RawValue;

const EVENTS: &str = include_str!("events.jsonl");

/// What rules usually ask for; the last ones go deep into the body and through arrays.
const PATHS: [&[&str]; 16] = [
    &["level"],
    &["stage"],
    &["verb"],
    &["requestURI"],
    &["auditID"],
    &["userAgent"],
    &["user", "username"],
    &["user", "groups"],
    &["sourceIPs"],
    &["objectRef", "resource"],
    &["objectRef", "namespace"],
    &["objectRef", "subresource"],
    &["responseStatus", "code"],
    &["annotations", "authorization.k8s.io/decision"],
    &["requestObject", "spec", "template", "metadata"],
    &[
        "requestObject",
        "spec",
        "containers",
        "securityContext",
        "privileged",
    ],
];

fn paths() -> (Paths, Vec<PathId>) {
    let mut builder = PathsBuilder::new();
    let ids = PATHS.iter().map(|keys| builder.add(keys)).collect();
    (builder.build(), ids)
}

/// The same fields for serde: borrowed text, bodies left as they are.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(dead_code, reason = "only the time to fill it matters")]
struct Typed<'e> {
    level: &'e str,
    stage: &'e str,
    verb: &'e str,
    #[serde(rename = "requestURI", borrow)]
    request_uri: &'e RawValue,
    #[serde(rename = "auditID")]
    audit_id: &'e str,
    user_agent: Option<&'e RawValue>,
    #[serde(borrow)]
    user: TypedUser<'e>,
    #[serde(rename = "sourceIPs", borrow, default)]
    source_ips: Vec<&'e str>,
    object_ref: Option<TypedObject<'e>>,
    response_status: Option<TypedStatus>,
    #[serde(borrow, default)]
    annotations: BTreeMap<&'e str, &'e RawValue>,
    #[serde(borrow)]
    request_object: Option<&'e RawValue>,
}

#[derive(Deserialize)]
#[expect(dead_code, reason = "only the time to fill it matters")]
struct TypedUser<'e> {
    username: Option<&'e str>,
    #[serde(borrow, default)]
    groups: Vec<&'e str>,
}

#[derive(Deserialize)]
#[expect(dead_code, reason = "only the time to fill it matters")]
struct TypedObject<'e> {
    resource: Option<&'e str>,
    namespace: Option<&'e str>,
    subresource: Option<&'e str>,
}

#[derive(Deserialize)]
#[expect(dead_code, reason = "only the time to fill it matters")]
struct TypedStatus {
    code: Option<i64>,
}

fn reader(criterion: &mut Criterion) {
    let events: Vec<&[u8]> = EVENTS.lines().map(str::as_bytes).collect();
    let mut group = criterion.benchmark_group("reader");
    group.throughput(Throughput::ElementsAndBytes {
        elements: events.len() as u64,
        bytes: EVENTS.len() as u64,
    });
    group.bench_function("paths", |bencher| {
        let (paths, ids) = paths();
        let mut scratch = PathScratch::default();
        let mut places = Vec::new();
        bencher.iter(|| {
            for event in &events {
                let found = paths
                    .read(event, Duplicates::Last, &mut scratch)
                    .expect("JSON");
                for id in &ids {
                    places.clear();
                    found.places(*id, &mut places);
                    black_box(&places);
                }
            }
        });
    });
    group.bench_function("paths, one field", |bencher| {
        let mut builder = PathsBuilder::new();
        let verb = builder.add(&["verb"]);
        let paths = builder.build();
        let mut scratch = PathScratch::default();
        bencher.iter(|| {
            for event in &events {
                let found = paths
                    .read(event, Duplicates::Last, &mut scratch)
                    .expect("JSON");
                black_box(found.get(verb));
            }
        });
    });
    group.bench_function("serde_json, typed", |bencher| {
        bencher.iter(|| {
            for event in &events {
                black_box(serde_json::from_slice::<Typed<'_>>(event).expect("an event"));
            }
        });
    });
    group.bench_function("serde_json, tree", |bencher| {
        bencher.iter(|| {
            for event in &events {
                black_box(serde_json::from_slice::<serde_json::Value>(event).expect("JSON"));
            }
        });
    });
    group.finish();
}

/// Taking a webhook's body of 16 MiB apart.
fn payload(criterion: &mut Criterion) {
    let mut body = br#"{"kind":"EventList","items":["#.to_vec();
    let mut count = 0_u64;
    for event in EVENTS.lines().cycle().take(10_000) {
        body.extend_from_slice(event.as_bytes());
        body.push(b',');
        count += 1;
    }
    body.extend_from_slice(b"null]}");
    let body = Bytes::from(body);
    let mut group = criterion.benchmark_group("payload");
    group.sample_size(20);
    group.throughput(Throughput::ElementsAndBytes {
        elements: count,
        bytes: body.len() as u64,
    });
    group.bench_function("split", |bencher| {
        bencher.iter(|| black_box(split(&body).expect("JSON")));
    });
    group.finish();
}

criterion_group!(benches, reader, payload);
criterion_main!(benches);
