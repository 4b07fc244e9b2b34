//! Kubernetes audit events: their bytes, a fast reader, and a typed view.
//!
//! **An event is its bytes.** The JSON that the API server wrote is kept as received; nothing here re-serialises it.
//! What a reader needs is located in the bytes and borrowed from them.
//!
//! This crate is pure: no I/O, no clock. It never panics and never recurses on input, whatever the bytes hold: the
//! API server embeds bodies that clients wrote, nested up to 10,000 levels deep.

pub mod event;
pub mod json;
pub mod payload;
pub mod time;
