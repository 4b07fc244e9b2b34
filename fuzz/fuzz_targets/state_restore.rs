//! Any bytes as a stored state: refused, or a state that takes events, is written again and read again as the same.
//!
//! Seeds are made by the target itself: the first byte says how many events a genuine snapshot has seen, of which the others change some bytes.
//! The checksum is made right, or nothing behind it would ever be reached.

#![no_main]

use std::sync::{Arc, LazyLock};

use kubevigil_audit::time::Timestamp;
use kubevigil_detect::{Matcher, Occasion, Position, RuleMatching, Scratch, State, StateLimits};
use kubevigil_rules::sigma::{Loader, Options};
use libfuzzer_sys::fuzz_target;

const RULES: &str = "title: a\nname: a\nlogsource: {product: kubernetes, service: audit}\ndetection: {s: {verb: get}, condition: s}\n---\n\
title: b\nname: b\nlogsource: {product: kubernetes, service: audit}\ndetection: {s: {verb: [get, list]}, condition: s}\n---\n\
title: count\ncorrelation: {type: event_count, rules: [a, b], group-by: [user], timespan: 10s, condition: {gte: 3}}\n---\n\
title: values\ncorrelation: {type: value_count, rules: [a], timespan: 10s, condition: {field: code, gte: 3}}\n---\n\
title: sum\ncorrelation: {type: value_sum, rules: [a], group-by: [user], timespan: 10s, condition: {field: code, gte: 3}}\n---\n\
title: order\ncorrelation: {type: temporal_ordered, rules: [a, b], timespan: 10s}\n---\n\
title: join\nkubevigil: {type: join, rules: [a, b], group-by: [user], differ: [code], timespan: 10s}\n---\n\
title: seen\nkubevigil: {type: first_seen, rules: [a], group-by: [user], field: code, learning: 1s, timespan: 10s}\n";

static MATCHER: LazyLock<Matcher> = LazyLock::new(|| {
    let mut loader = Loader::new(Options::default());
    loader.load_file("rules.yml", RULES);
    let rules = loader.finish().rules;
    assert_eq!(rules.len(), 8);
    Matcher::compile(&rules, RuleMatching::All).expect("the rules are good")
});

/// Puts so many events, and keeps to small limits.
fn observe(state: &mut State, count: u8) {
    for number in 0..count {
        let verb = if number % 3 == 0 { "list" } else { "get" };
        let event = format!(
            r#"{{"verb":"{verb}","user":{},"code":{}}}"#,
            number % 5,
            number % 7
        );
        let mut found = MATCHER
            .detect(
                event.as_bytes(),
                &Position::default(),
                &mut Scratch::default(),
            )
            .expect("an object is an event");
        found.time = Timestamp {
            nanoseconds: (1_700_000_000 + i128::from(number)) * 1_000_000_000,
        };
        let occasion = Occasion {
            received: found.time,
        };
        state.observe(&found, &occasion, &mut || Arc::from([number; 3]));
    }
}

/// The snapshot with the right checksum at its end.
fn sealed(mut snapshot: Vec<u8>) -> Vec<u8> {
    snapshot.truncate(snapshot.len().saturating_sub(16));
    let mut hasher = blake3::Hasher::new_keyed(b"kubevigil detect: state digest 1");
    hasher.update(&(snapshot.len() as u64).to_le_bytes());
    hasher.update(&snapshot);
    snapshot.extend_from_slice(&hasher.finalize().as_bytes()[..16]);
    snapshot
}

fuzz_target!(|bytes: &[u8]| {
    let limits = StateLimits {
        bytes: 1 << 16,
        groups: 8,
        events_per_group: 8,
        values_per_group: 8,
        first_seen_values: 8,
    };
    let Some((&count, changes)) = bytes.split_first() else {
        return;
    };
    let mut genuine = State::new(&MATCHER, limits);
    observe(&mut genuine, count % 32);
    let mut snapshot = genuine.snapshot();
    let length = snapshot.len();
    for change in changes.chunks_exact(3) {
        let place = usize::from(u16::from_le_bytes([change[0], change[1]])) % length;
        // The magic number has nothing to find.
        snapshot[place.max(9)] = change[2];
    }
    if let Ok(mut state) = State::restore(&MATCHER, limits, &sealed(snapshot)) {
        observe(&mut state, 16);
        let again = state.snapshot();
        let restored =
            State::restore(&MATCHER, limits, &again).expect("what was written can be read");
        assert_eq!(restored.snapshot(), again);
    }
});
