//! The way to the upstream and back, byte by byte: a test holds the client's end and the upstream's end of real sockets and says
//! what each of them sees.

#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "tests"
)]

mod audited;
mod bodies;
mod breaks;
mod bystanders;
mod heads;
mod identity;
mod reach;
mod stale;
mod tunnels;
mod wire;

#[path = "../upstream/authority.rs"]
#[expect(dead_code, reason = "other tests use the rest")]
mod authority;
