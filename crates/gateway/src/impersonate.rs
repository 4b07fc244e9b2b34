//! In whose name somebody asks.

mod forward_as;

pub use self::forward_as::{ForwardAs, Unwritable};
