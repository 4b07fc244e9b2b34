//! Whether something could be written, found out without leaving a trace.
//!
//! The kernel is asked about rights and read-only file systems (`faccessat2`). A file made for a try and taken away again would be surer, but
//! whoever watches the folder would see it, and its time would change. What is not found out is whether there is room.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{Access, AtFlags, CWD, accessat};
use rustix::process::geteuid;

/// A folder in which nothing can be made.
#[derive(Debug, thiserror::Error)]
#[error("nothing can be made in {}: {error}", folder.display())]
pub struct FolderError {
    /// The folder, or the first one above it that is there.
    pub folder: PathBuf,
    /// What the system says.
    pub error: io::Error,
}

/// Whether this process may write to what stands at `path`.
pub(crate) fn existing(path: &Path) -> io::Result<()> {
    Ok(accessat(CWD, path, Access::WRITE_OK, AtFlags::EACCESS)?)
}

/// Whether a folder could be used: it is there and this process may make files in it, or it can be made with those above it.
pub(crate) fn folder(path: &Path) -> Result<(), FolderError> {
    let mut folder = or_here(path);
    let tried = loop {
        match fs::metadata(folder) {
            Ok(there) if there.is_dir() => {
                let rights = Access::WRITE_OK | Access::EXEC_OK;
                break accessat(CWD, folder, rights, AtFlags::EACCESS).map_err(io::Error::from);
            }
            Ok(_) => break Err(io::ErrorKind::NotADirectory.into()),
            // A link that leads nowhere is in the way of a folder.
            Err(error) if is_absence(&error) && !folder.is_symlink() => match folder.parent() {
                Some(above) => folder = or_here(above),
                None => break Err(error),
            },
            Err(error) => break Err(error),
        }
    };
    tried.map_err(|error| FolderError {
        folder: folder.to_owned(),
        error,
    })
}

/// Refuses a folder that belongs to somebody else, who could put links into it that lead anywhere. One that is not there belongs to nobody.
pub(crate) fn own(folder: &Path) -> Result<(), FolderError> {
    let user = geteuid().as_raw();
    let owner = fs::metadata(folder).map_or(user, |there| there.uid());
    if owner == user {
        return Ok(());
    }
    let problem = format!(
        "it belongs to user {owner}, and this is user {user}; run as that user, or choose another folder"
    );
    Err(FolderError {
        folder: folder.to_owned(),
        error: io::Error::other(problem),
    })
}

/// Whether nothing stands at a path: not even what would have to stand above it, perhaps.
pub(crate) fn is_absence(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
    )
}

/// The folder of a file.
pub(crate) fn folder_of(file: &Path) -> &Path {
    or_here(file.parent().unwrap_or(Path::new("")))
}

fn or_here(folder: &Path) -> &Path {
    if folder.as_os_str().is_empty() {
        Path::new(".")
    } else {
        folder
    }
}
