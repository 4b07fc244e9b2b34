//! Keeps what can never be accepted, so that nothing is lost even when the sender is wrong.
//!
//! # Layout
//!
//! One file a letter: `20261123T065046Z-<digest>.body` holds a whole body as it came (after decompression), and
//! `….rest` holds what remains of a list whose good events were taken: its frame and the bad elements. The log says what was
//! wrong, `kubevigil scan FILE` says it again. The digest is that of the content, so a body that the API server sends five times is stored once.
//!
//! # Invariants
//!
//! - A letter is complete or absent: it is written under a hidden name, synced, renamed, and the folder is synced.
//! - Only the owner can read it (0600 in a 0700 folder): bodies may hold secrets.
//! - The folder never exceeds its limit. When it is full **the oldest stay and new ones are refused**. Rotation the other way
//!   round would let a sender of rubbish wash away the one letter that matters; a full folder is loud in log and metrics.
//! - Every letter counts as at least one block, so that many tiny ones cannot exhaust the file system's table of files.

use std::collections::HashSet;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use blake3::Hash;

/// What a small letter costs at least.
const BLOCK: u64 = 4096;

/// A folder of dead letters.
#[derive(Debug)]
pub struct DeadLetters {
    folder: PathBuf,
    limit: u64,
    stock: Mutex<Stock>,
}

#[derive(Debug, Default)]
struct Stock {
    bytes: u64,
    digests: HashSet<String>,
}

/// What a letter holds.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Letter {
    /// A whole body.
    Body,
    /// What remains of a list when its good events are taken.
    Rest,
}

/// What became of a letter.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Kept {
    /// It is on disk, in this file.
    New(PathBuf),
    /// The same content was kept before.
    Before,
    /// The folder is full; the letter is lost.
    Full,
}

/// The folder cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("cannot keep dead letters in {}: {source}", folder.display())]
pub struct DeadLettersError {
    folder: PathBuf,
    source: io::Error,
}

impl DeadLetters {
    /// Opens the folder, and makes it if it is not there.
    pub fn open(folder: impl Into<PathBuf>, limit: u64) -> Result<Self, DeadLettersError> {
        let folder = folder.into();
        let opened = DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&folder);
        match opened.and_then(|()| Stock::count(&folder)) {
            Ok(stock) => Ok(Self {
                folder,
                limit,
                stock: Mutex::new(stock),
            }),
            Err(source) => Err(DeadLettersError { folder, source }),
        }
    }

    /// Keeps a letter. When this returns [`Kept::New`] or [`Kept::Before`], it survives a crash of the machine.
    ///
    /// Blocks on the disk.
    pub fn keep(&self, letter: Letter, content: &[u8]) -> Result<Kept, DeadLettersError> {
        let digest = blake3::hash(content);
        let mut stock = self.lock();
        if stock.digests.contains(&short(&digest)) {
            return Ok(Kept::Before);
        }
        let size = BLOCK.max(content.len() as u64);
        if stock.bytes.saturating_add(size) > self.limit {
            return Ok(Kept::Full);
        }
        let path = self.folder.join(name(letter, &digest));
        let written = self.write(&path, content);
        written.map_err(|source| DeadLettersError {
            folder: self.folder.clone(),
            source,
        })?;
        stock.bytes += size;
        stock.digests.insert(short(&digest));
        Ok(Kept::New(path))
    }

    fn write(&self, path: &Path, content: &[u8]) -> io::Result<()> {
        let unfinished = self.folder.join(UNFINISHED);
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(true).mode(0o600);
        let mut file = options.open(&unfinished)?;
        file.write_all(content)?;
        file.sync_all()?;
        std::fs::rename(&unfinished, path)?;
        File::open(&self.folder)?.sync_all()
    }

    fn lock(&self) -> MutexGuard<'_, Stock> {
        self.stock.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The one file being written; what a crash leaves of it is overwritten.
const UNFINISHED: &str = ".unfinished";

impl Stock {
    fn count(folder: &Path) -> io::Result<Self> {
        let mut stock = Self::default();
        for entry in std::fs::read_dir(folder)? {
            let entry = entry?;
            let name = entry.file_name();
            let Some(digest) = name.to_str().and_then(digest_of) else {
                continue;
            };
            stock.bytes += BLOCK.max(entry.metadata()?.len());
            stock.digests.insert(digest.to_owned());
        }
        Ok(stock)
    }
}

fn name(letter: Letter, digest: &Hash) -> String {
    let time = jiff::Timestamp::now().strftime("%Y%m%dT%H%M%SZ");
    let kind = match letter {
        Letter::Body => "body",
        Letter::Rest => "rest",
    };
    format!("{time}-{}.{kind}", short(digest))
}

/// 128 bits are enough to tell letters apart, and half as long to read.
fn short(digest: &Hash) -> String {
    digest.to_hex().chars().take(32).collect()
}

fn digest_of(name: &str) -> Option<&str> {
    let (_, rest) = name.split_once('-')?;
    let (digest, kind) = rest.split_once('.')?;
    matches!(kind, "body" | "rest").then_some(digest)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn files(folder: &Path) -> Vec<PathBuf> {
        std::fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .collect()
    }

    #[test]
    fn a_letter_is_kept_once_even_after_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        let letters = DeadLetters::open(folder.path().join("dead"), 1 << 20).unwrap();
        let Kept::New(path) = letters.keep(Letter::Body, b"oops").unwrap() else {
            panic!()
        };
        assert_eq!(std::fs::read(&path).unwrap(), b"oops");
        assert_eq!(letters.keep(Letter::Body, b"oops").unwrap(), Kept::Before);
        let again = DeadLetters::open(folder.path().join("dead"), 1 << 20).unwrap();
        assert_eq!(again.keep(Letter::Body, b"oops").unwrap(), Kept::Before);
        assert_eq!(files(&folder.path().join("dead")), [path]);
    }

    #[test]
    fn only_the_owner_can_read_letters() {
        let folder = tempfile::tempdir().unwrap();
        let dead = folder.path().join("dead");
        let letters = DeadLetters::open(&dead, 1 << 20).unwrap();
        let Kept::New(path) = letters.keep(Letter::Body, b"oops").unwrap() else {
            panic!()
        };
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&dead), mode(&path)), (0o700, 0o600));
    }

    #[test]
    fn a_full_folder_keeps_the_oldest() {
        let folder = tempfile::tempdir().unwrap();
        let letters = DeadLetters::open(folder.path(), 2 * BLOCK).unwrap();
        assert!(matches!(
            letters.keep(Letter::Body, b"1").unwrap(),
            Kept::New(_)
        ));
        assert!(matches!(
            letters.keep(Letter::Rest, b"2").unwrap(),
            Kept::New(_)
        ));
        assert_eq!(letters.keep(Letter::Body, b"3").unwrap(), Kept::Full);
        assert_eq!(letters.keep(Letter::Body, b"1").unwrap(), Kept::Before);
        let again = DeadLetters::open(folder.path(), 2 * BLOCK).unwrap();
        assert_eq!(again.keep(Letter::Body, b"3").unwrap(), Kept::Full);
    }

    #[test]
    fn a_folder_that_cannot_be_made_is_an_error_with_its_path() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let error = DeadLetters::open(file.path().join("dead"), 1)
            .unwrap_err()
            .to_string();
        assert!(error.contains("/dead: "), "{error}");
    }
}
