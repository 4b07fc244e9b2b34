//! Which folders are tested, and which files are their cases.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use anyhow::bail;

use crate::terminal;

/// The folder beside rules that holds their cases.
const TESTS: &str = "tests";
/// No folder of rules lies deeper below a folder that is named.
const MAX_DEPTH: usize = 32;

/// A folder with rules and cases.
#[derive(Debug)]
pub(super) struct Folder {
    /// The folder, below the one that was named.
    pub(super) path: PathBuf,
    /// Its rule files, sorted.
    pub(super) rule_files: Vec<PathBuf>,
    /// Its cases, sorted.
    pub(super) cases: Vec<CaseFile>,
    /// What lies in `tests` where no case can lie.
    pub(super) strays: Vec<PathBuf>,
}

/// The events of one case.
#[derive(Debug)]
pub(super) struct CaseFile {
    /// The file.
    pub(super) path: PathBuf,
    /// The name of its folder: which rules must fire.
    pub(super) names: String,
}

/// All folders with rules and cases, at or below these, sorted by path.
pub(super) fn find(roots: &[PathBuf]) -> anyhow::Result<Vec<Folder>> {
    let mut found = Vec::new();
    for root in roots {
        let name = root.display();
        if root.is_file() {
            bail!("{name} is a file; name the folder that holds the rules and `{TESTS}`");
        }
        let before = found.len();
        if let Err(error) = search(root, &mut found) {
            let reason = terminal::reason(&error);
            bail!("the folder {name} cannot be read: {reason}");
        }
        if found.len() == before {
            bail!(
                "no folder at or below {name} holds rule files (.yml, .yaml) and a folder `{TESTS}`"
            );
        }
    }
    found.sort_by(|one, other| one.path.cmp(&other.path));
    found.dedup_by(|one, other| one.path == other.path);
    Ok(found)
}

fn search(root: &Path, found: &mut Vec<Folder>) -> io::Result<()> {
    let mut waiting = vec![(root.to_owned(), 0)];
    while let Some((folder, depth)) = waiting.pop() {
        let entries = entries(&folder)?;
        let (folders, files): (Vec<_>, Vec<_>) =
            entries.into_iter().partition(|path| path.is_dir());
        let rule_files: Vec<PathBuf> = files
            .into_iter()
            .filter(|path| is_rule_file(path))
            .collect();
        let tests = folders.iter().find(|path| path.ends_with(TESTS));
        if let (Some(tests), false) = (tests, rule_files.is_empty()) {
            let (cases, strays) = cases(tests)?;
            found.push(Folder {
                path: folder,
                rule_files,
                cases,
                strays,
            });
        }
        let below = folders
            .into_iter()
            .filter(|path| !path.ends_with(TESTS) && !path.is_symlink());
        if depth < MAX_DEPTH {
            waiting.extend(below.map(|path| (path, depth + 1)));
        }
    }
    Ok(())
}

/// The cases in a folder `tests`, and what is no case.
fn cases(tests: &Path) -> io::Result<(Vec<CaseFile>, Vec<PathBuf>)> {
    let (mut cases, mut strays) = (Vec::new(), Vec::new());
    for folder in entries(tests)? {
        let names = folder.file_name().unwrap_or_default().to_string_lossy();
        if !folder.is_dir() {
            strays.push(folder);
            continue;
        }
        for path in entries(&folder)? {
            if path.is_file() && is_case(&path) {
                let names = names.clone().into_owned();
                cases.push(CaseFile { path, names });
            } else {
                strays.push(path);
            }
        }
    }
    Ok((cases, strays))
}

/// What a folder holds, sorted, hidden entries left out.
fn entries(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut paths = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if !entry.file_name().to_string_lossy().starts_with('.') {
            // Without the `./` that the folder `.` would put before every path.
            let path = entry.path();
            paths.push(path.strip_prefix("./").map(Path::to_owned).unwrap_or(path));
        }
    }
    paths.sort();
    Ok(paths)
}

fn is_rule_file(path: &Path) -> bool {
    let ending = path.extension().and_then(|ending| ending.to_str());
    path.is_file() && matches!(ending, Some("yaml" | "yml"))
}

fn is_case(path: &Path) -> bool {
    let ending = path.extension().and_then(|ending| ending.to_str());
    matches!(ending, Some("jsonl" | "json"))
}
