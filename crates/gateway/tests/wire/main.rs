//! The gateway over real sockets: each test starts one in front of an upstream that keeps every byte it receives, and talks to it
//! as a client or an attacker would. What the audit log says is compared with those bytes.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

#[path = "../upstream/authority.rs"]
#[expect(dead_code, reason = "shared with other tests")]
mod authority;
mod certificates;
mod drain;
mod http2;
mod limits;
mod malformed;
mod raw_upstream;
mod smuggling;
mod stage;
mod targets;
