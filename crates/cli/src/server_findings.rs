//! Findings about what an API server is given, a policy or its settings, as `policy check` and `setup check` show them.

use kubevigil_diagnostics::{Diagnostic, Severity};
use serde::Serialize;

use crate::scan::wording::plural;
use crate::terminal;

/// A finding as JSON. Keys are only ever added.
#[derive(Serialize)]
pub(crate) struct Entry<'d> {
    code: &'static str,
    severity: Severity,
    path: &'d str,
    line: Option<usize>,
    column: Option<usize>,
    message: &'d str,
    fix: Option<&'d str>,
}

impl<'d> From<&'d Diagnostic> for Entry<'d> {
    fn from(diagnostic: &'d Diagnostic) -> Self {
        let (line, column) = diagnostic.position().unzip();
        Self {
            code: diagnostic.code,
            severity: diagnostic.severity,
            path: &diagnostic.item,
            line,
            column,
            message: &diagnostic.message,
            fix: diagnostic.help.as_deref(),
        }
    }
}

/// How many findings there are of each severity, in colour, and whether an API server starts at all.
pub(crate) fn verdict(diagnostics: &[Diagnostic], is_fatal: bool) -> String {
    let words = [
        (Severity::Error, "error"),
        (Severity::Warning, "warning"),
        (Severity::Info, "remark"),
    ];
    let counts: Vec<String> = words
        .into_iter()
        .map(|(severity, word)| (count(diagnostics, severity), word))
        .filter(|(count, _)| *count > 0)
        .map(|(count, word)| plural(count, word))
        .collect();
    let text = match (is_fatal, counts.is_empty()) {
        (true, _) => format!(
            "an API server does not start with it; {}",
            counts.join(", ")
        ),
        (false, true) => "ok".to_owned(),
        (false, false) => counts.join(", "),
    };
    let style = match count(diagnostics, Severity::Error) {
        0 => terminal::BOLD,
        _ => terminal::ERROR,
    };
    format!("{style}{text}{style:#}")
}

fn count(diagnostics: &[Diagnostic], severity: Severity) -> u64 {
    let of_severity = diagnostics
        .iter()
        .filter(|diagnostic| diagnostic.severity == severity);
    of_severity.count() as u64
}
