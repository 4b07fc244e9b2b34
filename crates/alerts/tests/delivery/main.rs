//! Alerts on their way: real files, real sockets, and crashes at every byte.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, missing_docs, reason = "tests")]

mod alerts;
mod couriers;
mod files;
mod formats;
mod memory_log;
mod peer;
mod posts;
mod whole;
