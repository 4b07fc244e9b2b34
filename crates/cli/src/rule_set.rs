//! From files and folders to the rules that take part.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, bail};
use kubevigil_diagnostics::render_text;
use kubevigil_rules::falco::fields::FieldOptions;
use kubevigil_rules::falco::selection::{self, Selector};
use kubevigil_rules::falco::{Loaded, Loader, Options};
use kubevigil_rules::{Priority, Rule};
use rust_embed::RustEmbed;

use crate::args::RuleArgs;
use crate::hostname::hostname;
use crate::terminal;

/// What the names of the default rules' files begin with.
const DEFAULT_RULES: &str = "(built in) detections/";

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
    /// Loads the rules. What is wrong *in* the files is in [`Loaded`]; an error is a file that cannot be read at all.
    pub(crate) fn load(choice: &RuleChoice) -> anyhow::Result<Self> {
        let mut loader = Loader::new(options(choice));
        if choice.default_rules {
            load_default_rules(&mut loader);
        }
        for file in rule_files(&choice.files)? {
            let text = fs::read(&file)
                .with_context(|| format!("cannot read the rule file {}", file.display()))?;
            let text = String::from_utf8(text)
                .with_context(|| format!("the rule file {} is not UTF-8 text", file.display()))?;
            loader.load_file(&file.display().to_string(), &text);
        }
        let loaded = loader.finish();
        let selected = selection::select(&loaded.rules, choice.min_priority, &choice.selectors);
        Ok(Self { loaded, selected })
    }

    /// Fails with everything that is wrong with the files when one of them could not be loaded; shows warnings otherwise.
    pub(crate) fn require_loaded(&self) -> anyhow::Result<()> {
        for report in &self.loaded.files {
            // The shared macros of the default rules are used by later files, which Falco's reading warns about.
            let ours = report.successful() && report.file.starts_with(DEFAULT_RULES);
            if !report.diagnostics.is_empty() && !ours {
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

/// The files behind a list of files and folders: a folder stands for its files ending in .yaml or .yml, sorted by path.
fn rule_files(paths: &[PathBuf]) -> anyhow::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for path in paths {
        if path.is_dir() {
            files.extend(files_in(path)?);
        } else {
            files.push(path.clone());
        }
    }
    Ok(files)
}

fn files_in(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let failure = || format!("cannot list the rule folder {}", folder.display());
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).with_context(failure)? {
        let path = entry.with_context(failure)?.path();
        let ending = path.extension().and_then(|ending| ending.to_str());
        if path.is_file() && matches!(ending, Some("yaml" | "yml")) {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}
