//! The file that lines are written to, and when it is put aside (spec 9.1).

use std::fs::{self, File, Metadata};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread::JoinHandle;

use kubevigil_audit::time::Timestamp;

use super::LogOptions;
use super::backups::Backups;
use super::place::{self, LogError};
use crate::writable::{self, FolderError, folder_of};

const MIB: u64 = 1024 * 1024;
const MODE: u32 = 0o600;
const FOLDER_MODE: u32 = 0o700;

/// Why a line is not in the log.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// The line would not fit into an empty file.
    #[error(
        "a line of {length} bytes is longer than the longest file, {limit} bytes; raise --audit-log-maxsize"
    )]
    TooLong {
        /// The line's length in bytes.
        length: u64,
        /// The longest file in bytes.
        limit: u64,
    },
    /// The file cannot be written, or not be put aside.
    #[error("cannot write {path}: {error}")]
    File {
        /// The file.
        path: PathBuf,
        /// What the system says.
        error: io::Error,
    },
}

/// A log file. Every line is whole in one file; a file is longer than its limit never, and shorter by less than a line.
///
/// One process a file: nobody else may rotate or write it, and while it is open, no other gateway can open it. Pipes and devices are
/// written as they are and stay open: closed and opened again, a pipe would be at its end for its reader.
#[derive(Debug)]
pub struct RotatingFile {
    path: PathBuf,
    /// The file itself, behind the links of its path; `None` when it is never put aside.
    name: Option<PathBuf>,
    /// The longest file in bytes; `None` when it is never put aside.
    limit: Option<u64>,
    open: Option<Open>,
    housekeeper: Option<Housekeeper>,
}

#[derive(Debug)]
struct Open {
    file: File,
    size: u64,
    /// It can be read back and brought to disk.
    is_regular: bool,
    /// Nobody has looked at what it holds since it was opened.
    is_new: bool,
}

/// The file that is open.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Entered {
    /// Its number in the file system.
    pub(crate) inode: u64,
    /// Its length in bytes.
    pub(crate) size: u64,
    /// Whether it was opened just now, or was left.
    pub(crate) is_new: bool,
    /// Whether it can be read back.
    pub(crate) is_regular: bool,
}

#[derive(Debug)]
struct Housekeeper {
    wake: SyncSender<Timestamp>,
    thread: JoinHandle<()>,
}

impl RotatingFile {
    /// Makes folder and file if need be; puts nothing aside yet.
    ///
    /// # Errors
    ///
    /// When the file cannot be opened for writing, or another gateway has it open.
    pub fn new(options: &LogOptions) -> Result<Self, LogError> {
        let path = options.path.clone();
        let failed = |error| LogError::of(&path, error);
        make_folder(&path)?;
        let open = Open::at(&path, MODE).map_err(failed)?;
        let metadata = open.file.metadata().map_err(failed)?;
        if open.is_regular && !place::lock(&open.file) {
            return Err(LogError::InUse { path });
        }
        let name = place::own_name(&path, &metadata);
        let backups = name.as_deref().and_then(|name| Backups::of(options, name));
        let limit = (options.max_size > 0).then(|| options.max_size.saturating_mul(MIB));
        Ok(Self {
            housekeeper: backups
                .map(Housekeeper::start)
                .transpose()
                .map_err(failed)?,
            limit: limit.filter(|_| name.is_some()),
            open: Some(open),
            name,
            path,
        })
    }

    /// Appends a line, in a new file if the old one would get too long.
    ///
    /// # Errors
    ///
    /// When the line is longer than a file may be, or the file cannot be written or put aside: the line is lost.
    pub fn write(&mut self, line: &[u8], now: Timestamp) -> Result<(), WriteError> {
        let length = line.len() as u64;
        if let Some(limit) = self.limit
            && length > limit
        {
            return Err(WriteError::TooLong { length, limit });
        }
        self.append_line(line, now)
            .map_err(|error| WriteError::File {
                path: self.path.clone(),
                error,
            })
    }

    /// Opens the file that the path leads to, unless it is open already.
    ///
    /// # Errors
    ///
    /// When the file cannot be opened, or the one that was open not be brought to disk.
    pub(crate) fn enter(&mut self, now: Timestamp) -> io::Result<Entered> {
        let open = match self.open.take() {
            Some(open) if open.is_at(&self.path) => open,
            known => {
                known.as_ref().map_or(Ok(()), Open::sync)?;
                self.open_again(MODE)?
            }
        };
        if open.is_new {
            self.wake_housekeeper(now);
        }
        let metadata = open.file.metadata()?;
        let entered = Entered {
            inode: metadata.ino(),
            size: metadata.len(),
            is_new: open.is_new,
            is_regular: open.is_regular,
        };
        self.open = Some(Open {
            size: entered.size,
            is_new: false,
            ..open
        });
        Ok(entered)
    }

    /// Forgets what the file holds: for the next [`RotatingFile::enter`] it is new.
    pub(crate) fn leave(&mut self) {
        if let Some(open) = &mut self.open {
            open.is_new = true;
        }
    }

    /// Whether so many more bytes are too many for the file that is open, however long a single line is.
    pub(crate) fn is_full_for(&self, held: u64, length: u64) -> bool {
        let size = self.size() + held;
        size > 0 && self.limit.is_some_and(|limit| size + length > limit)
    }

    /// Adds to the file that is open. Some of it may be written when this fails.
    pub(crate) fn add(&mut self, bytes: &[u8]) -> io::Result<()> {
        let open = self.open.as_mut().ok_or(io::ErrorKind::NotFound)?;
        open.file.write_all(bytes)?;
        open.size += bytes.len() as u64;
        Ok(())
    }

    /// The length of the file that is open.
    pub(crate) fn size(&self) -> u64 {
        self.open.as_ref().map_or(0, |open| open.size)
    }

    /// Brings the file to disk.
    pub(crate) fn sync(&self) -> io::Result<()> {
        match &self.open {
            Some(open) => open.sync(),
            None => Open::at(&self.path, MODE)?.sync(),
        }
    }

    /// Puts the file aside and opens a new one.
    pub(crate) fn put_aside(&mut self, now: Timestamp) -> io::Result<Entered> {
        self.open = None;
        let open = self.rotate(now)?;
        let metadata = open.file.metadata()?;
        let is_regular = open.is_regular;
        self.open = Some(open);
        if let Some(name) = &self.name {
            File::open(folder_of(name))?.sync_all()?;
        }
        Ok(Entered {
            inode: metadata.ino(),
            size: 0,
            is_new: true,
            is_regular,
        })
    }

    /// Where the file is.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The longest file in bytes; `None` when there is no limit.
    pub(crate) fn limit(&self) -> Option<u64> {
        self.limit
    }

    /// Closes the file and waits for what is being done with old ones. The next write opens it again.
    pub fn close(&mut self) {
        self.open = None;
        if let Some(Housekeeper { wake, thread }) = self.housekeeper.take() {
            drop(wake);
            let _ = thread.join();
        }
    }

    fn append_line(&mut self, line: &[u8], now: Timestamp) -> io::Result<()> {
        let length = line.len() as u64;
        let mut open = match self.open.take() {
            Some(open) if !open.is_new => open,
            known => self.first(known, now)?,
        };
        if self.limit.is_some_and(|limit| open.is_full(length, limit)) {
            drop(open);
            open = self.rotate(now)?;
        }
        let written = open.append(line);
        open.is_new = false;
        self.open = Some(open);
        written
    }

    /// What the first write goes to: the file at the path, which may have been moved away since it was opened.
    fn first(&self, known: Option<Open>, now: Timestamp) -> io::Result<Open> {
        self.wake_housekeeper(now);
        let open = match known.filter(|open| open.is_at(&self.path)) {
            Some(open) => open,
            None => self.open_again(MODE)?,
        };
        let size = open.file.metadata()?.len();
        Ok(Open { size, ..open })
    }

    /// Puts the file aside under the time's name and opens a new one with its mode and owner.
    ///
    /// Only a regular file is put aside: root may rename `/dev/null` too, and every program of the machine would then write to,
    /// and read from, a file of that name.
    fn rotate(&self, now: Timestamp) -> io::Result<Open> {
        let old = self.name.as_deref().and_then(regular);
        if let Some((name, _)) = &old {
            fs::rename(name, Backups::free_path(name, now))?;
        }
        let mode = old.as_ref().map_or(MODE, |(_, old)| old.mode() & 0o7777);
        let open = self.open_again(mode)?;
        if let Some((_, old)) = old {
            // Only root may give files away; for everybody else the owner is right already.
            let _ = std::os::unix::fs::fchown(&open.file, Some(old.uid()), Some(old.gid()));
        }
        self.wake_housekeeper(now);
        Ok(Open {
            size: 0,
            is_new: false,
            ..open
        })
    }

    fn open_again(&self, mode: u32) -> io::Result<Open> {
        let open = Open::at(&self.path, mode)?;
        if open.is_regular && !place::lock(&open.file) {
            let path = self.path.display();
            tracing::warn!(%path, "another gateway writes the same audit log; each needs a log of its own");
        }
        Ok(open)
    }

    fn wake_housekeeper(&self, now: Timestamp) {
        if let Some(housekeeper) = &self.housekeeper {
            // One that is busy looks at the folder again as soon as it is done.
            let _ = housekeeper.wake.try_send(now);
        }
    }
}

impl Housekeeper {
    fn start(backups: Backups) -> io::Result<Self> {
        let (wake, woken) = sync_channel(1);
        let work = move || {
            for now in woken {
                backups.tidy(now);
            }
        };
        let thread = std::thread::Builder::new()
            .name("audit-log".to_owned())
            .spawn(work)?;
        Ok(Self { wake, thread })
    }
}

impl Drop for RotatingFile {
    fn drop(&mut self) {
        self.close();
    }
}

impl Open {
    /// All of the line or, on a disk that is full, nothing: the next one would stand on the line that was cut, and neither could
    /// be read. A kube-apiserver leaves the piece there.
    fn append(&mut self, line: &[u8]) -> io::Result<()> {
        let written = self.file.write_all(line);
        if written.is_ok() {
            self.size += line.len() as u64;
        } else if self.is_regular && self.file.metadata()?.len() > self.size {
            self.file.set_len(self.size)?;
        }
        written
    }

    fn at(path: &Path, mode: u32) -> io::Result<Self> {
        let file = place::open(path, mode)?;
        let is_regular = file.metadata()?.is_file();
        Ok(Self {
            file,
            size: 0,
            is_regular,
            is_new: true,
        })
    }

    /// Whether the path still leads to it.
    fn is_at(&self, path: &Path) -> bool {
        let number = |metadata: &Metadata| (metadata.dev(), metadata.ino());
        match (self.file.metadata(), fs::metadata(path)) {
            (Ok(here), Ok(there)) => number(&here) == number(&there),
            _ => false,
        }
    }

    /// Whether a line is too long for what is left of it. The first write is stricter than those that follow.
    fn is_full(&self, length: u64, limit: u64) -> bool {
        let size = self.size + length;
        if self.is_new {
            self.size > 0 && size >= limit
        } else {
            size > limit
        }
    }

    fn sync(&self) -> io::Result<()> {
        if self.is_regular {
            self.file.sync_data()
        } else {
            Ok(())
        }
    }
}

fn make_folder(path: &Path) -> Result<(), LogError> {
    let folder = folder_of(path);
    let made = fs::DirBuilder::new()
        .recursive(true)
        .mode(FOLDER_MODE)
        .create(folder);
    made.map_err(|error| LogError::Folder {
        path: path.to_owned(),
        // Which of the folders it is that cannot be written.
        error: writable::folder(folder).err().unwrap_or(FolderError {
            folder: folder.to_owned(),
            error,
        }),
    })
}

/// The name with what stands there, if that is a regular file.
fn regular(name: &Path) -> Option<(&Path, Metadata)> {
    let there = fs::symlink_metadata(name).ok()?;
    there.is_file().then_some((name, there))
}
