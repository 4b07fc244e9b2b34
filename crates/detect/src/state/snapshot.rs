//! The state as bytes, so that it survives a restart, and back.
//!
//! # Format, version 1
//!
//! Eight bytes that say what this is, a byte with the version, the content, and 16 bytes of a digest over all of it, so that
//! damage of any kind is refused. In the content whole numbers are of variable length (seven bits to a byte, the lowest first),
//! lengths precede what they measure. Receipts come first, each once, and are referred to by number. Every correlation states
//! the digest of its definition and can be stepped over without knowing it.
//!
//! Written by hand and not with a serialisation library, for two reasons: times are differences to the entry before, which makes an
//! entry some twelve bytes, and receipts are shared, for which such a library would need a copy of everything in another shape.

mod read;
mod write;

use std::sync::Arc;

use crate::digest::{Digest, Digester};

/// What a snapshot begins with.
const MAGIC: &[u8; 8] = b"kvgstate";
/// The version that is written, and the only one that there ever was.
const VERSION: u8 = 1;

const WINDOWS: u8 = 1;
const FIRST_SEEN: u8 = 2;
const RUNS: u8 = 3;

/// What became of memories when the state was restored or adopted by other rules.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Restored {
    /// Names of the correlations that go on where they were.
    pub kept: Vec<Arc<str>>,
    /// Names of correlations whose memory was given up: they are gone, or ask something else now. Sorted.
    pub dropped: Vec<Arc<str>>,
}

/// A snapshot cannot be read.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum RestoreError {
    /// It is something else.
    #[error(
        "this is no state of correlations: it does not begin like one; start without it, correlations then begin anew"
    )]
    Foreign,
    /// It is of a version that this program does not know.
    #[error(
        "the state of correlations has format version {0}, this program reads version {VERSION}: use the program that wrote it, or start without it, correlations then begin anew"
    )]
    Version(u8),
    /// Bytes are missing, added or changed.
    #[error(
        "the state of correlations is damaged: {0}; start without it, correlations then begin anew"
    )]
    Damaged(&'static str),
}

fn checksum(bytes: &[u8]) -> Digest {
    let mut digester = Digester::default();
    digester.bytes(bytes);
    digester.finish()
}

#[cfg(test)]
mod tests {
    use kubevigil_audit::time::Timestamp;
    use kubevigil_rules::sigma::{Loader, Options};
    use proptest::prelude::*;

    use super::*;
    use crate::{Matcher, Occasion, Position, RuleMatching, Scratch, State, StateLimits};

    const RULES: &str = "title: a
name: a
logsource: {product: kubernetes, service: audit}
detection: {s: {k|exists: true}, condition: s}
---
title: count
correlation: {type: event_count, rules: [a], group-by: [k], timespan: 1m, condition: {gte: 2}}
---
title: values
correlation: {type: value_count, rules: [a], timespan: 1m, condition: {field: k, gte: 2}}
---
title: sum
correlation: {type: value_sum, rules: [a], timespan: 1m, condition: {field: n, gte: 2}}
---
title: seen
kubevigil: {type: first_seen, rules: [a], field: k, learning: 0s, timespan: 1m}
";

    fn observe(matcher: &Matcher, state: &mut State, second: i128, k: u8) {
        let received = Timestamp {
            nanoseconds: second * 1_000_000_000,
        };
        let position = Position {
            received,
            ..Position::default()
        };
        let event = format!("{{\"k\":\"{k}\",\"n\":{k}}}");
        let found = matcher.detect(event.as_bytes(), &position, &mut Scratch::default());
        state.observe(&found.unwrap(), &Occasion { received }, &mut || {
            Arc::from([k])
        });
    }

    proptest! {
        /// Damage is kept out by the checksum; this is what somebody made on purpose.
        #[test]
        fn a_forged_snapshot_is_refused_or_harmless(
            changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
            events in proptest::collection::vec((0..200_i128, 0..4_u8), 0..20),
        ) {
            let mut loader = Loader::new(Options::default());
            loader.load_file("rules.yml", RULES);
            let matcher = Matcher::compile(&loader.finish().rules, RuleMatching::All).unwrap();
            let mut state = State::new(&matcher, StateLimits::default());
            for number in 0..12_u8 {
                observe(&matcher, &mut state, i128::from(number) * 7, number % 3);
            }
            let mut forged = state.snapshot();
            let content = forged.len() - 16;
            for (at, byte) in changes {
                forged[9 + at.index(content - 9)] = byte;
            }
            let digest = checksum(&forged[..content]);
            forged[content..].copy_from_slice(&digest);
            if let Ok(mut state) = State::restore(&matcher, StateLimits::default(), &forged) {
                for (second, k) in events {
                    observe(&matcher, &mut state, second, k);
                }
                state.snapshot();
            }
        }
    }
}
