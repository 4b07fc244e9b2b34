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
//! # The types and how they meet
//!
//! [`Matcher::compile`] takes rules; [`Matcher::detect`] takes an event and a thread's [`Scratch`] and gives a
//! [`Detection`] for every rule that holds, with its output rendered.
//!
//! This crate is pure: the clock and the event's number in its stream are arguments ([`Position`]). It never panics and
//! never recurses on events; it recurses on conditions, whose depth the rule readers bound.

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
mod lookup;
mod matcher;
mod path_prefix;
mod plan;
mod render;
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
