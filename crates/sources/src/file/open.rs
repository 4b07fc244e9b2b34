//! Files that are read once, from beginning to end: `kubevigil scan`, and what a log holds when following begins.
//!
//! First [`resolve`] turns what was typed into a list of inputs and tells all mistakes at once; then each input is opened when
//! its turn comes, so that ten thousand files need one descriptor.

use std::collections::HashSet;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::compression::{self, Format};
use super::fs::{Disk, FileSystem, Kind};
use super::glob::{self, Pattern};
use crate::counters::Count;

/// Something to read.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub enum Input {
    /// A file.
    File(PathBuf),
    /// Standard input, written `-`.
    Stdin,
}

/// An input that is open. Reading it gives text, decompressed.
pub struct Stream {
    /// What people know it by.
    pub name: Arc<str>,
    /// How it is stored.
    pub format: Format,
    /// The length of the file as stored; `None` for pipes.
    pub size: Option<u64>,
    /// How many of those bytes have been read so far.
    pub progress: Arc<Count>,
    text: Box<dyn Read + Send>,
}

/// Why a file cannot be read. Each text says what to do.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The pattern is not well formed.
    #[error(
        "{pattern}: not a file name pattern: {reason}; put [] around a special character to mean it literally"
    )]
    BadPattern {
        /// As it was typed.
        pattern: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A directory was named.
    #[error(
        "{0}: is a directory, expected a file; name the files in it with a pattern like '{0}/*.log'"
    )]
    Directory(String),
    /// The file is stored in a format that is not read.
    #[error(
        "{file}: is compressed with {format}; expected plain text, gzip or zstd; try: {command} {file} | kubevigil scan -"
    )]
    Foreign {
        /// The file.
        file: String,
        /// The format's name.
        format: &'static str,
        /// The command that decompresses it.
        command: &'static str,
    },
    /// The file is not there.
    #[error("{0}: no such file; check the path, it is taken relative to the working directory")]
    Missing(String),
    /// The pattern names no file.
    #[error(
        "{0}: no file matches this pattern; check the folder, and put quotes around the pattern"
    )]
    NoMatch(String),
    /// The file's permissions say no.
    #[error(
        "{0}: permission denied; audit logs are readable by root only (mode 0600): run as root, or copy the file"
    )]
    Permission(String),
    /// Anything else.
    #[error("{file}: cannot be read: {reason}")]
    Unreadable {
        /// The file.
        file: String,
        /// What the system says.
        reason: io::Error,
    },
}

/// Turns file names, patterns and `-` into inputs: in the order given, the files of one pattern sorted, and no file twice.
///
/// # Errors
///
/// All the names that cannot be read, so that one run shows every mistake.
pub fn resolve<P: AsRef<Path>>(names: &[P]) -> Result<Vec<Input>, Vec<OpenError>> {
    let mut inputs = Vec::new();
    let mut seen = HashSet::new();
    let mut errors = Vec::new();
    for name in names {
        match resolve_one(name.as_ref()) {
            Ok(found) => found.into_iter().for_each(|input| {
                if seen.insert(input.clone()) {
                    inputs.push(input);
                }
            }),
            Err(mut found) => errors.append(&mut found),
        }
    }
    if errors.is_empty() {
        Ok(inputs)
    } else {
        Err(errors)
    }
}

fn resolve_one(name: &Path) -> Result<Vec<Input>, Vec<OpenError>> {
    if name == Path::new("-") {
        return Ok(vec![Input::Stdin]);
    }
    match (Disk.stat(name), name.to_str()) {
        (Ok(stat), _) if stat.kind == Kind::Directory => {
            Err(vec![OpenError::Directory(trimmed(name))])
        }
        (Ok(_), _) => Ok(vec![Input::File(name.to_owned())]),
        (Err(_), Some(pattern)) if glob::is_pattern(pattern) => expand(pattern),
        (Err(error), _) => Err(vec![OpenError::of(name, error)]),
    }
}

fn expand(pattern: &str) -> Result<Vec<Input>, Vec<OpenError>> {
    let found = Pattern::parse(pattern)
        .map_err(|error| {
            vec![OpenError::BadPattern {
                pattern: pattern.to_owned(),
                reason: error.kind().to_string(),
            }]
        })?
        .expand(&Disk);
    if !found.unlisted.is_empty() {
        let errors = found.unlisted.into_iter();
        return Err(errors
            .map(|(path, error)| OpenError::of(&path, error))
            .collect());
    }
    if found.files.is_empty() {
        return Err(vec![OpenError::NoMatch(pattern.to_owned())]);
    }
    Ok(found.files.into_iter().map(Input::File).collect())
}

fn trimmed(path: &Path) -> String {
    let text = path.display().to_string();
    text.trim_end_matches('/').to_owned()
}

impl OpenError {
    /// Says what `error` means for `path` and what to do.
    pub fn of(path: &Path, error: io::Error) -> Self {
        let file = path.display().to_string();
        match error.kind() {
            io::ErrorKind::NotFound => Self::Missing(file),
            io::ErrorKind::PermissionDenied => Self::Permission(file),
            io::ErrorKind::IsADirectory => Self::Directory(trimmed(path)),
            _ => Self::Unreadable {
                file,
                reason: error,
            },
        }
    }
}

impl Input {
    /// What people know it by: the path, or `-`.
    pub fn name(&self) -> Arc<str> {
        match self {
            Self::File(path) => path.to_string_lossy().into(),
            Self::Stdin => "-".into(),
        }
    }

    /// The length of the file as stored, for a progress bar; `None` for pipes.
    pub fn size(&self) -> Option<u64> {
        let Self::File(path) = self else { return None };
        let stat = Disk.stat(path).ok()?;
        (stat.kind == Kind::File).then_some(stat.size)
    }

    /// Opens it and finds out how it is stored.
    ///
    /// # Errors
    ///
    /// When the file cannot be opened, or is stored in a format that is not read.
    pub fn open(&self) -> Result<Stream, OpenError> {
        let name = self.name();
        let size = self.size();
        let failed = |error| OpenError::of(Path::new(&*name), error);
        let stored: Box<dyn Read + Send> = match self {
            Self::File(path) => Box::new(File::open(path).map_err(failed)?),
            Self::Stdin => Box::new(io::stdin()),
        };
        let progress = Arc::new(Count::default());
        let counted = Box::new(Counted(stored, Arc::clone(&progress)));
        let (format, text) = compression::decode(counted).map_err(failed)?;
        if let Format::Foreign(format, command) = format {
            let file = name.to_string();
            return Err(OpenError::Foreign {
                file,
                format,
                command,
            });
        }
        Ok(Stream {
            name,
            format,
            size,
            progress,
            text,
        })
    }
}

impl Read for Stream {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        self.text.read(into)
    }
}

/// Counts the bytes that pass.
struct Counted(Box<dyn Read + Send>, Arc<Count>);

impl Read for Counted {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let count = self.0.read(into)?;
        self.1.add(count as u64);
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusals(names: &[String]) -> Vec<String> {
        let errors = resolve(names).unwrap_err();
        errors.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn every_name_that_cannot_be_read_is_told_in_one_run() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().display().to_string();
        let names = [
            format!("{root}/none.log"),
            format!("{root}/"),
            format!("{root}/*.log"),
            format!("{root}/[a"),
        ];
        let told = refusals(&names).join("\n").replace(&root, "DIR");
        let expected = "\
DIR/none.log: no such file; check the path, it is taken relative to the working directory
DIR: is a directory, expected a file; name the files in it with a pattern like 'DIR/*.log'
DIR/*.log: no file matches this pattern; check the folder, and put quotes around the pattern
DIR/[a: not a file name pattern: unclosed character class; missing ']'; put [] around a special character to mean it literally";
        assert_eq!(told, expected);
    }

    #[test]
    fn a_file_with_a_name_like_a_pattern_is_that_file() {
        let folder = tempfile::tempdir().unwrap();
        let odd = folder.path().join("audit[1].log");
        std::fs::write(&odd, "x").unwrap();
        let twice = [&odd, &odd];
        assert_eq!(resolve(&twice).unwrap(), [Input::File(odd.clone())]);
    }

    #[test]
    fn a_format_that_is_not_read_comes_with_the_command_that_helps() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("audit.log");
        std::fs::write(&path, b"\xfd7zXZ\0...").unwrap();
        let error = Input::File(path).open().err().unwrap().to_string();
        assert!(error.contains("is compressed with xz"), "{error}");
        assert!(error.contains("xz -dc"), "{error}");
    }
}
