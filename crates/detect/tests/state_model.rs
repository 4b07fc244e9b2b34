//! The state against a model that keeps every event for ever and looks at each window anew.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

#[path = "state/model.rs"]
mod model;
#[path = "state/stream.rs"]
mod stream;

use std::sync::LazyLock;

use kubevigil_detect::{CorrelationMatch, FieldValue, Matcher, State, StateLimits};
use proptest::prelude::*;

use crate::model::{Asked, Asks, Counts, Model, Said};
use crate::stream::{CORRELATIONS, Made, load, matcher, observe, stream};

static MATCHER: LazyLock<Matcher> = LazyLock::new(|| matcher(&load(CORRELATIONS)));

fn by_group(event: &Made) -> Vec<String> {
    event.group.iter().map(u8::to_string).collect()
}

fn all(_: &Made) -> Vec<String> {
    vec![String::new()]
}

fn by_credential(event: &Made) -> Vec<String> {
    event.credentials.iter().map(u8::to_string).collect()
}

fn by_both(event: &Made) -> Vec<String> {
    let groups = by_group(event);
    let pair = |credential: &u8| {
        groups
            .iter()
            .map(move |group| format!("{group} {credential}"))
            .collect::<Vec<_>>()
    };
    event.credentials.iter().flat_map(pair).collect()
}

fn values(event: &Made) -> Vec<String> {
    event.values.iter().map(u8::to_string).collect()
}

fn with_agent(event: &Made) -> Vec<String> {
    event
        .agent
        .iter()
        .flat_map(|agent| {
            event
                .values
                .iter()
                .map(move |value| format!("{value} {agent}"))
        })
        .collect()
}

fn somebody(event: &Made) -> Vec<String> {
    event
        .agent
        .iter()
        .flat_map(|agent| {
            event
                .group
                .iter()
                .map(move |group| format!("{group} {agent}"))
        })
        .collect()
}

fn other_agent(first: &Made, last: &Made) -> bool {
    first.agent.is_some() && last.agent.is_some() && first.agent != last.agent
}

fn other_agent_or_values(first: &Made, last: &Made) -> bool {
    let both = !first.values.is_empty() && !last.values.is_empty();
    other_agent(first, last) || (both && first.values != last.values)
}

fn percentile_75(numbers: &[f64]) -> f64 {
    let mut sorted = numbers.to_vec();
    sorted.sort_by(f64::total_cmp);
    let place = (sorted.len() - 1) as f64 * 75.0 / 100.0;
    let (low, high) = (place.floor() as usize, place.ceil() as usize);
    sorted[low] + (sorted[high] - sorted[low]) * (place - place.floor())
}

fn rules(count: usize) -> Vec<Counts> {
    (0..count).map(Counts::Rule).collect()
}

fn ask(
    title: &'static str,
    members: Vec<Counts>,
    groups: fn(&Made) -> Vec<String>,
    span: i64,
    asks: Asks,
) -> Asked {
    let stand_for_others = ["values", "temporal", "some"].contains(&title);
    Asked {
        title,
        members,
        groups,
        span,
        asks,
        stand_for_others,
    }
}

/// Those of [`CORRELATIONS`] that ask for numbers.
fn numbers() -> Vec<Asked> {
    vec![
        ask(
            "count",
            rules(2),
            by_group,
            120,
            Asks::Count(|count| count >= 3),
        ),
        ask(
            "few",
            rules(1),
            all,
            60,
            Asks::Count(|count| count > 1 && count <= 3),
        ),
        ask(
            "values",
            rules(1),
            by_group,
            600,
            Asks::Values(values, |count| count >= 3),
        ),
        ask(
            "pairs",
            rules(2),
            by_group,
            60,
            Asks::Values(with_agent, |count| count != 2),
        ),
        ask(
            "sum",
            rules(1),
            by_group,
            300,
            Asks::Number(|numbers| numbers.iter().sum(), |sum| sum >= 10.0),
        ),
        ask(
            "avg",
            rules(2),
            by_group,
            120,
            Asks::Number(
                |numbers| numbers.iter().sum::<f64>() / numbers.len() as f64,
                |mean| mean > 4.0,
            ),
        ),
        ask(
            "percentile",
            rules(1),
            all,
            180,
            Asks::Number(percentile_75, |number| number >= 5.0),
        ),
    ]
}

/// The others.
fn members() -> Vec<Asked> {
    vec![
        ask(
            "temporal",
            rules(3),
            by_group,
            180,
            Asks::Present(|present| present.iter().all(|one| *one)),
        ),
        ask(
            "some",
            rules(3),
            by_group,
            60,
            Asks::Present(|present| present.iter().filter(|one| **one).count() >= 2),
        ),
        ask(
            "expression",
            rules(3),
            by_group,
            120,
            Asks::Present(|present| present[0] && present[1] && !present[2]),
        ),
        ask("ordered", rules(3), by_group, 240, Asks::Ordered),
        ask(
            "nested",
            vec![Counts::Correlation("count"), Counts::Rule(2)],
            by_group,
            600,
            Asks::Ordered,
        ),
        ask(
            "join",
            rules(2),
            by_credential,
            300,
            Asks::Join(Some(other_agent_or_values)),
        ),
        ask(
            "chain",
            rules(3),
            by_group,
            360,
            Asks::Join(Some(other_agent)),
        ),
        ask("pair", rules(2), by_both, 60, Asks::Join(None)),
        ask(
            "seen",
            rules(1),
            by_group,
            180,
            Asks::FirstSeen {
                values,
                learning: 60,
            },
        ),
        ask(
            "anybody",
            rules(2),
            all,
            600,
            Asks::FirstSeen {
                values: somebody,
                learning: 0,
            },
        ),
    ]
}

/// Whether what the state found is what the model says.
fn agrees(found: &CorrelationMatch, said: &Said) -> bool {
    if *found.rule.name != *said.title || found.repeated != said.repeated {
        return false;
    }
    if found.repeated {
        return found.evidence.is_empty() && found.fields.is_empty();
    }
    let evidence: Vec<usize> = found
        .evidence
        .iter()
        .map(|evidence| {
            std::str::from_utf8(&evidence.receipt)
                .unwrap()
                .parse()
                .unwrap()
        })
        .collect();
    let number = found.fields.iter().find_map(|(name, value)| match value {
        FieldValue::Integer(number) if name.starts_with("value_") => Some(*number as f64),
        FieldValue::Text(text) if name.starts_with("value_") => {
            std::str::from_utf8(text).unwrap().parse().ok()
        }
        _ => None,
    });
    let times: Vec<_> = found
        .evidence
        .iter()
        .map(|evidence| evidence.time)
        .collect();
    !evidence.is_empty()
        && evidence.iter().all(|number| said.evidence.contains(number))
        && times.is_sorted()
        && number.is_some_and(|number| said.number == Some(number)) == said.number.is_some()
}

/// Whether each match is one that the model says, in some order: groups have no order there.
fn agree(found: &[CorrelationMatch], said: &[Said]) -> bool {
    let Some((first, rest)) = found.split_first() else {
        return said.is_empty();
    };
    (0..said.len()).any(|place| {
        let mut others = said.to_vec();
        agrees(first, &others.remove(place)) && agree(rest, &others)
    })
}

fn shown(found: &[CorrelationMatch]) -> Vec<String> {
    let receipts = |one: &CorrelationMatch| {
        let receipts = one
            .evidence
            .iter()
            .map(|evidence| String::from_utf8_lossy(&evidence.receipt).into_owned());
        receipts.collect::<Vec<_>>().join(" ")
    };
    let line = |one: &CorrelationMatch| {
        let message = String::from_utf8_lossy(&one.message).into_owned();
        format!(
            "{} repeated={} {message} evidence: {}",
            one.rule.name,
            one.repeated,
            receipts(one)
        )
    };
    found.iter().map(line).collect()
}

proptest! {
    #[test]
    fn every_kind_finds_what_its_definition_says(events in stream(100)) {
        let mut state = State::new(&MATCHER, StateLimits::default());
        let mut model = Model::new(numbers().into_iter().chain(members()).collect());
        for (number, event) in events.iter().enumerate() {
            let found = observe(&MATCHER, &mut state, number, event);
            let said = model.observe(number, event);
            prop_assert!(agree(&found, &said), "event {number} {event:?}: found {:#?}, the model says {said:#?}", shown(&found));
        }
    }
}
