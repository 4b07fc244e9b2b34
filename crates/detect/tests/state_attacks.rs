//! What somebody who writes events can try on the state: to blind it, to make it forget what it knows of others, to pass for another.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::sync::Arc;

use kubevigil_audit::time::Timestamp;
use kubevigil_detect::{
    CorrelationMatch, CorrelationStats, Matcher, Occasion, Position, RuleMatching, Scratch, State,
    StateLimits,
};
use kubevigil_rules::sigma::{Loader, Options};
use serde_json::{Value as Any, json};

/// Rules `get` and `create`, each for its verb.
const RULES: &str = "title: get\nname: get\nlogsource: {product: kubernetes, service: audit}\ndetection:\n  s: {verb: get}\n  condition: s\n---\n\
title: create\nname: create\nlogsource: {product: kubernetes, service: audit}\ndetection:\n  s: {verb: create}\n  condition: s\n---\n";

struct Watch {
    matcher: Matcher,
    state: State,
    scratch: Scratch,
}

impl Watch {
    fn new(correlations: &str, limits: StateLimits) -> Self {
        let mut loader = Loader::new(Options::default());
        loader.load_file("rules.yml", &format!("{RULES}{correlations}"));
        let loaded = loader.finish();
        assert!(loaded.successful(), "{:#?}", loaded.files);
        let of_several = loaded
            .rules
            .into_iter()
            .filter(|rule| rule.correlation().is_some());
        let matcher = Matcher::compile(&of_several.collect::<Vec<_>>(), RuleMatching::All).unwrap();
        let state = State::new(&matcher, limits);
        Self {
            matcher,
            state,
            scratch: Scratch::default(),
        }
    }

    /// Observes an event that says it happened at one time and came in at another, in seconds. Its receipt has so many bytes.
    fn see(
        &mut self,
        time: i64,
        received: i64,
        receipt: usize,
        event: &Any,
    ) -> Vec<CorrelationMatch> {
        let at = |seconds: i64| Timestamp {
            nanoseconds: i128::from(1_700_000_000 + seconds) * 1_000_000_000,
        };
        let raw = event.to_string();
        let mut found = self
            .matcher
            .detect(raw.as_bytes(), &Position::default(), &mut self.scratch)
            .unwrap();
        found.time = at(time);
        let occasion = Occasion {
            received: at(received),
        };
        let matches = self
            .state
            .observe(&found, &occasion, &mut || Arc::from(vec![b'r'; receipt]));
        matches
            .into_iter()
            .filter(|found| !found.repeated)
            .collect()
    }

    fn stats(&self) -> Vec<CorrelationStats> {
        self.state.stats().correlations
    }
}

const COUNT: &str = "title: count\ncorrelation: {type: event_count, rules: [get], group-by: [user], timespan: 10m, condition: {gte: 3}}\n";

#[test]
fn a_sender_whose_clock_is_ahead_does_not_make_the_events_of_others_late() {
    let mut watch = Watch::new(COUNT, StateLimits::default());
    for ahead in [299, 300, 301, 100_000] {
        watch.see(ahead, 0, 9, &json!({"verb": "get", "user": "forged"}));
    }
    // Batches are sent half a minute later.
    let seen: usize = (1..4)
        .map(|second| {
            watch
                .see(
                    second - 30,
                    second,
                    9,
                    &json!({"verb": "get", "user": "eve"}),
                )
                .len()
        })
        .sum();
    assert_eq!(
        (
            seen,
            watch.stats().iter().map(|one| one.late_events).sum::<u64>()
        ),
        (1, 0)
    );
}

#[test]
fn long_receipts_in_one_correlation_do_not_empty_what_another_has_learned() {
    let seen = "title: seen\nkubevigil: {type: first_seen, rules: [create], field: [user], learning: 0s, timespan: 30d}\n---\n";
    let limits = StateLimits {
        bytes: 2 << 20,
        ..StateLimits::default()
    };
    let mut watch = Watch::new(&format!("{seen}{COUNT}"), limits);
    for number in 0..10_000 {
        watch.see(0, 0, 9, &json!({"verb": "create", "user": number}));
    }
    for number in 0..3_000 {
        watch.see(1, 1, 2_000, &json!({"verb": "get", "user": number}));
    }
    let stats = watch.stats();
    assert_eq!(
        stats.iter().map(|one| one.evicted_events).sum::<u64>(),
        0,
        "{stats:?}"
    );
    assert!(
        stats.iter().any(|one| one.evicted_groups > 100),
        "the flood evicts itself and is counted: {stats:?}"
    );
}

#[test]
fn no_list_passes_for_another_text_or_list() {
    let lists = [
        json!(["a", "b"]),
        json!(["a,b"]),
        json!("a,b"),
        json!(["b", "a"]),
        json!("ab"),
        json!(["ab", ""]),
        json!(["a", "b", ""]),
        json!("[\"a\",\"b\"]"),
    ];
    let mut watch = Watch::new(
        &COUNT
            .replace("gte: 3", "gte: 2")
            .replace("[user]", "[user, other]"),
        StateLimits::default(),
    );
    for user in &lists {
        for other in &lists {
            let found = watch.see(
                0,
                0,
                9,
                &json!({"verb": "get", "user": user, "other": other}),
            );
            // One text and a list of it are one on purpose: `sourceIPs` of one address is that address.
            let is_alone = *user == lists[2] || *other == lists[2];
            assert!(
                is_alone || found.is_empty() || [user, other].contains(&&lists[1]),
                "{user} {other}"
            );
        }
    }
    assert_eq!(watch.stats().first().map(|one| one.groups), Some(49));
}

const JOIN: &str = "title: join\nkubevigil: {type: join, rules: [create, get], group-by: [who], aliases: {who: {create: subjects, get: user}}, timespan: 1h}\n";

#[test]
fn nobody_hides_in_a_crowd_of_subjects_and_what_is_left_out_is_counted() {
    let mut watch = Watch::new(JOIN, StateLimits::default());
    let crowd = |count: usize| {
        (0..count)
            .map(|number| format!("account-{number}"))
            .collect::<Vec<_>>()
    };
    watch.see(
        0,
        0,
        9,
        &json!({"verb": "create", "subjects": crowd(3_000)}),
    );
    assert_eq!(
        watch
            .see(1, 1, 9, &json!({"verb": "get", "user": "account-2999"}))
            .len(),
        1
    );
    assert_eq!(
        watch
            .stats()
            .iter()
            .map(|one| one.evicted_events)
            .sum::<u64>(),
        0
    );
    watch.see(
        2,
        2,
        9,
        &json!({"verb": "create", "subjects": crowd(5_000)}),
    );
    assert_eq!(
        watch
            .stats()
            .iter()
            .map(|one| one.evicted_events)
            .sum::<u64>(),
        904
    );
}

#[test]
fn a_value_that_was_learned_is_not_hidden_behind_many_others() {
    let seen = "title: seen\nkubevigil: {type: first_seen, rules: [create], field: [images], learning: 0s, timespan: 30d}\n";
    let mut watch = Watch::new(seen, StateLimits::default());
    let mut images: Vec<String> = (0..2_000).map(|number| format!("image-{number}")).collect();
    assert_eq!(
        watch
            .see(0, 0, 9, &json!({"verb": "create", "images": images}))
            .len(),
        1
    );
    assert!(
        watch
            .see(1, 1, 9, &json!({"verb": "create", "images": images}))
            .is_empty()
    );
    images.push("miner".to_owned());
    assert_eq!(
        watch
            .see(2, 2, 9, &json!({"verb": "create", "images": images}))
            .len(),
        1
    );
}

/// Not by a clock, which a busy machine would slow down: with so much work as this forbids the test would take hours.
#[test]
fn a_flood_of_late_events_with_many_values_in_one_group_is_dealt_with() {
    let values = "title: values\ncorrelation: {type: value_count, rules: [get], group-by: [user], timespan: 10m, condition: {field: [name], gte: 100000}}\n---\n\
title: few\ncorrelation: {type: value_count, rules: [get], group-by: [user], timespan: 10m, condition: {field: [name], gte: 5, lt: 6}}\n";
    let mut watch = Watch::new(values, StateLimits::default());
    watch.see(
        300,
        300,
        9,
        &json!({"verb": "get", "user": "eve", "name": "x"}),
    );
    for number in 0..80 {
        let names: Vec<String> = (0..200).map(|value| format!("{number} {value}")).collect();
        watch.see(
            number,
            300,
            9,
            &json!({"verb": "get", "user": "eve", "name": names}),
        );
    }
    for one in watch.stats() {
        assert!(
            one.entries <= StateLimits::default().values_per_group && one.evicted_events > 0,
            "{one:?}"
        );
    }
}
