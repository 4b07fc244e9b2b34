//! The events of requests, against what a real API server recorded.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stderr,
    clippy::indexing_slicing,
    reason = "tests"
)]

mod bodies;
mod encode;
mod parity;
mod recorded;
mod stages;
