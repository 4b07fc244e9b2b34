//! Where a path leads that lines are to be written to.
//!
//! An operator chooses it, who may be root, so it may lead anywhere:
//!
//! - A pipe is opened without waiting. The system would wait for a reader, and nobody would learn what the start waits for.
//! - A regular file is locked (`flock`) for as long as it is open. Two processes that put one file aside each go on writing to
//!   what the other has renamed. A kube-apiserver does not lock; no reader notices.
//! - What is put aside is the file itself, where links at the end of its path lead to. The server renames the link, and from
//!   then on the log grows beside it, perhaps on another disk. What a link of `/dev` or `/proc` leads to belongs to whoever
//!   started the process, and is never put aside.

use std::fs::{self, File, Metadata, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{FileTypeExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf, absolute};

use rustix::fs::{OFlags, fcntl_setfl};
use rustix::io::Errno;

use crate::writable::{self, FolderError, folder_of, is_absence};

/// As many links as the kernel follows.
const LINKS: usize = 40;

/// Why a log cannot be opened, and what to do.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The path is a folder.
    #[error("the audit log {} is a directory; name a file in it", path.display())]
    Directory {
        /// The log.
        path: PathBuf,
    },
    /// The path is a socket.
    #[error("the audit log {} is a socket, which takes no lines; name a file, or `-` for standard output", path.display())]
    Socket {
        /// The log.
        path: PathBuf,
    },
    /// The path is a pipe without a reader, which could be waited for in vain.
    #[error("the audit log {} is a pipe that nobody reads; start its reader first", path.display())]
    NoReader {
        /// The log.
        path: PathBuf,
    },
    /// Another process has it open as a log, or this one.
    #[error("the audit log {} is in use by another gateway; each needs a log of its own", path.display())]
    InUse {
        /// The log.
        path: PathBuf,
    },
    /// The path is a link, and a file cannot be made where it leads.
    #[error("the audit log {} is a link to {}, where no file can be made: {error}", path.display(), to.display())]
    Dangling {
        /// The log.
        path: PathBuf,
        /// Where the last link leads.
        to: PathBuf,
        /// What the system says.
        error: io::Error,
    },
    /// Its folder is not there and cannot be made, or no file can be made in it.
    #[error("the audit log {} cannot be made: {error}", path.display())]
    Folder {
        /// The log.
        path: PathBuf,
        /// What is wrong with the folder.
        error: FolderError,
    },
    /// The system refuses something else.
    #[error("cannot open the audit log {}: {error}", path.display())]
    Other {
        /// The log.
        path: PathBuf,
        /// What the system says.
        error: io::Error,
    },
}

impl LogError {
    /// What it means that a path cannot be opened.
    pub(super) fn of(path: &Path, error: io::Error) -> Self {
        let kind = fs::metadata(path).map(|there| there.file_type());
        let has_no_reader = error.raw_os_error() == Some(Errno::NXIO.raw_os_error());
        let path = path.to_owned();
        match kind {
            Ok(kind) if kind.is_dir() => Self::Directory { path },
            Ok(kind) if kind.is_socket() => Self::Socket { path },
            Ok(kind) if kind.is_fifo() && has_no_reader => Self::NoReader { path },
            Err(_) if path.is_symlink() => {
                let to = behind_links(&path, |_| true).unwrap_or_else(|| path.clone());
                Self::Dangling { path, to, error }
            }
            _ => Self::Other { path, error },
        }
    }
}

/// Opens a path for lines at its end, and makes the file with this mode if it is not there. Never waits.
pub(super) fn open(path: &Path, mode: u32) -> io::Result<File> {
    let file = options().create(true).mode(mode).open(path)?;
    // Writing may wait, as for a reader that is behind.
    fcntl_setfl(&file, OFlags::APPEND)?;
    Ok(file)
}

/// Takes a regular file for this process alone. False when somebody else has it.
pub(super) fn lock(file: &File) -> bool {
    // Some file systems have no locks; that is no reason not to write.
    !matches!(file.try_lock(), Err(TryLockError::WouldBlock))
}

/// Whether a path could be opened, found out without leaving a trace: no file or folder is made, no reader of a pipe is disturbed.
/// Whether a pipe has a reader, and whether another gateway runs with the same log, is seen when it is opened.
pub(super) fn check(path: &Path) -> Result<(), LogError> {
    let there = match fs::metadata(path) {
        Err(error) if is_absence(&error) => return check_absent(path),
        there => there,
    };
    let tried = there.and_then(|there| {
        let kind = there.file_type();
        match kind.is_file() || kind.is_dir() {
            true => options().open(path).map(drop),
            false if kind.is_socket() => Err(Errno::NXIO.into()),
            false => writable::existing(path),
        }
    });
    tried.map_err(|error| LogError::of(path, error))
}

/// Whether a file could be made.
fn check_absent(path: &Path) -> Result<(), LogError> {
    if path.is_symlink() {
        let error = |error| LogError::of(path, error);
        let to = behind_links(path, |_| true).ok_or_else(|| error(Errno::LOOP.into()))?;
        // Nobody makes the folder that a link leads to.
        return writable::existing(folder_of(&to)).map_err(error);
    }
    writable::folder(folder_of(path)).map_err(|error| LogError::Folder {
        path: path.to_owned(),
        error,
    })
}

/// The name of a file that may be put aside: where the links at the end of its path lead to. `None` for what is no regular file,
/// or is led to by the system.
pub(super) fn own_name(path: &Path, metadata: &Metadata) -> Option<PathBuf> {
    let is_nobodys = |link: &Path| {
        absolute(link).is_ok_and(|link| !link.starts_with("/dev") && !link.starts_with("/proc"))
    };
    behind_links(path, is_nobodys).filter(|_| metadata.is_file())
}

/// Where a path leads, as long as its links may be followed.
fn behind_links(path: &Path, may_follow: impl Fn(&Path) -> bool) -> Option<PathBuf> {
    let mut name = path.to_owned();
    for _ in 0..LINKS {
        match fs::read_link(&name) {
            Ok(to) if may_follow(&name) => name = folder_of(&name).join(to),
            Ok(_) => return None,
            Err(_) => return Some(name),
        }
    }
    None
}

fn options() -> OpenOptions {
    let mut options = OpenOptions::new();
    options
        .append(true)
        .custom_flags(OFlags::NONBLOCK.bits().cast_signed());
    options
}
