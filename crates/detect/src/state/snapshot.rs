//! The state as bytes, so that it survives a restart, and back.
//!
//! # Format, version 1
//!
//! Eight bytes that say what this is, a byte with the version, the content, and 16 bytes of a digest over all of it, so that
//! damage of any kind is refused. In the content whole numbers are of variable length (seven bits to a byte, the lowest first),
//! lengths precede what they measure. Receipts come first, each once, and are referred to by number. Every correlation states
//! the digest of its definition and can be stepped over without knowing it.
//!
//! Written by hand and not with a serialisation library, for two reasons: times are differences to the entry before, which makes an
//! entry some twelve bytes, and receipts are shared, for which such a library would need a copy of everything in another shape.

mod read;
mod write;

use std::sync::Arc;

use crate::digest::{Digest, Digester};

/// What a snapshot begins with.
const MAGIC: &[u8; 8] = b"kvgstate";
/// The version that is written, and the only one that there ever was.
const VERSION: u8 = 1;

const WINDOWS: u8 = 1;
const FIRST_SEEN: u8 = 2;
const RUNS: u8 = 3;

/// What became of memories when the state was restored or adopted by other rules.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Restored {
    /// Names of the correlations that go on where they were.
    pub kept: Vec<Arc<str>>,
    /// Names of correlations whose memory was given up: they are gone, or ask something else now. Sorted.
    pub dropped: Vec<Arc<str>>,
}

/// A snapshot cannot be read.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum RestoreError {
    /// It is something else.
    #[error(
        "this is no state of correlations: it does not begin like one; start without it, correlations then begin anew"
    )]
    Foreign,
    /// It is of a version that this program does not know.
    #[error(
        "the state of correlations has format version {0}, this program reads version {VERSION}: use the program that wrote it, or start without it, correlations then begin anew"
    )]
    Version(u8),
    /// Bytes are missing, added or changed.
    #[error(
        "the state of correlations is damaged: {0}; start without it, correlations then begin anew"
    )]
    Damaged(&'static str),
}

fn checksum(bytes: &[u8]) -> Digest {
    let mut digester = Digester::default();
    digester.bytes(bytes);
    digester.finish()
}
