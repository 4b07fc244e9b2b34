//! Files as they were when they were read.

use std::fmt;
use std::path::{Path, PathBuf};

use blake3::Hash;

/// A file that something was made of. Its content is kept as a digest, since it may hold secrets.
#[derive(Clone, Eq, PartialEq)]
pub(crate) struct Seen {
    path: PathBuf,
    /// `None` when it was not there.
    digest: Option<Hash>,
}

impl Seen {
    /// A file that held `content`.
    pub(crate) fn of(path: &Path, content: &[u8]) -> Self {
        Self {
            path: path.to_owned(),
            digest: Some(blake3::hash(content)),
        }
    }

    /// A file that was not there.
    pub(crate) fn missing(path: &Path) -> Self {
        Self {
            path: path.to_owned(),
            digest: None,
        }
    }

    /// Whether it still is as it was. Content decides, not times: mounted Secrets swap links, and copies keep old times.
    pub(crate) fn is_current(&self) -> bool {
        let content = std::fs::read(&self.path).ok();
        content.map(|content| blake3::hash(&content)) == self.digest
    }
}

impl fmt::Debug for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Seen").field(&self.path).finish()
    }
}
