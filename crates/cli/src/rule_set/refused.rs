//! What Sigma files contain that could not be accepted.
//!
//! It is taken from the reports, and not from the loader's rules, because a filter, a pipeline or a whole file that is refused matters as
//! much as a rule: each of them changes what is found.

use kubevigil_diagnostics::{Diagnostic, FileReport};

use crate::rule_set::files;

/// A rule, a filter, a pipeline or a whole file that does not take part because of its mistakes.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Refused {
    /// Its name, as its author wrote it; the file's for what has none.
    pub(crate) name: String,
    /// What it is: `rule`, `correlation`, `filter`, `pipeline` or `file`.
    pub(crate) kind: String,
    /// The file as the user named it.
    pub(crate) file: String,
    /// The line of its first mistake, counted from 1; `None` when that has no place.
    pub(crate) line: Option<usize>,
    /// Its first mistake.
    pub(crate) reason: String,
    /// Whether it is one of the default rules.
    pub(crate) built_in: bool,
}

/// What was refused in a file, in the order of the first mistakes.
pub(super) fn of(report: &FileReport) -> Vec<Refused> {
    let mut items: Vec<&str> = Vec::new();
    let mut refused = Vec::new();
    for error in report.errors() {
        if !items.contains(&error.item.as_str()) {
            items.push(&error.item);
            refused.push(Refused::new(report, error));
        }
    }
    refused
}

impl Refused {
    fn new(report: &FileReport, error: &Diagnostic) -> Self {
        // An item is a kind and a name in quotes, `rule "Exec into a pod"`, or a kind alone.
        let (kind, name) = match error.item.split_once(" \"") {
            Some((kind, rest)) => (kind, rest.rsplit_once('"').map_or(rest, |(name, _)| name)),
            None => (error.item.as_str(), report.file.as_str()),
        };
        Self {
            name: name.to_owned(),
            kind: Some(kind)
                .filter(|kind| !kind.is_empty())
                .unwrap_or("file")
                .to_owned(),
            file: report.file.clone(),
            line: error.position().map(|(line, _)| line),
            reason: error.message.clone(),
            built_in: files::is_default(report),
        }
    }
}
