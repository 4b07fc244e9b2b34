//! The layer around services that do what services do, and worse.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "tests"
)]

mod answers;
mod formats;
mod gone;
mod identity;
mod requests;
mod rig;
mod splits;
mod stages;
mod wire;
