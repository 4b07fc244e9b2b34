//! The directory of a journal: made, locked, listed, synced.

use crate::OpenError;
use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

const LOCK_FILE: &str = "journal.lock";

/// A directory that this process alone uses while the value lives. The kernel releases the lock
/// when the process ends, however it ends.
#[derive(Debug)]
pub(crate) struct Folder {
    pub(crate) path: PathBuf,
    lock: File,
}

impl Folder {
    /// Makes the directory if need be (for its owner only: audit events are nobody else's
    /// business) and locks it.
    pub(crate) fn open(path: &Path) -> Result<Self, OpenError> {
        make(path)?;
        let lock = open_lock(path)?;
        take(&lock, path)?;
        Ok(Folder {
            path: path.to_path_buf(),
            lock,
        })
    }

    /// The first places of the segments, oldest first. Other files are left alone.
    pub(crate) fn segments(&self) -> Result<Vec<u64>, OpenError> {
        let list = || -> io::Result<Vec<u64>> {
            let names = fs::read_dir(&self.path)?.map(|entry| Ok(entry?.file_name()));
            let names = names.collect::<io::Result<Vec<_>>>()?;
            let firsts = names
                .iter()
                .filter_map(|name| segment_place(name.to_str()?));
            let mut firsts: Vec<u64> = firsts.collect();
            firsts.sort_unstable();
            Ok(firsts)
        };
        list().map_err(OpenError::io("list", &self.path))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // Closing the file would do, were it not that a child process that was forked at this
        // moment and has not yet executed its program still holds the same file open.
        if let Err(error) = flock(&self.lock, FlockOperation::Unlock) {
            tracing::debug!(%error, "cannot unlock the journal");
        }
    }
}

/// The file name of the segment that begins with a place.
pub(crate) fn segment_name(first: u64) -> String {
    format!("{first:020}.seg")
}

fn segment_place(name: &str) -> Option<u64> {
    let first = name.strip_suffix(".seg")?.parse().ok()?;
    (segment_name(first) == name).then_some(first)
}

/// Brings the names in a directory to disk.
pub(crate) fn sync_directory(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

fn make(path: &Path) -> Result<(), OpenError> {
    use io::ErrorKind::{AlreadyExists, NotADirectory};
    let made = DirBuilder::new().recursive(true).mode(0o700).create(path);
    match made {
        Ok(()) => Ok(()),
        Err(error) if matches!(error.kind(), AlreadyExists | NotADirectory) => {
            Err(OpenError::NotADirectory {
                dir: path.to_path_buf(),
            })
        }
        Err(error) => Err(OpenError::io("create the directory", path)(error)),
    }
}

fn open_lock(dir: &Path) -> Result<File, OpenError> {
    let path = dir.join(LOCK_FILE);
    let user = rustix::process::geteuid().as_raw();
    let foreign = |owner| OpenError::Foreign {
        dir: dir.to_path_buf(),
        owner,
        user,
    };
    let owner = fs::metadata(dir)
        .map_err(OpenError::io("look at", dir))?
        .uid();
    let opened = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(&path);
    let lock = match opened {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied && owner != user => {
            return Err(foreign(owner));
        }
        other => other.map_err(OpenError::io("create", &path))?,
    };
    let maker = lock
        .metadata()
        .map_err(OpenError::io("look at", &path))?
        .uid();
    if maker == user {
        Ok(lock)
    } else {
        Err(foreign(maker))
    }
}

fn take(mut lock: &File, dir: &Path) -> Result<(), OpenError> {
    match flock(lock, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => {}
        Err(Errno::WOULDBLOCK) => {
            let mut pid = String::new();
            let known = lock.take(20).read_to_string(&mut pid).is_ok() && !pid.trim().is_empty();
            let holder = known.then(|| format!("process {}", pid.trim()));
            return Err(OpenError::InUse {
                dir: dir.to_path_buf(),
                holder,
            });
        }
        Err(error) => return Err(OpenError::io("lock", dir)(error.into())),
    }
    // The number only makes the error text of a second opener better: a full disk may refuse it.
    let noted = lock
        .set_len(0)
        .and_then(|()| writeln!(lock, "{}", std::process::id()));
    if let Err(error) = noted {
        tracing::debug!(%error, "cannot note the process id in the lock file");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_written_as_segments_are_segments() {
        assert_eq!(segment_place(&segment_name(41_822)), Some(41_822));
        for name in [
            "1.seg",
            "+0000000000000000001.seg",
            "places.redb",
            "x.seg",
            ".seg",
        ] {
            assert_eq!(segment_place(name), None, "{name}");
        }
    }

    #[test]
    fn a_second_opener_is_told_who_holds_the_journal() {
        let dir = tempfile::tempdir().unwrap();
        let first = Folder::open(dir.path()).unwrap();
        let text = Folder::open(dir.path()).unwrap_err().to_string();
        assert!(text.contains(dir.path().to_str().unwrap()), "{text}");
        assert!(
            text.contains(&format!("(process {})", std::process::id())),
            "{text}"
        );
        drop(first);
        Folder::open(dir.path()).unwrap();
    }

    #[test]
    fn a_file_where_the_directory_should_be_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        fs::write(&path, "x").unwrap();
        for path in [path.clone(), path.join("below")] {
            let error = Folder::open(&path).unwrap_err();
            assert!(matches!(error, OpenError::NotADirectory { .. }), "{error}");
        }
    }
}
