//! Connections of HTTP servers that may be slow, idle or hostile: what the webhook and the gateway have in common.
//!
//! Both are built on hyper without a framework, because their limits lie below what a framework shows: connections,
//! handshakes, headers that trickle in, answers that nobody reads. Hyper knows messages; this crate knows how long each may
//! take.
//!
//! | item | what it is |
//! |---|---|
//! | [`listen`], [`accept`] | a port, with advice when it cannot be had |
//! | [`Places`], [`raise_limit`] | how many connections there may be, and who has to go when there are too many |
//! | [`Watched`] | a TCP stream that reports what is done with it, and that can be severed from outside |
//! | [`Activity`], [`Patience`] | what a connection is doing, and whether it has taken too long for it |
//! | [`drive`] | runs a connection to its end: its own, its time's, or the server's |
//! | [`Count`] | what happened, for metrics |
//! | [`Complaint`], [`Throttle`] | what the log says of them, and that it stays readable |
//!
//! They meet in the order of the table: a server listens, takes a place for each connection that it accepts, watches its
//! stream, and drives it. `src/connection.rs` of the gateway shows it whole.
//!
//! # Example
//!
//! A server with a single place, and a client that sits on it:
//!
//! ```
//! use std::time::Duration;
//!
//! use kubevigil_connections::{Places, Throttle, Watched, accept, listen};
//! use tokio_util::sync::CancellationToken;
//!
//! # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
//! let (listener, address) = listen("127.0.0.1:0".parse()?, "the setting with the address").await?;
//! let places = Places::new(1);
//! let free = places.take().await;
//! let _client = tokio::net::TcpStream::connect(address).await?;
//! let (stream, peer) = accept(&listener, &Throttle::new(Duration::from_secs(1))).await;
//!
//! let stream = Watched::new(stream);
//! let place = free.occupy(peer.ip(), stream.activity(), CancellationToken::new());
//! assert!(places.try_take().is_none());
//! drop(place); // the connection has ended
//! assert!(places.try_take().is_some());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod activity;
mod complaint;
mod count;
mod descriptors;
mod drive;
mod listening;
mod places;
mod protocol;
mod stream;
mod throttle;

pub use crate::activity::{Activity, InFlight, Overdue, Patience};
pub use crate::complaint::Complaint;
pub use crate::count::Count;
pub use crate::descriptors::raise_limit;
pub use crate::drive::{End, drive};
pub use crate::listening::{ListenError, accept, listen};
pub use crate::places::{FreePlace, Place, Places};
pub use crate::protocol::{Connection, Protocol};
pub use crate::stream::Watched;
pub use crate::throttle::Throttle;
