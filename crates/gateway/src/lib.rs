//! An auditing reverse proxy in front of any API server.

pub mod answer;
pub mod arrival;
mod config;
mod connection;
mod counters;
mod either;
pub mod forward;
pub mod identity;
pub mod impersonate;
mod peer;
pub mod refuse;
mod throttle;

pub use crate::config::{ConfigError, GatewayConfig, GatewayTls, UpstreamConfig};
pub use crate::counters::{Count, GatewayCounters};
pub use crate::peer::Peer;
