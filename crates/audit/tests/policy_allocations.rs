//! Deciding allocates nothing, so that it can run for every event of a big log. The only test of its process: others would allocate
//! beside it.

use std::fs;

use kubevigil_audit::policy::{Attributes, PolicyFile, User};
use peak_alloc::PeakAlloc;
use serde_json::Value;

#[global_allocator]
static ALLOCATOR: PeakAlloc = PeakAlloc;

const VECTORS: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../../../shared/vectors/policy-vectors-published.json"
);

#[test]
fn deciding_allocates_nothing() {
    let Ok(text) = fs::read_to_string(VECTORS) else {
        eprintln!("skipped: {VECTORS} is not there");
        return;
    };
    let vectors: Value = serde_json::from_str(&text).unwrap();
    let mut decided = 0;
    for vector in vectors["vectors"].as_array().unwrap() {
        let policy = &vectors["policies"][vector["policyRef"].as_str().unwrap()];
        let policy = PolicyFile::read("policy.json", &policy.to_string())
            .policy
            .unwrap();
        let request = &vector["request"];
        let text = |key: &str| request[key].as_str().unwrap_or_default();
        let groups: Vec<Box<str>> = request["groups"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|group| group.as_str().unwrap().into())
            .collect();
        let attributes = Attributes {
            user: request["user"].as_str().map(|name| User {
                name,
                groups: &groups,
            }),
            verb: text("verb"),
            path: text("path"),
            is_resource_request: request["isResourceRequest"].as_bool().unwrap(),
            namespace: text("namespace"),
            api_group: text("apiGroup"),
            resource: text("resource"),
            subresource: text("subresource"),
            name: text("name"),
        };
        ALLOCATOR.reset_peak_usage();
        let before = ALLOCATOR.peak_usage();
        let decision = policy.decide(&attributes);
        assert_eq!(ALLOCATOR.peak_usage(), before, "{decision:?}");
        decided += 1;
    }
    assert!(decided > 400);
    // The counter does count.
    ALLOCATOR.reset_peak_usage();
    let before = ALLOCATOR.peak_usage();
    drop(std::hint::black_box(vec![0_u8; 64]));
    assert!(ALLOCATOR.peak_usage() > before);
}
