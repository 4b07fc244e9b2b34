//! How files are followed.

use std::time::Duration;

use crate::file::fingerprint;
use crate::file::taken::Limits;

/// Which files are followed, and how.
#[derive(Clone, Debug)]
pub struct FollowSettings {
    /// Paths and patterns. A file need not be there yet. A log's rotated backups are found beside it and need not be named; a
    /// pattern that names some of them asks for all of them.
    pub paths: Vec<String>,
    /// Where to begin in a log that was never seen and is there at the start. Later ones are read from their start.
    pub from: From,
    /// How often to look for growth, rotation and new files. Looking is how events are found in time: it is also the
    /// longest that an event waits for others to share its batch.
    pub poll: Duration,
    /// How much is read at once.
    pub limits: Limits,
    /// A rotated file is let go when it has not changed for so long.
    pub rotated_wait: Duration,
    /// A file without a name and without a successor is let go when it has not changed for so long: the API server does not notice
    /// that its log was deleted and goes on writing (spec 9.1).
    pub deleted_wait: Duration,
    /// How often at most the places are written to disk. After a crash events of this time come again.
    pub checkpoint_every: Duration,
    /// How many of a file's first bytes prove that it is the same.
    pub fingerprint_length: usize,
}

/// Where to begin in a log that was never seen.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum From {
    /// At its first line. Older backups are not read.
    #[default]
    Start,
    /// After its last whole line.
    End,
}

impl Default for FollowSettings {
    fn default() -> Self {
        Self {
            paths: Vec::new(),
            from: From::Start,
            poll: Duration::from_millis(250),
            limits: Limits::default(),
            rotated_wait: Duration::from_secs(60),
            deleted_wait: Duration::from_secs(3600),
            checkpoint_every: Duration::from_secs(1),
            fingerprint_length: fingerprint::DEFAULT_LENGTH,
        }
    }
}
