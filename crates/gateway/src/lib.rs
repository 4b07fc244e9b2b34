//! An auditing reverse proxy in front of any API server.

pub mod answer;
pub mod arrival;
mod counters;
mod either;
pub mod forward;
pub mod identity;
pub mod impersonate;
mod peer;
pub mod refuse;

pub use crate::peer::Peer;
