//! Files that were put aside: their names, and which of them are kept (spec 9.1).

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::write::GzEncoder;
use kubevigil_audit::time::Timestamp;

use super::LogOptions;
use crate::writable::folder_of;

const GZIP: &str = ".gz";
const DAY: i128 = 86_400 * 1_000_000_000;

/// What is done with files that were put aside.
#[derive(Debug)]
pub(super) struct Backups {
    path: PathBuf,
    max_backups: usize,
    max_age: i128,
    compress: bool,
}

#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
struct Backup {
    time: Timestamp,
    name: String,
}

impl Backups {
    /// Those of the file of this name; `None` when everything is kept as it is.
    pub(super) fn of(options: &LogOptions, name: &Path) -> Option<Self> {
        let acts = options.max_backups > 0 || options.max_age > 0 || options.compress;
        acts.then(|| Self {
            path: name.to_owned(),
            max_backups: options.max_backups,
            max_age: i128::from(options.max_age) * DAY,
            compress: options.compress,
        })
    }

    /// The name for a file that is put aside: `audit-2026-07-23T18-32-12.123.log`.
    pub(super) fn path(path: &Path, now: Timestamp) -> PathBuf {
        let (stem, extension) = parts(path);
        let (year, month, day, hour, minute, second, nanoseconds) = now.civil();
        path.with_file_name(format!(
            "{stem}{year:04}-{month:02}-{day:02}T{hour:02}-{minute:02}-{second:02}.{:03}{extension}",
            nanoseconds / 1_000_000
        ))
    }

    /// The same for the first time from this one on that no file has: a second file that is put aside within a millisecond must not
    /// overwrite the first, as it does in the server.
    pub(super) fn free_path(path: &Path, mut now: Timestamp) -> PathBuf {
        loop {
            let aside = Self::path(path, now);
            let mut compressed = aside.clone().into_os_string();
            compressed.push(GZIP);
            if !aside.exists() && !Path::new(&compressed).exists() {
                return aside;
            }
            now.nanoseconds += 1_000_000;
        }
    }

    /// Deletes what is too old or too much and compresses the rest. What fails is tried again the next time.
    pub(super) fn tidy(&self, now: Timestamp) {
        let mut kept = Vec::new();
        let mut names = BTreeSet::new();
        for backup in self.newest_first() {
            names.insert(plain(&backup.name).to_owned());
            let is_one_too_many = self.max_backups > 0 && names.len() > self.max_backups;
            let age = now.nanoseconds.saturating_sub(backup.time.nanoseconds);
            if is_one_too_many || (self.max_age > 0 && age > self.max_age) {
                self.report("delete", &backup, fs::remove_file(self.file(&backup.name)));
            } else {
                kept.push(backup);
            }
        }
        if self.compress {
            for backup in kept.iter().filter(|backup| !backup.name.ends_with(GZIP)) {
                self.report("compress", backup, self.compress(&backup.name));
            }
        }
    }

    fn newest_first(&self) -> Vec<Backup> {
        let entries = fs::read_dir(folder_of(&self.path))
            .into_iter()
            .flatten()
            .flatten();
        // Of what others may put there, a pipe would be waited for, and a link lead elsewhere.
        let files = entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_file()));
        let names = files.filter_map(|entry| entry.file_name().into_string().ok());
        let mut backups: Vec<Backup> = names
            .filter_map(|name| {
                Some(Backup {
                    time: time_of(&self.path, &name)?,
                    name,
                })
            })
            .collect();
        backups.sort_by(|one, other| other.cmp(one));
        backups
    }

    fn compress(&self, name: &str) -> io::Result<()> {
        let (from, to) = (self.file(name), self.file(&format!("{name}{GZIP}")));
        let mut plain = File::open(&from)?;
        // What stands there was begun and not finished, or is a link that leads elsewhere.
        if to.is_symlink() || to.exists() {
            fs::remove_file(&to)?;
        }
        let compressed = File::create_new(&to)?;
        compressed.set_permissions(plain.metadata()?.permissions())?;
        let mut encoder = GzEncoder::new(compressed, Compression::default());
        let copied = io::copy(&mut plain, &mut encoder).and_then(|_| encoder.finish());
        if let Err(error) = copied {
            let _ = fs::remove_file(&to);
            return Err(error);
        }
        fs::remove_file(from)
    }

    fn file(&self, name: &str) -> PathBuf {
        self.path.with_file_name(name)
    }

    /// The server says nothing of failures here; the log of this process does.
    fn report(&self, action: &str, backup: &Backup, result: io::Result<()>) {
        if let Err(error) = result {
            tracing::warn!(action, file = backup.name, %error, "an old audit log is left as it is");
        }
    }
}

/// What a backup's name begins and ends with.
fn parts(path: &Path) -> (String, String) {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    match name.rsplit_once('.') {
        Some((stem, extension)) => (format!("{stem}-"), format!(".{extension}")),
        None => (format!("{name}-"), String::new()),
    }
}

fn plain(name: &str) -> &str {
    name.strip_suffix(GZIP).unwrap_or(name)
}

/// The time in a backup's name; `None` for any other file.
fn time_of(path: &Path, name: &str) -> Option<Timestamp> {
    let (stem, extension) = parts(path);
    let rest = name.strip_prefix(&stem)?;
    rest.strip_suffix(&extension)
        .and_then(time)
        .or_else(|| time(rest.strip_suffix(GZIP)?.strip_suffix(&extension)?))
}

/// `2026-07-23T18-32-12.123`
fn time(text: &str) -> Option<Timestamp> {
    let (date, clock) = text.split_once('T')?;
    if clock.len() != 12 {
        return None;
    }
    Timestamp::parse(format!("{date}T{}Z", clock.replace('-', ":")).as_bytes())
}
