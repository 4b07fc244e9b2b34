//! Alerts on their way: real files, real sockets, and crashes at every byte.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stderr,
    reason = "tests"
)]

mod alerts;
mod correlations;
mod couriers;
mod encrypted;
mod files;
mod formats;
mod full_disk;
mod kills;
mod memory_log;
mod peer;
mod posts;
#[path = "../../../../tests/small_disk.rs"]
mod small_disk;
mod whole;
