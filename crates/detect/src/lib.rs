//! All loaded rules compiled into one matcher, and events through it.
//!
//! # How an event is matched
//!
//! 1. **One pass over the bytes.** The JSON paths that any rule reads are one path trie
//!    ([`kubevigil_audit::json::Paths`]). Reading an event fills the trie's slots and steps over everything else; there is
//!    no tree of the event.
//! 2. **The index names candidates.** For the most selective fields (verb, resource, stage, ...) the matcher knows which rules
//!    can hold for which value, as sets of bits. Their intersection is all that is evaluated, so the cost of an event
//!    does not grow with the number of rules.
//! 3. **Shared conditions are evaluated once.** Equal parts of conditions, whichever rules they stand in, are one node of
//!    the program, and a node's answer is remembered for the event.
//!
//! # How events are correlated
//!
//! While an event is before the matcher, everything that correlations may want of it is read: digests of its group and of the
//! values looked at, one [`Hit`] for each member of a correlation whose rule holds. So the matcher remembers nothing and any number of
//! threads can share it, and the [`State`] remembers digests and times and never sees an event. It keeps per group
//!
//! - for thresholds, sums and orders the events that a window may still contain;
//! - where only more can satisfy a correlation (different values, members in any order, joins) *runs* of equal events, so that
//!   a busy group costs as much as a quiet one;
//! - for `first_seen` when a value was last seen.
//!
//! Time is the events' own; events may come out of order by [`LATENESS`]. All memory is bounded by [`StateLimits`]. The same events in
//! the same order give the same matches, live, in replay, and with any number of restarts between ([`State::snapshot`]).
//!
//! # The types and how they meet
//!
//! [`Matcher::compile`] takes rules; [`Matcher::detect`] takes an event and a thread's [`Scratch`] and gives [`Detections`]: a
//! [`Detection`] for every rule that holds, with its output rendered, and hits. [`State::observe`] takes these and gives a
//! [`CorrelationMatch`] for every correlation that the event leaves satisfied, with the events that led there as [`Evidence`].
//! [`explain::explain`] tells why a condition holds or does not.
//!
//! ```
//! use std::sync::Arc;
//! use kubevigil_detect::{Matcher, Occasion, Position, RuleMatching, Scratch, State, StateLimits};
//! use kubevigil_rules::sigma::{Loader, Options};
//!
//! let text = "
//! title: denied
//! name: denied
//! logsource: {product: kubernetes, service: audit}
//! detection:
//!   s: {responseStatus.code: 403}
//!   condition: s
//! ---
//! title: Many denied requests
//! correlation: {type: event_count, rules: [denied], group-by: [user.username], timespan: 1m, condition: {gte: 2}}
//! ";
//! let mut loader = Loader::new(Options::default());
//! loader.load_file("rules.yml", text);
//! let matcher = Matcher::compile(&loader.finish().rules, RuleMatching::All)?;
//! let mut state = State::new(&matcher, StateLimits::default());
//! let mut messages = Vec::new();
//! for second in 1..=2 {
//!     let event = format!(r#"{{"stageTimestamp":"2026-03-14T02:41:0{second}Z","user":{{"username":"eve"}},"responseStatus":{{"code":403}}}}"#);
//!     let found = matcher.detect(event.as_bytes(), &Position::default(), &mut Scratch::default())?;
//!     assert!(found.list.is_empty(), "a rule that is counted raises nothing itself");
//!     let occasion = Occasion { received: found.time };
//!     let matches = state.observe(&found, &occasion, &mut || Arc::from(*b"where to find the event"));
//!     messages.extend(matches.into_iter().map(|found| String::from_utf8_lossy(&found.message).into_owned()));
//! }
//! assert_eq!(messages, ["Many denied requests (user.username=eve event_count=2)"]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! This crate is pure: the clock and the event's number in its stream are arguments ([`Position`], [`Occasion`]). It never panics
//! and never recurses on events; it recurses on conditions and on nested correlations, whose depth the rule readers bound.

mod bits;
mod check;
mod compile;
mod detection;
mod digest;
mod evaluate;
mod event_time;
pub mod explain;
mod glob;
mod hit;
mod index;
mod json_check;
mod json_evaluate;
mod json_plan;
mod keyword;
mod lookup;
mod matcher;
mod path_prefix;
mod plan;
mod recurring;
mod render;
mod rendering;
mod state;
mod transform;

pub use crate::compile::CompileError;
pub use crate::detection::{Detection, FieldValue};
pub use crate::hit::Hit;
pub use crate::matcher::{Detections, EventError, Matcher, Position, RuleMatching, Scratch};
pub use crate::state::{
    AHEAD, CorrelationMatch, CorrelationStats, Evidence, LATENESS, Occasion, RestoreError,
    Restored, State, StateLimits, StateStats,
};
