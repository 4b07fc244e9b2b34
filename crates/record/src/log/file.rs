//! The file that lines are written to, and when it is put aside (spec 9.1).

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread::JoinHandle;

use kubevigil_audit::time::Timestamp;

use super::LogOptions;
use super::backups::Backups;

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
/// One process a file: nobody else may rotate or write it.
#[derive(Debug)]
pub struct RotatingFile {
    path: PathBuf,
    /// The longest file in bytes; `None` when it is never put aside.
    limit: Option<u64>,
    open: Option<Open>,
    housekeeper: Option<Housekeeper>,
}

#[derive(Debug)]
struct Open {
    file: File,
    size: u64,
}

/// The file that is open.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Entered {
    /// Its number in the file system.
    pub(crate) inode: u64,
    /// Its length in bytes.
    pub(crate) size: u64,
    /// Whether it has just been opened.
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
    /// When the file cannot be opened for writing.
    pub fn new(options: &LogOptions) -> io::Result<Self> {
        if let Some(folder) = options
            .path
            .parent()
            .filter(|path| !path.as_os_str().is_empty())
        {
            fs::DirBuilder::new()
                .recursive(true)
                .mode(FOLDER_MODE)
                .create(folder)?;
        }
        append(&options.path, MODE)?;
        let backups = Backups::of(options);
        Ok(Self {
            path: options.path.clone(),
            limit: (options.max_size > 0).then(|| options.max_size.saturating_mul(MIB)),
            open: None,
            housekeeper: backups.map(Housekeeper::start).transpose()?,
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
        let there = fs::metadata(&self.path).ok();
        let known = self.open.take();
        let (open, is_new) = match known {
            Some(open) if there.is_some_and(|there| is_same(&open.file, &there)) => (open, false),
            known => {
                if let Some(old) = known {
                    old.file.sync_data()?;
                }
                self.wake_housekeeper(now);
                let file = append(&self.path, MODE)?;
                (Open { file, size: 0 }, true)
            }
        };
        let metadata = open.file.metadata()?;
        let size = metadata.len();
        self.open = Some(Open { size, ..open });
        Ok(Entered {
            inode: metadata.ino(),
            size,
            is_new,
            is_regular: metadata.is_file(),
        })
    }

    /// Closes the file without another word; [`RotatingFile::enter`] opens it again.
    pub(crate) fn leave(&mut self) {
        self.open = None;
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
            Some(open) => open.file.sync_data(),
            None => File::open(&self.path)?.sync_data(),
        }
    }

    /// Puts the file aside and opens a new one.
    pub(crate) fn put_aside(&mut self, now: Timestamp) -> io::Result<Entered> {
        self.open = None;
        let open = self.rotate(now)?;
        let metadata = open.file.metadata()?;
        self.open = Some(open);
        if let Some(folder) = self
            .path
            .parent()
            .filter(|path| !path.as_os_str().is_empty())
        {
            File::open(folder)?.sync_all()?;
        }
        Ok(Entered {
            inode: metadata.ino(),
            size: 0,
            is_new: true,
            is_regular: metadata.is_file(),
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
            Some(open) if self.limit.is_some_and(|limit| open.size + length > limit) => {
                drop(open);
                self.rotate(now)?
            }
            Some(open) => open,
            None => self.first(length, now)?,
        };
        let written = open.file.write_all(line);
        open.size += length;
        self.open = Some(open);
        written
    }

    /// Opens the file for the first write, which is stricter about the limit than those that follow.
    fn first(&self, length: u64, now: Timestamp) -> io::Result<Open> {
        let size = fs::metadata(&self.path).map_or(0, |metadata| metadata.len());
        if size > 0 && self.limit.is_some_and(|limit| size + length >= limit) {
            return self.rotate(now);
        }
        self.wake_housekeeper(now);
        let file = append(&self.path, MODE)?;
        Ok(Open { file, size })
    }

    /// Puts the file aside under the time's name and opens a new one with its mode and owner.
    ///
    /// Only a regular file is put aside: root may rename `/dev/null` too, and every program of the machine would then write to,
    /// and read from, a file of that name.
    fn rotate(&self, now: Timestamp) -> io::Result<Open> {
        let old = fs::metadata(&self.path).ok();
        if old.as_ref().is_some_and(fs::Metadata::is_file) {
            fs::rename(&self.path, Backups::free_path(&self.path, now))?;
        }
        let mode = old.as_ref().map_or(MODE, |old| old.mode() & 0o7777);
        let file = append(&self.path, mode)?;
        if let Some(old) = old.filter(fs::Metadata::is_file) {
            // Only root may give files away; for everybody else the owner is right already.
            let _ = std::os::unix::fs::fchown(&file, Some(old.uid()), Some(old.gid()));
        }
        self.wake_housekeeper(now);
        Ok(Open { file, size: 0 })
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

fn is_same(file: &File, there: &fs::Metadata) -> bool {
    let number = |metadata: &fs::Metadata| (metadata.dev(), metadata.ino());
    file.metadata()
        .is_ok_and(|here| number(&here) == number(there))
}

fn append(path: &Path, mode: u32) -> io::Result<File> {
    OpenOptions::new()
        .create(true)
        .append(true)
        .mode(mode)
        .open(path)
}
