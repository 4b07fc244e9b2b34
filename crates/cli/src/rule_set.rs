//! From files and folders to the rules that take part.

use std::collections::HashSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::bail;
use kubevigil_diagnostics::{Diagnostic, FileReport, render_text};
use kubevigil_rules::falco::fields::FieldOptions;
use kubevigil_rules::falco::selection::{self, Selector};
use kubevigil_rules::falco::{Loaded, Loader, Options};
use kubevigil_rules::{Priority, Rule, sigma};
use rust_embed::RustEmbed;

use crate::args::RuleArgs;
use crate::hostname::hostname;
use crate::terminal;

/// What the names of the default rules' files begin with.
const DEFAULT_RULES: &str = "(built in) detections/";
/// Falco's code for files that cannot be read.
const UNREADABLE: &str = "LOAD_ERR_FILE_READ";

/// The default rules, embedded in the binary so that it needs nothing beside it.
#[derive(RustEmbed)]
#[folder = "$CARGO_MANIFEST_DIR/../../detections"]
#[include = "**/*.yaml"]
struct DefaultRules;

/// Which rules to load, and which of them take part.
#[derive(Clone, Debug)]
pub(crate) struct RuleChoice {
    /// Whether the built-in rules come first.
    pub(crate) default_rules: bool,
    /// Files and folders, in loading order.
    pub(crate) files: Vec<PathBuf>,
    /// Whether defects of Falco's plugin are mended.
    pub(crate) fixed_fields: bool,
    /// Rules less urgent than this do not take part.
    pub(crate) min_priority: Priority,
    /// What to enable and disable, in order.
    pub(crate) selectors: Vec<Selector>,
}

/// The rules of a [`RuleChoice`].
pub(crate) struct RuleSet {
    /// Everything that was loaded, with what was wrong with it.
    pub(crate) loaded: Loaded,
    /// The rules that take part, in the order in which they are tried.
    pub(crate) selected: Vec<Arc<Rule>>,
}

impl RuleSet {
    /// Loads the rules. Whatever is wrong with the files, or keeps them from being read, is in [`Loaded`].
    pub(crate) fn load(choice: &RuleChoice) -> Self {
        let mut loader = Loader::new(options(choice));
        if choice.default_rules {
            load_default_rules(&mut loader);
        }
        let mut sigma_loader = sigma::Loader::new(sigma::Options::default());
        let mut unreadable = Vec::new();
        for file in rule_files(&choice.files) {
            match file.and_then(|path| read(&path)) {
                Ok((name, text)) if sigma::is_sigma(&text) => sigma_loader.load_file(&name, &text),
                Ok((name, text)) => loader.load_file(&name, &text),
                Err(report) => unreadable.push(report),
            }
        }
        let mut loaded = loader.finish();
        withdraw_unused_warnings(&mut loaded);
        let sigma = sigma_loader.finish();
        loaded.rules.extend(sigma.rules);
        loaded.files.extend(sigma.files);
        loaded.files.extend(unreadable);
        let selected = selection::select(&loaded.rules, choice.min_priority, &choice.selectors);
        Self { loaded, selected }
    }

    /// Fails with everything that is wrong with the files when one of them could not be loaded; shows warnings otherwise.
    pub(crate) fn require_loaded(&self) -> anyhow::Result<()> {
        for report in self.reports() {
            if !report.diagnostics.is_empty() {
                terminal::say(render_text(&report.diagnostics, true).trim_end());
            }
        }
        if !self.loaded.successful() {
            bail!(
                "the rules were not loaded; `kubevigil rules check FILE…` shows the mistakes again"
            );
        }
        Ok(())
    }

    /// What became of the files that the user named. The built-in ones are in it only when they are broken: what they define
    /// for others to use is no mistake.
    pub(crate) fn reports(&self) -> impl Iterator<Item = &FileReport> {
        let of_user =
            |report: &&FileReport| !report.file.starts_with(DEFAULT_RULES) || !report.successful();
        self.loaded.files.iter().filter(of_user)
    }

    /// Whether there is a file that could not be read at all.
    pub(crate) fn unreadable(&self) -> bool {
        let diagnostics = self
            .loaded
            .files
            .iter()
            .flat_map(|report| &report.diagnostics);
        diagnostics
            .into_iter()
            .any(|diagnostic| diagnostic.code == UNREADABLE)
    }
}

impl From<&RuleArgs> for RuleChoice {
    fn from(arguments: &RuleArgs) -> Self {
        Self {
            default_rules: !arguments.no_default_rules,
            files: arguments.rules.clone(),
            fixed_fields: arguments.fixed_fields,
            min_priority: arguments.min_priority,
            selectors: Vec::new(),
        }
    }
}

fn options(choice: &RuleChoice) -> Options {
    let fields = FieldOptions {
        fixed_fields: choice.fixed_fields,
        hostname: hostname().unwrap_or_default().into(),
        ..FieldOptions::default()
    };
    Options {
        fields,
        ..Options::default()
    }
}

fn load_default_rules(loader: &mut Loader) {
    let mut names: Vec<_> = DefaultRules::iter().collect();
    names.sort();
    for name in names {
        if let Some(file) = DefaultRules::get(&name) {
            loader.load_file(
                &format!("{DEFAULT_RULES}{name}"),
                &String::from_utf8_lossy(&file.data),
            );
        }
    }
}

/// Takes warnings back that a file gave about what a later file uses: Falco judges each file by those before it.
fn withdraw_unused_warnings(loaded: &mut Loaded) {
    let macros = loaded.macros.iter().filter(|info| info.used);
    let lists = loaded.lists.iter().filter(|info| info.used);
    let used: HashSet<String> = macros
        .map(|info| format!("macro \"{}\"", info.name))
        .chain(lists.map(|info| format!("list \"{}\"", info.name)))
        .collect();
    for report in &mut loaded.files {
        let mistaken = |diagnostic: &Diagnostic| {
            diagnostic.code.starts_with("LOAD_UNUSED") && used.contains(&diagnostic.item)
        };
        report
            .diagnostics
            .retain(|diagnostic| !mistaken(diagnostic));
    }
}

/// The files behind a list of files and folders: a folder stands for its files ending in .yaml or .yml, sorted by path.
fn rule_files(paths: &[PathBuf]) -> Vec<Result<PathBuf, FileReport>> {
    let mut files = Vec::new();
    for path in paths {
        if !path.is_dir() {
            files.push(Ok(path.clone()));
            continue;
        }
        let name = path.display();
        match files_in(path) {
            Ok(found) if found.is_empty() => {
                let message = format!("the folder {name} holds no rule files (.yaml, .yml)");
                files.push(Err(unreadable(path, message)));
            }
            Ok(found) => files.extend(found.into_iter().map(Ok)),
            Err(error) => {
                let reason = terminal::reason(&error);
                let message = format!("the rule folder {name} cannot be read: {reason}");
                files.push(Err(unreadable(path, message)));
            }
        }
    }
    files
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

/// A file's name and text.
fn read(file: &Path) -> Result<(String, String), FileReport> {
    let name = file.display().to_string();
    let bytes = fs::read(file).map_err(|error| {
        let reason = terminal::reason(&error);
        unreadable(
            file,
            format!("the rule file {name} cannot be read: {reason}"),
        )
    })?;
    match String::from_utf8(bytes) {
        Ok(text) => Ok((name, text)),
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
