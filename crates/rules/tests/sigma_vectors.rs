//! Sigma's vectors through the loader and the slow reference evaluator.
//!
//! The vectors and SigmaHQ's rules are not part of the repository; without them beside the checkout these tests say so and pass.
//! What is deliberately different stands in docs/deviations.md, which is read here.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stderr,
    reason = "tests"
)]

#[path = "reference/mod.rs"]
mod reference;
#[path = "sigma/vectors.rs"]
mod vectors;

use kubevigil_audit::time::Timestamp;
use kubevigil_rules::{EventContext, Rule};

fn holds(rule: &Rule, raw: &str) -> bool {
    let event = EventContext {
        raw: raw.as_bytes(),
        number: 1,
        time: Timestamp::default(),
        first_time: Timestamp::default(),
    };
    reference::holds(rule.condition().unwrap(), &event)
}

#[test]
fn every_vector_is_as_expected_or_listed() {
    vectors::run(|rules, raw| rules.iter().map(|rule| holds(rule, raw)).collect());
}
