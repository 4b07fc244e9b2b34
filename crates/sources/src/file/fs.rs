//! What following files needs of a file system, as a trait.
//!
//! The tests run the follower over a model that interleaves writers, rotations, compressions and crashes at will; [`Disk`] is the
//! real one. A handle stays with its file when the name goes elsewhere, as Unix has it: that is how a rotated file is read to
//! its end.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::{FileExt, FileTypeExt, MetadataExt};
use std::path::Path;

use serde::{Deserialize, Serialize};

/// Opens, lists and describes files.
pub trait FileSystem: Send + Sync + 'static {
    /// An open file.
    type File: Handle;

    /// Opens a file for reading.
    ///
    /// # Errors
    ///
    /// As [`File::open`].
    fn open(&self, path: &Path) -> io::Result<Self::File>;

    /// Describes the file that has this name now, through symbolic links.
    ///
    /// # Errors
    ///
    /// As [`fs::metadata`].
    fn stat(&self, path: &Path) -> io::Result<Stat>;

    /// The names in a directory, in any order.
    ///
    /// # Errors
    ///
    /// As [`fs::read_dir`].
    fn list(&self, directory: &Path) -> io::Result<Vec<Entry>>;
}

/// An open file; it stays readable after its name was taken away.
pub trait Handle: Send + Sync + 'static {
    /// Describes the file.
    ///
    /// # Errors
    ///
    /// As [`File::metadata`].
    fn stat(&self) -> io::Result<Stat>;

    /// Reads at an offset; 0 at the end of the file.
    ///
    /// # Errors
    ///
    /// As [`FileExt::read_at`].
    fn read_at(&self, into: &mut [u8], offset: u64) -> io::Result<usize>;
}

/// A file as long as it exists, whatever its name. The system gives the number of a deleted file to a new one, so it proves nothing
/// without a [fingerprint](super::fingerprint::Fingerprint).
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct FileId {
    /// The device's number.
    pub device: u64,
    /// The file's number on the device.
    pub inode: u64,
}

/// What is known of a file without reading it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Stat {
    /// Which file it is.
    pub id: FileId,
    /// Its length in bytes.
    pub size: u64,
    /// When it was last written: nanoseconds since the Unix epoch, only to be compared for change.
    pub modified: i128,
    /// What it is.
    pub kind: Kind,
}

/// A name in a directory.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Entry {
    /// The name, without the directory.
    pub name: OsString,
    /// What it names, not through symbolic links.
    pub kind: Kind,
}

/// What a name can stand for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Kind {
    /// A directory.
    Directory,
    /// A regular file.
    File,
    /// A pipe or a socket: opening one can wait for ever.
    Pipe,
    /// A symbolic link or a device.
    Other,
}

/// The real file system.
#[derive(Clone, Copy, Debug, Default)]
pub struct Disk;

impl FileSystem for Disk {
    type File = File;

    fn open(&self, path: &Path) -> io::Result<File> {
        File::open(path)
    }

    fn stat(&self, path: &Path) -> io::Result<Stat> {
        Ok(describe(&fs::metadata(path)?))
    }

    fn list(&self, directory: &Path) -> io::Result<Vec<Entry>> {
        fs::read_dir(directory)?
            .map(|entry| {
                let entry = entry?;
                Ok(Entry {
                    name: entry.file_name(),
                    kind: kind_of(entry.file_type()?),
                })
            })
            .collect()
    }
}

impl Handle for File {
    fn stat(&self) -> io::Result<Stat> {
        Ok(describe(&self.metadata()?))
    }

    fn read_at(&self, into: &mut [u8], offset: u64) -> io::Result<usize> {
        FileExt::read_at(self, into, offset)
    }
}

fn describe(metadata: &fs::Metadata) -> Stat {
    Stat {
        id: FileId {
            device: metadata.dev(),
            inode: metadata.ino(),
        },
        size: metadata.len(),
        modified: i128::from(metadata.mtime()) * 1_000_000_000 + i128::from(metadata.mtime_nsec()),
        kind: kind_of(metadata.file_type()),
    }
}

fn kind_of(kind: fs::FileType) -> Kind {
    if kind.is_dir() {
        Kind::Directory
    } else if kind.is_file() {
        Kind::File
    } else if kind.is_fifo() || kind.is_socket() {
        Kind::Pipe
    } else {
        Kind::Other
    }
}
