//! JSON (RFC 8259) as bytes that are looked at, not parsed into a tree.
//!
//! A [`Json`] is one value: the slice of the event where it stands. Members and elements are found by scanning forward
//! on demand, with a counter of open brackets instead of recursion. [`Paths`] finds many values of an event in one
//! pass, and vouches for the event while it does.
//!
//! | | |
//! |---|---|
//! | `block` | 64 bytes at a time: quotes, brackets, insides of strings |
//! | `index` | the blocks of a text, and stepping over values with them |
//! | `paths`, `keys` | the trie of paths |
//! | `walk` | the pass over an event that fills its slots |
//! | `found` | what it found; paths through arrays, looked up when asked |
//! | `value`, `text` | one value on its own |

mod block;
mod error;
mod found;
mod index;
mod keys;
mod paths;
mod text;
mod value;
mod walk;

pub(crate) use index::{Index, skip_blanks};

pub use error::{Expected, FoundByte, JsonError};
pub use found::Found;
pub use paths::{PathId, PathScratch, Paths, PathsBuilder};
pub use value::{Elements, Json, JsonKind, Members};

/// Which of several equal keys in one object counts (RFC 8259 section 4 leaves that open).
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Duplicates {
    /// The first one, as Falco's plugin reads.
    First,
    /// The last one, as Go and so the API server reads.
    Last,
}
