//! Rule languages, each read into one [`Rule`] with one [`Condition`].
//!
//! A detection rule asks a yes-or-no question about an audit event and says what to tell people when
//! the answer is yes. Falco and Sigma ask with different grammars and different semantics (absence,
//! letter case, lists, types). Each language's front end spells its semantics out in [`Condition`], so
//! that the matcher in `kubevigil-detect` has no idea which language a rule came from.
//!
//! # The types and how they meet
//!
//! - [`Condition`] is the tree of and, or, not and [`Test`]s.
//! - A [`Test`] puts a [`Predicate`] to the [`Values`] of an [`Expr`], usually a [`Field`].
//! - A [`Field`] is an entry of a language's catalogue: a name, a type, the JSON paths that it reads, and
//!   the pure function from what stands there to [`Values`].
//! - A [`Template`] is the text of an alert with fields in it.
//! - A [`Rule`] carries all of them with its name, [`Priority`] and tags. What it asks is a [`Question`]: a condition on one event,
//!   or a [`Correlation`] of the matches of other rules.
//!
//! [`falco`] reads Falco's rule files, [`sigma`] reads Sigma's.
//!
//! This crate does no I/O and knows no clock: texts go in, rules and diagnostics come out.

pub mod condition;
pub mod correlation;
pub mod derived;
pub mod falco;
pub mod field;
pub mod json_test;
pub mod lookup;
pub mod pattern;
pub mod rule;
pub mod sigma;
pub mod template;

pub use crate::condition::{Compare, Condition, Expr, Members, Needle, Predicate, Test, Transform};
pub use crate::correlation::{Correlation, CorrelationKind, EventValue, Member};
pub use crate::field::{EventContext, Field, Inputs, JsonPath, Kind, Read, Value, Values};
pub use crate::json_test::{Elements, JsonPredicate, JsonTest, Letters, Quantifier, Subject};
pub use crate::lookup::Lookup;
pub use crate::pattern::Pattern;
pub use crate::rule::{Language, Origin, Priority, Question, Refused, Rule};
pub use crate::template::{Piece, Template};
