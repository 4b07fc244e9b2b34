//! What can go wrong, and what to do.

use crate::Place;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A journal could not be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// Another process, or this one, has it open.
    #[error(
        "the journal {} is in use by another process{}; stop that one or choose another directory",
        dir.display(),
        holder.as_deref().map(|pid| format!(" ({pid})")).unwrap_or_default()
    )]
    InUse {
        /// The journal's directory.
        dir: PathBuf,
        /// The process id that the lock file names.
        holder: Option<String>,
    },
    /// The path leads to something else.
    #[error("{} is not a directory; a journal needs a directory of its own", dir.display())]
    NotADirectory {
        /// The path as given.
        dir: PathBuf,
    },
    /// The journal belongs to another user, or that user's directory cannot be written.
    #[error(
        "the journal {} belongs to user {owner} and this process runs as user {user}; run it as \
         that user, change the owner, or choose another directory",
        dir.display()
    )]
    Foreign {
        /// The journal's directory.
        dir: PathBuf,
        /// The user id that owns it.
        owner: u32,
        /// The user id of this process.
        user: u32,
    },
    /// A segment was written by a newer kubevigil.
    #[error(
        "{} has layout version {found}, this build reads version {}; use the newer build that wrote it",
        path.display(),
        crate::layout::VERSION
    )]
    Version {
        /// The segment.
        path: PathBuf,
        /// Its version.
        found: u32,
    },
    /// The file of reader places cannot be read.
    #[error(
        "cannot read the reader places in {}: {text}; move that file away to let every reader \
         start again at the oldest record",
        path.display()
    )]
    Places {
        /// The file.
        path: PathBuf,
        /// The database's words.
        text: String,
    },
    /// The operating system refused something else.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
}

impl OpenError {
    /// For `map_err`: an error of the operating system with what was tried on which file.
    pub(crate) fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_path_buf();
        move |source| OpenError::Io {
            action,
            path,
            source,
        }
    }
}

/// Records were not taken. Nothing of the append counts.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AppendError {
    /// The disk is slower than the senders: try again later.
    #[error("{waiting} bytes wait to be written, the limit is {limit}; try again later")]
    Full {
        /// Bytes that wait.
        waiting: usize,
        /// [`Options::max_waiting_bytes`](crate::Options::max_waiting_bytes).
        limit: usize,
    },
    /// A payload is longer than the journal keeps: it will never be taken.
    #[error("record {index} of the append has {bytes} bytes, the limit is {limit}")]
    TooLarge {
        /// Its index in the append.
        index: usize,
        /// Its length.
        bytes: usize,
        /// [`Options::max_record_bytes`](crate::Options::max_record_bytes).
        limit: usize,
    },
    /// The journal is closed.
    #[error("the journal is closed")]
    Stopped,
}

/// Records were taken but could not be brought to disk. Nothing of the append counts.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("cannot write to the journal: {text}")]
pub struct WriteError {
    /// What kind of trouble.
    pub kind: WriteErrorKind,
    /// The operating system's words.
    pub text: Arc<str>,
}

impl WriteError {
    pub(crate) fn from_io(error: &io::Error) -> Self {
        let kind = match error.kind() {
            io::ErrorKind::StorageFull
            | io::ErrorKind::QuotaExceeded
            | io::ErrorKind::FileTooLarge => WriteErrorKind::NoSpace,
            _ => WriteErrorKind::Io,
        };
        WriteError {
            kind,
            text: error.to_string().into(),
        }
    }

    pub(crate) fn stopped() -> Self {
        WriteError {
            kind: WriteErrorKind::Stopped,
            text: "the journal is closed".into(),
        }
    }
}

/// What kept records from the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum WriteErrorKind {
    /// The disk, the quota or the file size limit is full. Works again when there is room.
    NoSpace,
    /// Any other error of the operating system.
    Io,
    /// The journal was closed before the records were written.
    Stopped,
}

/// What keeps records from the disk now, and since when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WriteTrouble {
    /// The latest error.
    pub error: WriteError,
    /// When the first of the series happened.
    pub since: std::time::SystemTime,
}

/// A reader could not be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReaderError {
    /// A name has one reader at a time: two would overwrite each other's place.
    #[error("the reader {name:?} is already reading")]
    Busy {
        /// The name.
        name: String,
    },
    /// Its place could not be registered.
    #[error(transparent)]
    Places(#[from] CommitError),
}

/// Records could not be read now.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// The journal is closed and the reader has had everything.
    #[error("the journal is closed")]
    Closed,
    /// A segment cannot be opened or read. The reader stays where it is: try again.
    #[error("cannot read {}: {source}", path.display())]
    Io {
        /// The segment.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
}

/// A place could not be committed. Nothing of the commit counts.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CommitError {
    /// No reader of that name was ever made.
    #[error("there is no reader named {name:?}")]
    UnknownReader {
        /// The name.
        name: String,
    },
    /// The place has not been written yet.
    #[error("place {place} is past the newest record")]
    BeyondNewest {
        /// The place.
        place: Place,
    },
    /// The database could not write, as on a full disk. The next commit tries afresh.
    #[error("cannot write reader places to {}: {text}", path.display())]
    Store {
        /// The database file.
        path: PathBuf,
        /// The database's words.
        text: String,
    },
}
