//! JSON (RFC 8259) as bytes that are looked at, not parsed into a tree.
//!
//! A [`Json`] is one value: the slice of the event where it stands. Members and elements are found by scanning forward
//! on demand, with a counter of open brackets instead of recursion.
//!
//! Scanning trusts that brackets match and strings end; where they do not, it stops at the end of the slice. It never
//! panics. The reader that vouches for a whole event, and finds many paths in one pass, is built beside it.

mod text;
mod value;

pub use value::{Elements, Json, JsonKind, Members};
