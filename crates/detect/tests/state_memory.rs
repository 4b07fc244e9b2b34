//! The memory that the state takes, counted by the allocator: what it says it takes is what it takes, and never more than allowed.
//!
//! One test and nothing beside it in this binary, because the allocator counts for all threads.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "tests")]

use std::sync::Arc;

use kubevigil_audit::time::Timestamp;
use kubevigil_detect::{
    Matcher, Occasion, Position, RuleMatching, Scratch, State, StateLimits, StateStats,
};
use kubevigil_rules::sigma::{Loader, Options};
use peak_alloc::PeakAlloc;

#[global_allocator]
static ALLOCATOR: PeakAlloc = PeakAlloc;

const RULE: &str = "title: read\nname: read\nlogsource: {product: kubernetes, service: audit}\ndetection:\n  s: {verb: get}\n  condition: s\n---\n";

fn matcher(correlation: &str) -> Matcher {
    let mut loader = Loader::new(Options::default());
    loader.load_file("rules.yml", &format!("{RULE}{correlation}"));
    let rules = loader.finish().rules;
    let correlations: Vec<_> = rules
        .into_iter()
        .filter(|rule| rule.correlation().is_some())
        .collect();
    Matcher::compile(&correlations, RuleMatching::All).unwrap()
}

/// What a run took at most, by the allocator and by its own account.
struct Taken {
    counted: usize,
    charged: usize,
    stats: StateStats,
}

/// Observes so many events, a millisecond apart, of which `event` gives the members beside the verb.
fn taken(
    correlation: &str,
    limits: StateLimits,
    events: u32,
    event: impl Fn(u32) -> String,
) -> Taken {
    let matcher = matcher(correlation);
    let mut scratch = Scratch::default();
    let mut state = State::new(&matcher, limits);
    let before = ALLOCATOR.current_usage();
    ALLOCATOR.reset_peak_usage();
    let mut charged = 0;
    for number in 0..events {
        let raw = format!("{{\"verb\":\"get\",{}}}", event(number));
        let received = Timestamp {
            nanoseconds: 1_700_000_000_000_000_000 + i128::from(number) * 1_000_000,
        };
        let position = Position {
            received,
            ..Position::default()
        };
        let detections = matcher
            .detect(raw.as_bytes(), &position, &mut scratch)
            .unwrap();
        state.observe(&detections, &Occasion { received }, &mut || {
            Arc::from([b'r'; 150])
        });
        if number % 256 == 0 {
            charged = charged.max(state.stats().bytes);
        }
    }
    Taken {
        counted: ALLOCATOR.peak_usage() - before,
        charged,
        stats: state.stats(),
    }
}

/// Working memory that has nothing to do with how much is remembered.
const WORKING: usize = 256 << 10;

fn check(what: &str, taken: &Taken, limit: usize) {
    let Taken {
        counted, charged, ..
    } = *taken;
    println!(
        "{what}: counted {} KiB, charged {} KiB",
        counted >> 10,
        charged >> 10
    );
    assert!(
        counted <= limit + WORKING,
        "{what}: {counted} bytes are more than {limit}"
    );
    assert!(
        counted <= charged + WORKING,
        "{what}: {counted} bytes were taken, {charged} charged"
    );
    assert!(
        charged <= counted * 2 + WORKING,
        "{what}: {counted} bytes were taken, {charged} charged"
    );
}

#[test]
fn memory_stays_within_its_limit_and_is_charged_as_it_is() {
    let wide = StateLimits {
        groups: 2_000_000,
        ..StateLimits::default()
    };
    let count = "title: count\ncorrelation: {type: event_count, rules: [read], group-by: [user], timespan: 1h, condition: {gte: 5}}\n";
    let million = taken(count, wide, 1_000_000, |number| {
        format!("\"user\":\"user-{number}\"")
    });
    check("a million groups", &million, wide.bytes);
    let found = million.stats.correlations[0];
    assert!(
        found.groups > 150_000,
        "{} groups are remembered",
        found.groups
    );
    assert_eq!(found.groups as u64 + found.evicted_groups, 1_000_000);

    let seen = "title: seen\nkubevigil: {type: first_seen, rules: [read], field: [user], learning: 0s, timespan: 30d}\n";
    let values = taken(
        seen,
        StateLimits {
            first_seen_values: 50_000,
            ..wide
        },
        60_000,
        |number| format!("\"user\":\"user-{number}\""),
    );
    check("learned values", &values, wide.bytes);
    assert_eq!(values.stats.correlations[0].entries, 50_000);

    let distinct = "title: values\ncorrelation: {type: value_count, rules: [read], group-by: [user], timespan: 1h, condition: {field: [name], gte: 100000}}\n";
    let few_groups = taken(distinct, wide, 20_000, |number| {
        format!("\"user\":\"{}\",\"name\":\"{}\"", number % 7, number / 3)
    });
    check("large groups", &few_groups, wide.bytes);

    let narrow = StateLimits {
        bytes: 1 << 20,
        ..wide
    };
    let evicting = taken(distinct, narrow, 15_000, |number| {
        format!("\"user\":\"{}\",\"name\":\"{}\"", number % 50, number / 3)
    });
    check("large groups in little memory", &evicting, narrow.bytes);
    assert!(evicting.stats.correlations[0].evicted_groups > 0);
}
