//! Finding rule files and reading them; what they say is for the loaders of their languages.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use kubevigil_diagnostics::{Diagnostic, FileReport};
use kubevigil_rules::{Language, sigma};
use rust_embed::RustEmbed;

use crate::terminal;

/// What the names of the default rules' files begin with.
pub(crate) const DEFAULT_RULES: &str = "(built in) detections/";
/// Falco's code for files that cannot be read.
const UNREADABLE: &str = "LOAD_ERR_FILE_READ";

/// The default rules, embedded in the binary so that it needs nothing beside it. Events to test them with stay outside.
#[derive(RustEmbed)]
#[folder = "$CARGO_MANIFEST_DIR/../../detections"]
#[include = "**/rule.yml"]
#[exclude = "**/tests/**"]
struct DefaultRules;

/// A rule file that was read.
pub(super) struct RuleFile {
    /// What messages call it.
    pub(super) name: String,
    pub(super) text: String,
}

impl RuleFile {
    /// The language it is written in.
    pub(super) fn language(&self) -> Language {
        match sigma::is_sigma(&self.text) {
            true => Language::Sigma,
            false => Language::Falco,
        }
    }
}

/// The default rule files, sorted by path.
pub(super) fn default_files() -> Vec<RuleFile> {
    let mut names: Vec<_> = DefaultRules::iter().collect();
    names.sort();
    let files = names.iter().filter_map(|name| {
        let file = DefaultRules::get(name)?;
        Some(RuleFile {
            name: format!("{DEFAULT_RULES}{name}"),
            text: String::from_utf8_lossy(&file.data).into_owned(),
        })
    });
    files.collect()
}

/// Whether a report is about a file that is built in.
pub(super) fn is_default(report: &FileReport) -> bool {
    report.file.starts_with(DEFAULT_RULES)
}

/// Whether a report is about a file that could not be read at all.
pub(super) fn is_unreadable(report: &FileReport) -> bool {
    let mut diagnostics = report.diagnostics.iter();
    diagnostics.any(|diagnostic| diagnostic.code == UNREADABLE)
}

/// The files behind a list of files and folders, in order. A folder stands for its files ending in .yaml or .yml, sorted by path.
pub(super) fn read_all(paths: &[PathBuf]) -> Vec<Result<RuleFile, FileReport>> {
    let files = paths.iter().flat_map(|path| files_of(path));
    files
        .map(|file| file.and_then(|path| read(&path)))
        .collect()
}

fn files_of(path: &Path) -> Vec<Result<PathBuf, FileReport>> {
    if !path.is_dir() {
        return vec![Ok(path.to_owned())];
    }
    let name = path.display();
    match files_in(path) {
        Ok(found) if found.is_empty() => {
            let message = format!("the folder {name} holds no rule files (.yaml, .yml)");
            vec![Err(unreadable(path, message))]
        }
        Ok(found) => found.into_iter().map(Ok).collect(),
        Err(error) => {
            let reason = terminal::reason(&error);
            let message = format!("the rule folder {name} cannot be read: {reason}");
            vec![Err(unreadable(path, message))]
        }
    }
}

fn files_in(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let ending = path.extension().and_then(|ending| ending.to_str());
        if path.is_file() && matches!(ending, Some("yaml" | "yml")) {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

fn read(file: &Path) -> Result<RuleFile, FileReport> {
    let name = file.display().to_string();
    let bytes = fs::read(file).map_err(|error| {
        let reason = terminal::reason(&error);
        unreadable(
            file,
            format!("the rule file {name} cannot be read: {reason}"),
        )
    })?;
    match String::from_utf8(bytes) {
        Ok(text) => Ok(RuleFile { name, text }),
        Err(_) => Err(unreadable(
            file,
            format!("the rule file {name} is not UTF-8 text"),
        )),
    }
}

fn unreadable(path: &Path, message: String) -> FileReport {
    let file = path.display().to_string();
    let diagnostics = vec![Diagnostic::error(UNREADABLE, message)];
    FileReport { file, diagnostics }
}
