//! The whole gateway: what it records beside what genuine servers record, with kubectl in front of it, and under attack.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stderr,
    clippy::indexing_slicing,
    reason = "tests"
)]

#[path = "../upstream/authority.rs"]
mod authority;
mod client;
mod delegates;
mod gateway;
mod kubectl;
mod parity;
mod recorder;
mod robustness;
mod rotation;
#[path = "../upstream/mod.rs"]
mod upstream;
