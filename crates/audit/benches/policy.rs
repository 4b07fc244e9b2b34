//! Requests put to published policies: the mean time of a decision, over all requests of the shared vectors.

#![expect(
    clippy::expect_used,
    clippy::print_stderr,
    reason = "a benchmark may stop"
)]

use std::fs;
use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use kubevigil_audit::policy::{Attributes, Policy, PolicyFile, User};
use serde::Deserialize;
use serde_json::Value;

const VECTORS: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../../../shared/vectors/policy-vectors-published.json"
);

#[derive(Deserialize)]
struct Vectors {
    policies: serde_json::Map<String, Value>,
    vectors: Vec<Vector>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Vector {
    policy_ref: String,
    request: Request,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[derive(Default)]
struct Request {
    user: Option<String>,
    groups: Option<Vec<Box<str>>>,
    verb: String,
    path: String,
    namespace: String,
    api_group: String,
    resource: String,
    subresource: String,
    name: String,
    is_resource_request: bool,
}

impl Request {
    fn attributes(&self) -> Attributes<'_> {
        let groups = self.groups.as_deref().unwrap_or_default();
        Attributes {
            user: self.user.as_deref().map(|name| User { name, groups }),
            verb: &self.verb,
            path: &self.path,
            is_resource_request: self.is_resource_request,
            namespace: &self.namespace,
            api_group: &self.api_group,
            resource: &self.resource,
            subresource: &self.subresource,
            name: &self.name,
        }
    }
}

fn decide(criterion: &mut Criterion) {
    let Ok(text) = fs::read_to_string(VECTORS) else {
        eprintln!("skipped: {VECTORS} is not there");
        return;
    };
    let vectors: Vectors = serde_json::from_str(&text).expect("the vectors are of this shape");
    let mut group = criterion.benchmark_group("decide");
    for (name, policy) in &vectors.policies {
        let file = PolicyFile::read(name, &policy.to_string());
        let policy: Policy = file.policy.expect("published policies are valid");
        let of_policy = vectors
            .vectors
            .iter()
            .filter(|vector| vector.policy_ref == *name);
        let requests: Vec<Attributes<'_>> = of_policy
            .map(|vector| vector.request.attributes())
            .collect();
        group.throughput(Throughput::Elements(requests.len() as u64));
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                for request in &requests {
                    black_box(policy.decide(black_box(request)));
                }
            });
        });
    }
    group.finish();
}

criterion_group!(benches, decide);
criterion_main!(benches);
