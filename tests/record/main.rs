//! `kubevigil record` as its users have it: the real program before a scripted API server, real sockets, real files.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::print_stderr,
    reason = "tests"
)]

#[path = "../daemon/alerts.rs"]
#[expect(dead_code, reason = "the daemon's tests use more of it")]
mod alerts;
#[path = "../daemon/authority.rs"]
#[expect(dead_code, reason = "the daemon's tests use more of it")]
mod authority;
mod backends;
mod certificates;
#[path = "../daemon/daemon.rs"]
#[expect(dead_code, reason = "the daemon's tests use more of it")]
mod daemon;
mod drain;
mod durable;
mod full_disk;
mod gate;
mod pasted;
mod policy;
mod requests;
mod rotation;
#[path = "../daemon/sender.rs"]
#[expect(dead_code, reason = "the daemon's tests use more of it")]
mod sender;
#[path = "../small_disk.rs"]
mod small_disk;
mod source;
mod start;
mod upstream;
