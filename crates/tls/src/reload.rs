//! Values made from files, and their replacement while they are in use.
//!
//! The files' contents decide whether something changed, not their times: mounted Secrets swap a symbolic link, and copying
//! tools keep old times. Whoever holds the old value keeps it, whoever asks next gets the new one. A broken replacement
//! changes nothing and is reported once, not at every look.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;
use blake3::{Hash, Hasher};

use crate::error::{CredentialsError, ReadError};
use crate::pem::read;

/// What a look at the files found.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Look {
    /// The files hold what they held, or are as broken as they were.
    Same,
    /// The value was replaced.
    Replaced,
}

type Build<T, E> = Box<dyn Fn(&[Vec<u8>]) -> Result<T, E> + Send + Sync>;

/// A value made from the contents of files, replaced as a whole.
///
/// ```
/// use kubevigil_tls::{CredentialsError, Look, Reloadable};
///
/// let file = tempfile::NamedTempFile::new()?;
/// let length = |contents: &[Vec<u8>]| Ok::<_, CredentialsError>(contents.concat().len());
/// let reloadable = Reloadable::open(vec![file.path().to_owned()], length)?;
/// std::fs::write(file.path(), "five!")?;
/// assert_eq!(*reloadable.current(), 0);
/// assert_eq!(reloadable.reload(false)?, Look::Replaced);
/// assert_eq!(*reloadable.current(), 5);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Reloadable<T, E = CredentialsError> {
    files: Vec<PathBuf>,
    build: Build<T, E>,
    current: ArcSwap<T>,
    /// Digest of what the files held at the last look, good or bad; `None` when they could not be read.
    seen: Mutex<Option<Hash>>,
    generation: AtomicU64,
}

impl<T, E: From<ReadError>> Reloadable<T, E> {
    /// Reads the files and makes the value of their contents, which `build` gets in the order of `files`. Without files it
    /// never changes.
    pub fn open(
        files: Vec<PathBuf>,
        build: impl Fn(&[Vec<u8>]) -> Result<T, E> + Send + Sync + 'static,
    ) -> Result<Self, E> {
        let contents = read_all(&files)?;
        let current = ArcSwap::from_pointee(build(&contents)?);
        Ok(Self {
            files,
            build: Box::new(build),
            current,
            seen: Mutex::new(Some(digest(&contents))),
            generation: AtomicU64::new(0),
        })
    }

    /// The value as the last good look left it.
    pub fn current(&self) -> Arc<T> {
        self.current.load_full()
    }

    /// How often the value was replaced: whoever keeps conclusions drawn from it sees by this whether they still hold.
    pub fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    /// Reads the files again. Unless `insist`, files that did not change since the last look are left alone, and what is broken
    /// is an error only the first time. Blocks while it reads.
    pub fn reload(&self, insist: bool) -> Result<Look, E> {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let contents = match read_all(&self.files) {
            Ok(contents) => contents,
            // Unreadable a second time in a row: already reported.
            Err(_) if seen.is_none() && !insist => return Ok(Look::Same),
            Err(error) => {
                *seen = None;
                return Err(error.into());
            }
        };
        let digest = Some(digest(&contents));
        if *seen == digest && !insist {
            return Ok(Look::Same);
        }
        let look = match *seen == digest {
            true => Look::Same,
            false => Look::Replaced,
        };
        *seen = digest;
        self.current.store(Arc::new((self.build)(&contents)?));
        self.generation.fetch_add(1, Ordering::AcqRel);
        Ok(look)
    }
}

fn read_all(files: &[PathBuf]) -> Result<Vec<Vec<u8>>, ReadError> {
    files.iter().map(|path| read(path)).collect()
}

fn digest(contents: &[Vec<u8>]) -> Hash {
    let mut hasher = Hasher::new();
    for content in contents {
        hasher
            .update(&(content.len() as u64).to_le_bytes())
            .update(content);
    }
    hasher.finalize()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug)]
    struct Refused;

    impl From<ReadError> for Refused {
        fn from(_: ReadError) -> Self {
            Self
        }
    }

    fn refuse_bad(contents: &[Vec<u8>]) -> Result<Vec<u8>, Refused> {
        let content = contents.concat();
        (content != b"bad").then_some(content).ok_or(Refused)
    }

    #[test]
    fn a_broken_replacement_is_reported_once_and_changes_nothing() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let write = |text: &str| std::fs::write(file.path(), text).unwrap();
        write("first");
        let value = Reloadable::open(vec![file.path().to_owned()], refuse_bad).unwrap();

        write("bad");
        assert!(value.reload(false).is_err());
        assert!(value.reload(false).is_ok(), "reported already");
        assert!(value.reload(true).is_err(), "asked explicitly");
        assert_eq!((*value.current()).as_slice(), b"first");

        write("second");
        assert_eq!(value.reload(false).unwrap(), Look::Replaced);
        assert_eq!(value.reload(false).unwrap(), Look::Same);
        assert_eq!((*value.current()).as_slice(), b"second");
        assert_eq!(value.generation(), 1);

        std::fs::remove_file(file.path()).unwrap();
        assert!(value.reload(false).is_err());
        assert!(value.reload(false).is_ok(), "reported already");
        assert_eq!((*value.current()).as_slice(), b"second");
        write("second");
        assert_eq!(
            value.reload(false).unwrap(),
            Look::Replaced,
            "readable again"
        );
    }

    #[test]
    fn a_swapped_link_with_old_times_is_a_change() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        for name in ["one", "two"] {
            std::fs::write(path(name), name).unwrap();
        }
        std::os::unix::fs::symlink(path("one"), path("link")).unwrap();
        let value = Reloadable::open(vec![path("link")], refuse_bad).unwrap();
        std::os::unix::fs::symlink(path("two"), path("new")).unwrap();
        std::fs::rename(path("new"), path("link")).unwrap();
        assert_eq!(value.reload(false).unwrap(), Look::Replaced);
        assert_eq!((*value.current()).as_slice(), b"two");
    }
}
