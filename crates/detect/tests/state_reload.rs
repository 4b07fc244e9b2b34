//! What is remembered when rules change under a running state.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

#[expect(dead_code, reason = "shared by tests that use random streams")]
#[path = "state/stream.rs"]
mod stream;

use kubevigil_detect::{Matcher, State, StateLimits};

use crate::stream::{Made, load, matcher, observe};

const COUNT: &str = "title: count\ncorrelation: {type: event_count, rules: [a], group-by: [g], timespan: 2m, condition: {gte: 3}}\n";
const SEEN: &str = "title: seen\nkubevigil: {type: first_seen, rules: [a], field: [v], learning: 1m, timespan: 3m}\n";

fn event(time: i64, value: u8) -> Made {
    Made {
        time,
        received: time,
        rules: vec![0],
        group: Some(1),
        values: vec![value],
        number: None,
        agent: None,
        credentials: Vec::new(),
    }
}

fn compiled(documents: &[&str]) -> Matcher {
    matcher(&load(&documents.join("---\n")))
}

/// The titles that fire at an event.
fn titles(matcher: &Matcher, state: &mut State, event: &Made) -> Vec<String> {
    observe(matcher, state, 0, event)
        .iter()
        .map(|found| found.rule.name.to_string())
        .collect()
}

fn names(names: &[std::sync::Arc<str>]) -> Vec<&str> {
    names.iter().map(AsRef::as_ref).collect()
}

/// A state that has seen two events of the rule a.
fn after_two() -> (Matcher, State) {
    let before = compiled(&[COUNT, SEEN]);
    let mut state = State::new(&before, StateLimits::default());
    for time in [0, 10] {
        assert!(titles(&before, &mut state, &event(time, 1)).is_empty());
    }
    (before, state)
}

#[test]
fn what_has_not_changed_goes_on_wherever_it_stands_now() {
    let (_, state) = after_two();
    let other = "title: other\ncorrelation: {type: event_count, rules: [b], timespan: 2m, condition: {gte: 1}}\n";
    let after = compiled(&[SEEN, other, COUNT]);
    let mut state = State::adopt(state, &after);
    assert_eq!(names(&state.restored().kept), ["seen", "count"]);
    assert!(state.restored().dropped.is_empty());
    assert_eq!(
        titles(&after, &mut state, &event(20, 1)),
        ["count"],
        "the third event"
    );
}

#[test]
fn a_window_that_asks_something_else_starts_anew() {
    for changed in [
        COUNT.replace("gte: 3", "gte: 2"),
        COUNT.replace("2m", "3m"),
        COUNT.replace("[g]", "[v]"),
        COUNT.replace("rules: [a]", "rules: [a, b]"),
    ] {
        let (_, state) = after_two();
        let after = compiled(&[&changed, SEEN]);
        let mut state = State::adopt(state, &after);
        assert_eq!(names(&state.restored().dropped), ["count"], "{changed}");
        assert!(
            titles(&after, &mut state, &event(20, 1)).is_empty(),
            "{changed}"
        );
    }
}

#[test]
fn what_was_learned_outlives_a_change_of_the_times() {
    let (_, state) = after_two();
    let after = compiled(&[&SEEN.replace("3m", "5m").replace("1m", "2m")]);
    let mut state = State::adopt(state, &after);
    assert_eq!(
        (
            names(&state.restored().kept),
            names(&state.restored().dropped)
        ),
        (vec!["seen"], vec!["count"])
    );
    assert!(
        titles(&after, &mut state, &event(110, 2)).is_empty(),
        "it learns longer now"
    );
    assert!(
        titles(&after, &mut state, &event(130, 1)).is_empty(),
        "known from before"
    );
    assert_eq!(titles(&after, &mut state, &event(130, 3)), ["seen"]);
}

#[test]
fn what_was_learned_of_another_field_is_not_kept() {
    let (_, state) = after_two();
    let after = compiled(&[COUNT, &SEEN.replace("[v]", "[agent]")]);
    assert_eq!(
        names(&State::adopt(state, &after).restored().dropped),
        ["seen"]
    );
}

#[test]
fn nothing_is_charged_for_what_is_given_up() {
    let (_, state) = after_two();
    assert!(state.stats().receipt_bytes > 0);
    let state = State::adopt(state, &compiled(&[SEEN]));
    assert_eq!(state.stats().receipt_bytes, 0);
    assert_eq!(state.stats().bytes, state.stats().correlations[0].bytes);
}

#[test]
fn a_snapshot_is_read_by_changed_rules_as_a_reload_would() {
    let (_, state) = after_two();
    let after = compiled(&[SEEN, &COUNT.replace("gte: 3", "gte: 4")]);
    let mut restored = State::restore(&after, StateLimits::default(), &state.snapshot()).unwrap();
    assert_eq!(
        (
            names(&restored.restored().kept),
            names(&restored.restored().dropped)
        ),
        (vec!["seen"], vec!["count"])
    );
    assert_eq!(restored.stats().receipt_bytes, 0);
    assert_eq!(titles(&after, &mut restored, &event(61, 9)), ["seen"]);
}

#[test]
fn a_new_stream_empties_windows_and_keeps_what_was_learned() {
    let (before, mut state) = after_two();
    state.begin_stream();
    assert!(
        titles(&before, &mut state, &event(-100_000, 1)).is_empty(),
        "an older file is read, and its first event counts as one"
    );
    assert!(titles(&before, &mut state, &event(-99_990, 1)).is_empty());
    assert_eq!(titles(&before, &mut state, &event(-99_980, 1)), ["count"]);
}
