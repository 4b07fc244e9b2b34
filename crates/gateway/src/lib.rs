//! An auditing reverse proxy in front of any API server.

pub mod answer;
pub mod forward;
pub mod identity;
pub mod impersonate;
mod peer;

pub use crate::peer::Peer;
