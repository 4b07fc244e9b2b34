//! Connections of HTTP servers that may be slow, idle or hostile: what the webhook and the gateway have in common.
//!
//! Both are built on hyper without a framework, because their limits lie below what a framework shows: connections, handshakes,
//! headers that trickle in, answers that nobody reads. Hyper knows messages; this crate knows how long each may take.
//!
//! | | |
//! |---|---|
//! | [`listen`], [`accept`] | a port, with advice when it cannot be had |
//! | [`Places`], [`raise_limit`] | how many connections there may be, and who has to go when there are too many |
//! | [`Watched`] | a TCP stream that reports what is done with it, and that can be severed from outside |
//! | [`Activity`], [`Patience`] | what a connection is doing, and whether it has taken too long for it |
//! | [`drive`] | runs a connection to its end: its own, its time's, or the server's |
//! | [`Count`] | what happened, for metrics |
//! | [`Complaint`], [`Throttle`] | what the log says of them, and that it stays readable |

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
