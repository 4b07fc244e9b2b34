//! A state that was stored and read back goes on as if nothing had happened, and refuses what it did not write.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

#[path = "state/stream.rs"]
mod stream;

use std::sync::LazyLock;

use kubevigil_detect::{CorrelationMatch, Matcher, RestoreError, State, StateLimits};
use proptest::prelude::*;

use crate::stream::{CORRELATIONS, Made, load, matcher, observe, stream};

static MATCHER: LazyLock<Matcher> = LazyLock::new(|| matcher(&load(CORRELATIONS)));

/// Limits that bite all the time: what is evicted must not depend on restarts either.
const NARROW: StateLimits = StateLimits {
    bytes: 92_000,
    groups: 2,
    events_per_group: 5,
    values_per_group: 6,
    first_seen_values: 4,
};

/// Everything that a caller sees of the matches of an event.
fn seen(matches: &[CorrelationMatch]) -> Vec<String> {
    let line = |one: &CorrelationMatch| {
        let evidence: Vec<_> = one
            .evidence
            .iter()
            .map(|evidence| (&evidence.rule.name, evidence.time, &evidence.receipt))
            .collect();
        format!(
            "{} {} {:?} {:?} {:?} {:?} {}",
            one.rule.name,
            one.repeated,
            one.time,
            one.message,
            one.fields,
            evidence,
            one.evidence_total
        )
    };
    matches.iter().map(line).collect()
}

fn run(state: &mut State, events: &[Made], from: usize) -> Vec<Vec<String>> {
    let event = |(number, event)| seen(&observe(&MATCHER, state, number, event));
    events.iter().enumerate().skip(from).map(event).collect()
}

fn restarted(state: &State, limits: StateLimits) -> State {
    let restored = State::restore(&MATCHER, limits, &state.snapshot()).unwrap();
    assert_eq!(
        restored.stats(),
        state.stats(),
        "as much is remembered, and it is charged for as before"
    );
    assert!(restored.restored().dropped.is_empty());
    restored
}

fn limits() -> impl Strategy<Value = StateLimits> {
    prop_oneof![Just(StateLimits::default()), Just(NARROW)]
}

proptest! {
    #[test]
    fn a_stream_cut_anywhere_gives_the_same_matches(
        events in stream(60),
        cuts in proptest::collection::vec(0..60_usize, 0..6),
        limits in limits(),
    ) {
        let mut whole = State::new(&MATCHER, limits);
        let expected = run(&mut whole, &events, 0);
        let mut state = State::new(&MATCHER, limits);
        for (number, event) in events.iter().enumerate() {
            if cuts.contains(&number) {
                state = restarted(&state, limits);
            }
            prop_assert_eq!(&seen(&observe(&MATCHER, &mut state, number, event)), &expected[number], "event {}", number);
        }
        prop_assert_eq!(state.snapshot(), whole.snapshot(), "nothing else is remembered either");
    }

    #[test]
    fn what_followed_an_earlier_snapshot_can_be_replayed(events in stream(40), place in 0..40_usize, limits in limits()) {
        let place = place.min(events.len());
        let mut state = State::new(&MATCHER, limits);
        run(&mut state, &events[..place], 0);
        let snapshot = state.snapshot();
        let expected = run(&mut state, &events, place);
        let mut again = State::restore(&MATCHER, limits, &snapshot).unwrap();
        prop_assert_eq!(run(&mut again, &events, place), expected);
    }

    #[test]
    fn damage_is_refused(events in stream(30), at in any::<prop::sample::Index>(), change in 1..=255_u8, cut in any::<bool>()) {
        let mut state = State::new(&MATCHER, StateLimits::default());
        run(&mut state, &events, 0);
        let mut snapshot = state.snapshot();
        let at = at.index(snapshot.len());
        if cut {
            snapshot.truncate(at);
        } else {
            snapshot[at] ^= change;
        }
        prop_assert!(State::restore(&MATCHER, StateLimits::default(), &snapshot).is_err());
    }

    #[test]
    fn arbitrary_bytes_are_refused(bytes in proptest::collection::vec(any::<u8>(), 0..300), headed in any::<bool>()) {
        let mut snapshot = if headed { b"kvgstate\x01".to_vec() } else { Vec::new() };
        snapshot.extend(bytes);
        prop_assert!(State::restore(&MATCHER, StateLimits::default(), &snapshot).is_err());
    }
}

#[test]
fn another_version_is_refused_in_plain_words() {
    let mut snapshot = State::new(&MATCHER, StateLimits::default()).snapshot();
    snapshot[8] = 2;
    let error = State::restore(&MATCHER, StateLimits::default(), &snapshot).unwrap_err();
    assert_eq!(error, RestoreError::Version(2));
    assert_eq!(
        error.to_string(),
        "the state of correlations has format version 2, this program reads version 1: use the program that wrote it, or start without it, correlations then begin anew"
    );
}

/// A stream without chance.
fn fixed(length: u8) -> Vec<Made> {
    let event = |number: u8| Made {
        time: i64::from(number) * 3 % 100,
        received: i64::from(number) * 3,
        rules: vec![0, 1, 2],
        group: Some(number % 4),
        values: vec![number % 5],
        number: Some(number.into()),
        agent: Some(number % 3),
        credentials: vec![number % 3],
    };
    (0..length).map(event).collect()
}

#[test]
fn narrow_limits_bite() {
    let mut state = State::new(&MATCHER, NARROW);
    run(&mut state, &fixed(200), 0);
    let stats = state.stats();
    assert!(stats.bytes <= NARROW.bytes);
    assert!(
        stats
            .correlations
            .iter()
            .any(|correlation| correlation.evicted_groups > 0)
    );
    assert!(
        stats
            .correlations
            .iter()
            .any(|correlation| correlation.evicted_events > 0)
    );
    assert!(
        stats
            .correlations
            .iter()
            .all(|correlation| correlation.groups <= NARROW.groups)
    );
    let remembered: usize = stats
        .correlations
        .iter()
        .map(|correlation| correlation.entries)
        .sum();
    assert!(
        remembered > 20,
        "something is left to compare: {remembered}"
    );
}

#[test]
fn version_1_is_read_as_it_was_first_written() {
    let events = fixed(40);
    let mut state = State::new(&MATCHER, StateLimits::default());
    run(&mut state, &events, 0);
    let snapshot = include_bytes!("state/version-1.snapshot");
    let restored = State::restore(&MATCHER, StateLimits::default(), snapshot).unwrap();
    assert!(
        restored.restored().dropped.is_empty(),
        "definitions have other digests now, so every state would be given up: {:?}",
        restored.restored()
    );
    assert_eq!(restored.stats(), state.stats());
}
