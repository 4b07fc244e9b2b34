//! An auditing reverse proxy in front of any API server.
//!
//! A request passes through a stack of services, outermost first:
//!
//! | | |
//! |---|---|
//! | connection | TLS, HTTP/1.1 and HTTP/2, time-outs and limits, draining |
//! | [`arrival`] | audit id, request head, one form of target |
//! | [`recover`] | answers for what panics |
//! | [`identity`] | who asks |
//! | [`kubevigil_record::layer`] | the events; everything inside is audited |
//! | [`refuse`] | answers whoever was not recognised |
//! | [`crowd`] | sends requests away that are too many |
//! | [`impersonate`] | in whose name somebody asks |
//! | [`forward`] | to the upstream and back |
//!
//! [`Gateway`] puts them together and serves. The gateway leaves out of events what only the API server knows; the page of
//! [`kubevigil_record`] lists it.
//!
//! ```
//! # use std::sync::Arc;
//! use kubevigil_audit::policy::PolicyFile;
//! use kubevigil_gateway::{Gateway, GatewayConfig, UpstreamConfig};
//! use kubevigil_record::auditing::Auditing;
//! # use kubevigil_record::sink::Union;
//! # use tokio_util::sync::CancellationToken;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let policy = "apiVersion: audit.k8s.io/v1\nkind: Policy\nrules: [{level: Metadata}]\n";
//! let policy = PolicyFile::read("policy.yaml", policy).policy.ok_or("no policy")?;
//! # let sink = Union(Vec::new());
//! let auditing = Auditing::new(policy, Arc::new(sink));
//! let config = GatewayConfig {
//!     listen: "127.0.0.1:0".parse()?,
//!     upstream: UpstreamConfig {
//!         server: Some("http://127.0.0.1:8001".parse()?),
//!         ..UpstreamConfig::default()
//!     },
//!     ..GatewayConfig::default()
//! };
//! let gateway = Gateway::bind(config, auditing).await?;
//! println!("listening on {}", gateway.address());
//! let stop = CancellationToken::new();
//! # stop.cancel();
//! gateway.serve(stop).await;
//! # Ok(())
//! # }
//! ```

pub mod answer;
pub mod arrival;
mod config;
mod connection;
mod counters;
pub mod crowd;
mod either;
pub mod forward;
mod gateway;
pub mod identity;
pub mod impersonate;
mod peer;
mod reach;
pub mod recover;
pub mod refuse;
mod room;
mod stack;
mod workers;

pub use crate::config::{ConfigError, GatewayConfig, GatewayTls, UpstreamConfig};
pub use crate::counters::{GatewayCounters, Malformed};
pub use crate::gateway::{BindError, Drained, Gateway, Handle, ReloadError};
pub use crate::peer::Peer;
pub use crate::reach::{DelegateError, ReachError, check_delegate, upstream_warnings};
pub use crate::stack::check_identity;
pub use kubevigil_connections::Count;
