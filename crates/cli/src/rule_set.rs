//! From files and folders to the rules that take part.
//!
//! [`RuleSet::load`] never fails: whatever is wrong is in it, with places. How much of that is acceptable depends on who asks. Whoever
//! waits for the answer of `scan` wants every rule to be looked at, so one refused rule stops it ([`RuleSet::require_loaded`]); a daemon
//! that does not start because of one rule watches nothing, so it runs the others and says so ([`RuleSet::accept`]). Files in Falco's
//! language are taken whole or not at all in both cases, as Falco does: what one of them defines may be an exception to what
//! another looks for.

mod files;
mod loading;
mod profile;
mod refused;
mod standing;

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::bail;
use kubevigil_diagnostics::{FileReport, render_text};
use kubevigil_rules::falco::selection::Selector;
use kubevigil_rules::{Language, Priority, Rule};

use crate::args::RuleArgs;
use crate::terminal;

pub(crate) use files::DEFAULT_RULES;
pub(crate) use profile::Profile;
pub(crate) use refused::Refused;
pub(crate) use standing::{ListedRule, Standing};

/// Which rules to load, and which of them take part.
#[derive(Clone, Debug)]
pub(crate) struct RuleChoice {
    /// Whether the default rules come first.
    pub(crate) default_rules: bool,
    /// Files and folders, in loading order.
    pub(crate) files: Vec<PathBuf>,
    /// Whether defects of Falco's plugin are mended.
    pub(crate) fixed_fields: bool,
    /// How much is wanted of rules that name a profile.
    pub(crate) profile: Profile,
    /// Rules less urgent than this do not take part.
    pub(crate) min_priority: Priority,
    /// What to enable and disable, in order; a rule that is enabled by name or tag takes part whatever the profile.
    pub(crate) selectors: Vec<Selector>,
}

/// The rules of a [`RuleChoice`].
pub(crate) struct RuleSet {
    /// Every rule that was loaded, in the order of the files.
    pub(crate) rules: Vec<ListedRule>,
    /// The rules that may raise alerts, correlations included, in the order in which they are tried. Rules that only correlations count
    /// are not among them, but reached through their members.
    pub(crate) selected: Vec<Arc<Rule>>,
    /// What Sigma files contain that could not be accepted, in the order of the files.
    pub(crate) refused: Vec<Refused>,
    files: Vec<(Option<Language>, FileReport)>,
}

impl RuleSet {
    /// Loads the rules. Whatever is wrong with the files, or keeps them from being read, is in the reports.
    pub(crate) fn load(choice: &RuleChoice) -> Self {
        let loaded = loading::load(choice);
        let sigma = loaded
            .files
            .iter()
            .filter(|(language, _)| *language == Some(Language::Sigma));
        let refused = sigma.flat_map(|(_, report)| refused::of(report)).collect();
        let (rules, selected) = standing::judge(loaded.rules, &loaded.silenced, choice);
        Self {
            rules,
            selected,
            refused,
            files: loaded.files,
        }
    }

    /// Shows everything that is wrong with the files, and fails when one of them, or a rule in one of them that the user named, could
    /// not be loaded.
    pub(crate) fn require_loaded(&self) -> anyhow::Result<()> {
        self.accept()?;
        if self.refused.iter().any(|refused| !refused.built_in) {
            bail!(NOT_LOADED);
        }
        Ok(())
    }

    /// Shows everything that is wrong with the files, and fails when one of them could not be loaded as a whole: what was
    /// refused in files of Sigma's is left out.
    pub(crate) fn accept(&self) -> anyhow::Result<()> {
        for report in self.reports() {
            if !report.diagnostics.is_empty() {
                terminal::say(render_text(&report.diagnostics, true).trim_end());
            }
        }
        let whole =
            |(language, _): &&(Option<Language>, FileReport)| *language != Some(Language::Sigma);
        let mut whole_files = self.files.iter().filter(whole);
        if !whole_files.all(|(_, report)| report.successful()) {
            bail!(NOT_LOADED);
        }
        Ok(())
    }

    /// What became of the files that the user named, in their order. The default ones are in it only when they are broken: what they
    /// define for others to use is no mistake.
    pub(crate) fn reports(&self) -> impl Iterator<Item = &FileReport> {
        let reports = self.files.iter().map(|(_, report)| report);
        reports.filter(|report| !files::is_default(report) || !report.successful())
    }

    /// Whether nothing was wrong with any file, warnings apart.
    pub(crate) fn successful(&self) -> bool {
        self.files.iter().all(|(_, report)| report.successful())
    }

    /// Whether there is a file that could not be read at all.
    pub(crate) fn unreadable(&self) -> bool {
        let mut reports = self.files.iter().map(|(_, report)| report);
        reports.any(files::is_unreadable)
    }
}

/// What is said at the end when rules that are needed are not there.
const NOT_LOADED: &str =
    "the rules were not loaded; `kubevigil rules check FILE…` shows the mistakes again";

impl From<&RuleArgs> for RuleChoice {
    fn from(arguments: &RuleArgs) -> Self {
        Self {
            default_rules: !arguments.no_default_rules,
            files: arguments.rules.clone(),
            fixed_fields: arguments.fixed_fields,
            profile: arguments.profile,
            min_priority: arguments.min_priority,
            selectors: Vec::new(),
        }
    }
}
