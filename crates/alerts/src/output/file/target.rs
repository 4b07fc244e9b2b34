//! An open file, and the place in it where the next line belongs.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::Path;

use super::checkpoint::FileIdentity;

/// An open file, and the place in it where the next line belongs.
#[derive(Debug)]
pub(super) struct Target {
    file: File,
    pub(super) identity: FileIdentity,
    /// Bytes before this are done with. Bytes after it may be a batch that was cut short.
    pub(super) position: u64,
    /// Whether the file stands under the configured name. One found elsewhere is completed, and gets nothing new.
    pub(super) is_current: bool,
}

/// What stands in a file where a line belongs.
#[derive(Debug, PartialEq)]
pub(super) enum Present {
    /// The whole line.
    Whole,
    /// The first bytes of it (at least one), then the end of the file.
    Beginning(usize),
    /// Something else.
    Other,
}

impl Target {
    /// The file under `path`, created (for its owner only) if there is none. The position is its end.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let is_new = match fs::metadata(path) {
            // Looked at before it is opened: opening wakes up who reads a pipe, and does things to some devices.
            Ok(metadata) if !metadata.is_file() => return Err(not_a_file()),
            Ok(_) => false,
            Err(error) if error.kind() == io::ErrorKind::NotFound => true,
            Err(error) => return Err(error),
        };
        let file = OpenOptions::new()
            .read(true)
            .append(true)
            .create(true)
            .mode(0o600)
            .open(path)?;
        if is_new {
            // Makes the new name durable.
            File::open(folder_of(path))?.sync_all()?;
        }
        Self::from_file(file, true)
    }

    /// The file with this identity in the folder of `path`, under another name.
    pub(super) fn find_renamed(path: &Path, identity: FileIdentity) -> io::Result<Option<Self>> {
        for entry in fs::read_dir(folder_of(path))? {
            let entry = entry?;
            let is_it = entry
                .metadata()
                .is_ok_and(|found| found.is_file() && FileIdentity::of(&found) == identity);
            if is_it {
                let file = OpenOptions::new()
                    .read(true)
                    .append(true)
                    .open(entry.path())?;
                return Self::from_file(file, false).map(Some);
            }
        }
        Ok(None)
    }

    fn from_file(file: File, is_current: bool) -> io::Result<Self> {
        let metadata = file.metadata()?;
        if !metadata.is_file() {
            return Err(not_a_file());
        }
        Ok(Self {
            identity: FileIdentity::of(&metadata),
            position: metadata.len(),
            file,
            is_current,
        })
    }

    pub(super) fn len(&self) -> io::Result<u64> {
        Ok(self.file.metadata()?.len())
    }

    /// Whether no name leads to the file any more: what is written to it is lost.
    pub(super) fn is_deleted(&self) -> io::Result<bool> {
        Ok(self.file.metadata()?.nlink() == 0)
    }

    /// Compares what stands at the position with a line.
    pub(super) fn present(&self, line: &[u8]) -> io::Result<Present> {
        let left = self.len()?.saturating_sub(self.position);
        let size = usize::try_from(left).unwrap_or(usize::MAX).min(line.len());
        let mut bytes = vec![0; size];
        self.file.read_exact_at(&mut bytes, self.position)?;
        Ok(match line.strip_prefix(bytes.as_slice()) {
            Some([]) => Present::Whole,
            Some(_) if size > 0 => Present::Beginning(size),
            _ => Present::Other,
        })
    }

    /// Ends the last line of the file if somebody left it unfinished, so that the next one stands apart.
    pub(super) fn end_unfinished_line(&mut self) -> io::Result<()> {
        let Some(last) = self.len()?.checked_sub(1) else {
            return Ok(());
        };
        let mut byte = [0];
        self.file.read_exact_at(&mut byte, last)?;
        if byte == *b"\n" {
            Ok(())
        } else {
            self.append(b"\n")
        }
    }

    /// Appends bytes, durably, and moves the position to the end.
    pub(super) fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all(bytes)?;
        self.file.sync_data()?;
        self.position = self.len()?;
        Ok(())
    }
}

fn not_a_file() -> io::Error {
    io::Error::other("not a regular file; use the output `stdout` or a path of its own")
}

fn folder_of(path: &Path) -> &Path {
    path.parent()
        .filter(|folder| !folder.as_os_str().is_empty())
        .unwrap_or(Path::new("."))
}
