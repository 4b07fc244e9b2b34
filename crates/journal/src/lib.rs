//! A durable, append-only log with many readers.
//!
//! Everything that kubevigil must not lose passes through a journal: audit events between the
//! sources and detection, alerts between detection and the outputs. A record is written once;
//! each reader keeps its own place. The journal knows nothing of events or alerts: a record is a
//! key and bytes.
//!
//! - [`Journal`] opens a directory, takes records ([`Journal::append`]) and answers a [`Ticket`]
//!   once they are on disk.
//! - [`Reader`] gives records in order from the place that its name has committed, and only those
//!   that are on disk.
//! - [`Place`] is the ordinal number of a record, the only address that others keep.
//! - [`Recovery`], [`Stats`] and [`Health`] say what was found, what happens, and what is wrong.
//!
//! ```
//! use kubevigil_journal::{Journal, NewRecord, Options, ReaderStart};
//! use std::time::Duration;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let folder = tempfile::tempdir()?;
//! # let dir = folder.path().join("events");
//! let (journal, recovery) = Journal::open(&dir, Options::default())?;
//! assert_eq!(recovery.records, 0);
//!
//! let ticket = journal.append(vec![NewRecord::unkeyed("an event")])?;
//! assert_eq!(ticket.wait()?.written, 1); // in async code: `ticket.await?`
//!
//! let mut reader = journal.reader("detect", ReaderStart::Oldest)?;
//! let records = reader.read(100, 1 << 20, Duration::from_secs(1))?;
//! reader.commit(records[0].place)?;
//! assert_eq!(reader.lag(), 0);
//! journal.close();
//! # Ok(())
//! # }
//! ```
//!
//! # On disk
//!
//! ```text
//! events/
//!   journal.lock                 held while a process has the journal open
//!   places.redb                  reader places and named blobs, one transaction for several
//!   00000000000000000000.seg     a segment, named after the place of its first record
//!   00000000000000041822.seg     the newest segment, the only one that is written
//! ```
//!
//! A segment is a header and records, back to back; [`layout`] gives every byte. Two checksums
//! guard a record: one over its header, so that lengths can be trusted and payloads hopped over,
//! and one over its payload. Both are salted with a random number of the journal: text inside a
//! payload can never pass for a record, even where the bytes before it are damaged.
//!
//! # Invariants
//!
//! 1. A ticket is answered `Ok` after `fdatasync` of every byte of its records, and after `fsync`
//!    of the directory that names their segment. Readers see a record at that moment, not before.
//! 2. Places rise by one a record and are never given twice: not after retention, not after a
//!    tail is cut, for the next place is also past every committed one.
//! 3. Only the newest segment changes, and only at its end. A segment is synced before the next
//!    one exists, so only the newest can be torn.
//! 4. A segment owns the places from its name up to the name of the next; bytes in it that claim
//!    another place are not part of the journal.
//! 5. What waits is written in groups; a group lies in one segment and counts as a whole. When a
//!    write or sync fails, the segment is cut back to its last durable byte, every append of the
//!    group gets the error, and writing goes on when it works again. A segment that cannot be cut
//!    back is left and a new one is begun.
//!
//! # Recovery
//!
//! Opening reads the newest segment whole and checks it. The bytes after its last whole record
//! are a torn write: never acknowledged, they are cut. Damage with whole records after it is
//! skipped by searching for the next record whose checksums hold, and the number of records lost
//! is known from the places on both sides. What the crash left in the page cache is synced before
//! anyone can read it. Older segments were synced when they were sealed; of those only headers are
//! read, and only as many as the window of known keys needs, so opening takes a bounded time
//! however much is kept. Damage in them is found, skipped and reported when a reader gets there.
//!
//! One case looks like the other: an acknowledged last record that rots on disk is
//! indistinguishable from a torn write, and is cut. [`Recovery::cut_bytes`] tells.
//!
//! Another: of older segments only headers are read at opening, so a record whose payload has
//! rotted there still counts as known, and what is sent again is taken for its duplicate.
//!
//! # Why the segments are hand-made and the places are not
//!
//! Measured for records of 2 KiB with `fsync` on, a thousand a commit: `redb` 37,000 a second,
//! `fjall` 114,000, SQLite 22,000, a plain checksummed file 136,000 (141,000 at a hundred a commit,
//! where the others do 18,000 to 40,000). A key-value store also writes each event two or
//! three times over and compacts on its own schedule, and all that buys lookups by key that nobody
//! makes. The log crates considered, by their pages
//! (none was measured): `commitlog` keeps a memory-mapped index that must agree with its data after
//! a crash; `okaywal` recycles its segments, being made for checkpoints and not for keeping;
//! `wal-db`, `seglog` and `logdb` come nearest, but are young, and their pages promise neither
//! reading on behind damage in the middle, nor known keys, nor committed places of many readers.
//! What remains is a few hundred lines whose failure modes are all in this page and in the tests.
//!
//! Reader places are the opposite: small, several values that must change together (a place and
//! the state that belongs to it), rarely more than a hundred commits a second. That is a database's work, and
//! `redb` does it: [`Journal::commit_all`] is one transaction.
//!
//! Segments are not preallocated: `fallocate` made `fdatasync` slower (6.6 against 3.1 ms for 17
//! kB on ext4, as unwritten extents are converted), and writing zeros first doubles the bytes.

mod core;
mod damage;
mod error;
mod folder;
mod hold;
mod journal;
pub mod layout;
mod options;
mod place;
mod places;
mod queue;
mod reader;
mod record;
mod recovery;
mod retention;
mod segment;
mod stats;
mod ticket;
mod walk;
mod window;
mod writer;

pub use damage::Damaged;
pub use error::{AppendError, CommitError, OpenError, ReadError, ReaderError, WriteError};
pub use error::{WriteErrorKind, WriteTrouble};
pub use journal::Journal;
pub use options::{Options, ReaderStart};
pub use place::Place;
pub use reader::Reader;
pub use record::{NO_KEY, NewRecord, Record};
pub use recovery::Recovery;
pub use stats::{Health, ReaderStats, Stats};
pub use ticket::{Appended, Ticket};
