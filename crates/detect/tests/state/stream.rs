//! Rules of every kind of correlation over small made-up events, and streams of such events.

use std::sync::Arc;

use kubevigil_audit::time::Timestamp;
use kubevigil_detect::{
    CorrelationMatch, Detections, Matcher, Occasion, Position, RuleMatching, Scratch, State,
};
use kubevigil_rules::Rule;
use kubevigil_rules::sigma::{Loader, Options};
use proptest::prelude::*;
use serde_json::json;

/// Seconds at which streams begin.
const EPOCH: i64 = 1_700_000_000;

/// A made-up event: which rules hold for it, and what correlations look at.
#[derive(Clone, Debug)]
pub(crate) struct Made {
    /// Seconds since the beginning of the stream.
    pub(crate) time: i64,
    pub(crate) received: i64,
    /// Of the rules a, b and c.
    pub(crate) rules: Vec<usize>,
    pub(crate) group: Option<u8>,
    pub(crate) values: Vec<u8>,
    pub(crate) number: Option<i64>,
    pub(crate) agent: Option<u8>,
    pub(crate) credentials: Vec<u8>,
}

pub(crate) const RULES: [&str; 3] = ["a", "b", "c"];

/// The correlations, by title.
pub(crate) const CORRELATIONS: &str = "
title: count
name: count
correlation: {type: event_count, rules: [a, b], group-by: [g], timespan: 2m, condition: {gte: 3}}
---
title: few
correlation: {type: event_count, rules: [a], timespan: 60s, condition: {gt: 1, lte: 3}}
---
title: values
correlation: {type: value_count, rules: [a], group-by: [g], timespan: 10m, condition: {field: v, gte: 3}}
---
title: pairs
correlation: {type: value_count, rules: [a, b], group-by: [g], timespan: 1m, condition: {field: [v, agent], neq: 2}}
---
title: sum
correlation: {type: value_sum, rules: [a], group-by: [g], timespan: 5m, condition: {field: n, gte: 10}}
---
title: avg
correlation: {type: value_avg, rules: [a, b], group-by: [g], timespan: 2m, condition: {field: n, gt: 4}}
---
title: percentile
correlation: {type: value_percentile, rules: [a], timespan: 3m, condition: {field: n, percentile: 75, gte: 5}}
---
title: temporal
correlation: {type: temporal, rules: [a, b, c], group-by: [g], timespan: 3m}
---
title: some
correlation: {type: temporal, rules: [a, b, c], group-by: [g], timespan: 1m, condition: {gte: 2}}
---
title: expression
correlation: {type: temporal, rules: [a, b, c], group-by: [g], timespan: 2m, condition: a and (b or c) and not c}
---
title: ordered
correlation: {type: temporal_ordered, rules: [a, b, c], group-by: [g], timespan: 4m}
---
title: nested
correlation: {type: temporal_ordered, rules: [count, c], group-by: [g], timespan: 10m, generate: true}
---
title: join
kubevigil: {type: join, rules: [a, b], group-by: [cred], differ: [agent, v], timespan: 5m}
---
title: chain
kubevigil: {type: join, rules: [a, b, c], group-by: [g], differ: [agent], timespan: 6m}
---
title: pair
kubevigil: {type: join, rules: [a, b], group-by: [g, cred], timespan: 1m}
---
title: seen
kubevigil: {type: first_seen, rules: [a], group-by: [g], field: [v], learning: 1m, timespan: 3m}
---
title: anybody
kubevigil: {type: first_seen, rules: [a, b], field: [g, agent], learning: 0s, timespan: 10m}
";

/// Loads rules beside `a`, `b` and `c`.
pub(crate) fn load(correlations: &str) -> Vec<Arc<Rule>> {
    let mut text = String::new();
    for rule in RULES {
        text.push_str(&format!(
            "title: {rule}\nname: {rule}\nlogsource: {{product: kubernetes, service: audit}}\ndetection:\n  s: {{k: {rule}}}\n  condition: s\n---\n"
        ));
    }
    text.push_str(correlations.trim_start());
    let mut loader = Loader::new(Options::default());
    loader.load_file("rules.yml", &text);
    let loaded = loader.finish();
    assert!(loaded.successful(), "{:#?}", loaded.files[0].diagnostics);
    loaded.rules
}

/// The correlations among the rules, compiled each on its own right: all report.
pub(crate) fn matcher(rules: &[Arc<Rule>]) -> Matcher {
    let correlations: Vec<Arc<Rule>> = rules
        .iter()
        .filter(|rule| rule.correlation().is_some())
        .cloned()
        .collect();
    Matcher::compile(&correlations, RuleMatching::All).unwrap()
}

impl Made {
    pub(crate) fn json(&self) -> String {
        let name = |prefix: &str, number: u8| format!("{prefix}{number}");
        let names = |prefix: &str, numbers: &[u8]| {
            numbers
                .iter()
                .map(|&number| name(prefix, number))
                .collect::<Vec<_>>()
        };
        let time = timestamp(self.time).to_string();
        json!({
            "stageTimestamp": time,
            "k": self.rules.iter().map(|&rule| RULES[rule]).collect::<Vec<_>>(),
            "g": self.group.map(|number| name("g", number)),
            "v": names("v", &self.values),
            "n": self.number,
            "agent": self.agent.map(|number| name("agent", number)),
            "cred": names("c", &self.credentials),
        })
        .to_string()
    }
}

pub(crate) fn timestamp(seconds: i64) -> Timestamp {
    Timestamp {
        nanoseconds: i128::from(EPOCH + seconds) * 1_000_000_000,
    }
}

/// Puts an event to the matcher and the state. Its receipt is its number.
pub(crate) fn observe(
    matcher: &Matcher,
    state: &mut State,
    number: usize,
    event: &Made,
) -> Vec<CorrelationMatch> {
    let detections = detections(matcher, event);
    let occasion = Occasion {
        received: timestamp(event.received),
    };
    state.observe(&detections, &occasion, &mut || {
        number.to_string().into_bytes().into()
    })
}

pub(crate) fn detections(matcher: &Matcher, event: &Made) -> Detections {
    matcher
        .detect(
            event.json().as_bytes(),
            &Position::default(),
            &mut Scratch::default(),
        )
        .unwrap()
}

prop_compose! {
    fn made()(
        step in prop_oneof![3 => Just(0_i64), 3 => 1..20_i64, 2 => 20..200_i64, 1 => 200..900_i64],
        lag in prop_oneof![6 => Just(0_i64), 3 => 0..30_i64, 2 => 0..301_i64, 1 => 301..400_i64, 1 => -500..0_i64],
        rules in proptest::sample::subsequence(vec![0, 1, 2], 0..=3),
        group in proptest::option::weighted(0.9, 0..2_u8),
        values in proptest::collection::vec(0..4_u8, 0..3),
        number in proptest::option::weighted(0.8, -3..12_i64),
        agent in proptest::option::weighted(0.8, 0..2_u8),
        credentials in proptest::collection::vec(0..3_u8, 0..3),
    ) -> (i64, i64, Made) {
        (step, lag, Made { time: 0, received: 0, rules, group, values, number, agent, credentials })
    }
}

/// Streams whose events come out of order, some too late, some from the future.
pub(crate) fn stream(length: usize) -> impl Strategy<Value = Vec<Made>> {
    proptest::collection::vec(made(), 1..length).prop_map(|events| {
        let mut clock = 1_000;
        let place = |(step, lag, made): (i64, i64, Made)| {
            clock += step;
            Made {
                time: clock - lag,
                received: clock,
                ..made
            }
        };
        events.into_iter().map(place).collect()
    })
}
