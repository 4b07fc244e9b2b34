//! Audit policies: checked, explained, simulated and proposed.
//!
//! An audit policy decides what can ever be seen. Everything here rests on evaluating requests with the evaluator of
//! `kubevigil-audit`, which decides as the API server does; nothing is concluded from looking at rules one by one.
//!
//! - [`resources`] lists what every API server serves.
//! - [`probe`] makes up requests; [`reach`] makes up those that a rule is there for.
//! - [`identity`] knows the groups of users, [`kubectl`] turns what people type into requests, [`wrapped`] finds policies inside other files.
//! - [`known`], [`rest`] and [`need`] find the requests on which a rule can fire, [`coverage`] whether a policy records them, [`recommend`] the
//!   policy that does, [`merge`] what one lacks that is there already.
//! - [`recorded`] and [`simulate`] put the events of a log to a policy.
//! - [`check`] finds what is wrong with a policy although an API server accepts it, one file a lint.

pub mod check;
pub mod coverage;
pub mod identity;
pub mod known;
pub mod kubectl;
mod leaf;
pub mod merge;
pub mod need;
pub mod probe;
pub mod reach;
pub mod recommend;
pub mod recorded;
pub mod resources;
pub mod rest;
pub mod simulate;
pub mod version;
pub mod wrapped;

pub use crate::version::KubernetesVersion;
