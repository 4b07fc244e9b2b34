//! File names with `*`, `?`, `[…]`, `{…}` and `**`, as a shell has them.
//!
//! A pattern is matched one folder at a time, so that `/var/log/pods/*/audit.log` lists one folder and not the whole disk. `**`
//! stands for any number of folders and does not go through symbolic links, which may lead in circles.

use std::io;
use std::path::{Path, PathBuf};

use globset::{GlobBuilder, GlobMatcher};

use super::fs::{FileSystem, Kind};

/// A pattern that names files.
#[derive(Clone, Debug)]
pub struct Pattern {
    parts: Vec<Part>,
    absolute: bool,
    whole: GlobMatcher,
}

#[derive(Clone, Debug)]
enum Part {
    Name(String),
    Matching(GlobMatcher),
    AnyDepth,
}

/// What a pattern names now.
#[derive(Debug, Default)]
pub struct Expansion {
    /// The files, sorted, each once.
    pub files: Vec<PathBuf>,
    /// The folders that could not be listed.
    pub unlisted: Vec<(PathBuf, io::Error)>,
}

/// Whether a file name is a pattern.
pub fn is_pattern(name: &str) -> bool {
    name.contains(['*', '?', '[', '{'])
}

impl Pattern {
    /// Reads a pattern.
    ///
    /// # Errors
    ///
    /// When it is not well formed, as `[a` is not.
    pub fn parse(pattern: &str) -> Result<Self, globset::Error> {
        let parts = pattern
            .split('/')
            .filter(|part| !part.is_empty())
            .map(Part::parse)
            .collect::<Result<_, _>>()?;
        Ok(Self {
            parts,
            absolute: pattern.starts_with('/'),
            whole: matcher(pattern)?,
        })
    }

    /// Whether it would name this file.
    pub fn matches(&self, path: &Path) -> bool {
        self.whole.is_match(path)
    }

    /// The files that it names now.
    pub fn expand(&self, fs: &impl FileSystem) -> Expansion {
        let mut found = Expansion::default();
        let root = if self.absolute { "/" } else { "" };
        let mut paths = vec![PathBuf::from(root)];
        for part in &self.parts {
            paths = part.step(fs, paths, &mut found.unlisted);
        }
        paths.retain(|path| {
            fs.stat(path)
                .is_ok_and(|stat| !matches!(stat.kind, Kind::Directory))
        });
        paths.sort();
        paths.dedup();
        found.files = paths;
        found
    }
}

impl Part {
    fn parse(part: &str) -> Result<Self, globset::Error> {
        if part == "**" {
            return Ok(Self::AnyDepth);
        }
        if !is_pattern(part) {
            return Ok(Self::Name(part.to_owned()));
        }
        Ok(Self::Matching(matcher(part)?))
    }

    fn step(
        &self,
        fs: &impl FileSystem,
        from: Vec<PathBuf>,
        unlisted: &mut Vec<(PathBuf, io::Error)>,
    ) -> Vec<PathBuf> {
        match self {
            Self::Name(name) => from.into_iter().map(|path| path.join(name)).collect(),
            Self::Matching(glob) => from
                .iter()
                .flat_map(|path| list(fs, path, unlisted))
                .filter(|(path, _)| path.file_name().is_some_and(|name| glob.is_match(name)))
                .map(|(path, _)| path)
                .collect(),
            Self::AnyDepth => with_folders_below(fs, from, unlisted),
        }
    }
}

fn matcher(pattern: &str) -> Result<GlobMatcher, globset::Error> {
    let glob = GlobBuilder::new(pattern).literal_separator(true).build()?;
    Ok(glob.compile_matcher())
}

fn with_folders_below(
    fs: &impl FileSystem,
    from: Vec<PathBuf>,
    unlisted: &mut Vec<(PathBuf, io::Error)>,
) -> Vec<PathBuf> {
    let mut all = Vec::new();
    let mut waiting = from;
    while let Some(path) = waiting.pop() {
        let below = list(fs, &path, unlisted);
        waiting.extend(
            below
                .into_iter()
                .filter(|(_, kind)| *kind == Kind::Directory)
                .map(|(path, _)| path),
        );
        all.push(path);
    }
    all
}

fn list(
    fs: &impl FileSystem,
    folder: &Path,
    unlisted: &mut Vec<(PathBuf, io::Error)>,
) -> Vec<(PathBuf, Kind)> {
    let here = Path::new(".");
    let named = if folder.as_os_str().is_empty() {
        here
    } else {
        folder
    };
    match fs.list(named) {
        Ok(entries) => entries
            .into_iter()
            .map(|entry| (folder.join(entry.name), entry.kind))
            .collect(),
        Err(error) => {
            if !is_absence(&error) {
                unlisted.push((folder.to_owned(), error));
            }
            Vec::new()
        }
    }
}

/// A folder that is not there, or is a file, has nothing in it; that is no error while matching.
fn is_absence(error: &io::Error) -> bool {
    use io::ErrorKind::{NotADirectory, NotFound};
    matches!(error.kind(), NotFound | NotADirectory)
}

#[cfg(test)]
mod tests {
    use super::super::fs::Disk;
    use super::*;

    #[test]
    fn patterns_name_files_as_in_a_shell() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        for file in [
            "audit.log",
            "audit-1.log",
            "a/audit.log",
            "a/b/audit.log",
            "a/b/x.gz",
        ] {
            let path = root.join(file);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "x").unwrap();
        }
        std::os::unix::fs::symlink(root, root.join("a/b/circle")).unwrap();
        let cases = [
            ("*.log", "audit-1.log audit.log"),
            ("audit?1.log", "audit-1.log"),
            ("*/audit.log", "a/audit.log"),
            ("**/audit.log", "a/audit.log a/b/audit.log audit.log"),
            ("a/**/*.{gz,zst}", "a/b/x.gz"),
            ("*", "audit-1.log audit.log"),
            ("audit.log/*", ""),
            ("no/*/such", ""),
        ];
        for (pattern, expected) in cases {
            let whole = format!("{}/{pattern}", root.display());
            let found = Pattern::parse(&whole).unwrap().expand(&Disk);
            let names: Vec<_> = found
                .files
                .iter()
                .map(|path| path.strip_prefix(root).unwrap().to_str().unwrap())
                .collect();
            assert_eq!(names.join(" "), expected, "{pattern}");
            assert!(found.unlisted.is_empty());
        }
    }

    #[test]
    fn a_pattern_that_is_not_well_formed_is_refused() {
        assert!(Pattern::parse("/var/log/[a").is_err());
    }
}
