//! The daemon as its users have it: real processes, real sockets, real files.
//!
//! Every test starts the binary on ports and with a state folder of its own, sends events as a kube-apiserver does, and looks at
//! nothing but what comes out: answers, alerts, the log, metrics, the exit code.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::print_stderr,
    reason = "tests"
)]

mod alerts;
mod authority;
mod correlations;
mod crash;
mod daemon;
mod drain;
mod events;
mod files;
mod full_disk;
mod health;
mod http_output;
mod introduction;
mod make_run;
mod receiver;
mod refused_rules;
mod reload;
mod sender;
#[path = "../small_disk.rs"]
mod small_disk;
mod start;
mod state;
mod tls;
mod verify;
mod webhook;
