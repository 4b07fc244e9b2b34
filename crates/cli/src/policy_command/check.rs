//! `kubevigil policy check`: what is wrong with policies.

use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;

use kubevigil_diagnostics::{Diagnostic, Severity, render_text};
use kubevigil_plan::KubernetesVersion;
use kubevigil_plan::check::check;
use serde::Serialize;

use super::sarif;
use crate::args::policy::{CheckFormat, PolicyCheckArgs};
use crate::server_findings::{Entry, verdict};
use crate::terminal;

/// Older servers take v1alpha1 and v1beta1 as well.
const ONLY_V1_SINCE: KubernetesVersion = KubernetesVersion::new(1, 24);

/// What is said about a policy.
pub(super) struct Report {
    /// The file, and where in it the policy stands.
    pub(super) file: String,
    path: String,
    /// Whether an API server starts with it.
    valid: bool,
    pub(super) diagnostics: Vec<Diagnostic>,
}

pub(super) fn execute(arguments: &PolicyCheckArgs) -> anyhow::Result<ExitCode> {
    let mut reports = Vec::new();
    let mut unreadable = false;
    for file in &arguments.files {
        match reports_of(file, arguments) {
            Ok(found) => reports.extend(found),
            Err(error) => {
                unreadable = true;
                terminal::complain(&error);
            }
        }
    }
    let mut out = anstream::stdout().lock();
    match arguments.format {
        CheckFormat::Json => reports
            .iter()
            .try_for_each(|report| super::write_json(&mut out, &report.shape()))?,
        CheckFormat::Sarif => super::write_json(&mut out, &sarif::log(&reports))?,
        CheckFormat::Text => reports
            .iter()
            .try_for_each(|report| report.write(&mut out))?,
    }
    let found_wanting = reports
        .iter()
        .any(|report| !report.valid || report.has_errors());
    Ok(match (unreadable, found_wanting) {
        (true, _) => ExitCode::from(2),
        (false, true) => ExitCode::from(1),
        (false, false) => ExitCode::SUCCESS,
    })
}

fn reports_of(file: &Path, arguments: &PolicyCheckArgs) -> anyhow::Result<Vec<Report>> {
    let policies = super::read(file)?.into_iter();
    let reports = policies.map(|wrapped| {
        let policy = if arguments.kubernetes_version < ONLY_V1_SINCE {
            wrapped.file.for_legacy_servers()
        } else {
            wrapped.file
        };
        Report {
            file: file.display().to_string(),
            path: wrapped.path,
            valid: policy.is_valid(),
            diagnostics: check(&policy, arguments.kubernetes_version),
        }
    });
    Ok(reports.collect())
}

#[derive(Serialize)]
struct Shape<'r> {
    file: &'r str,
    #[serde(rename = "in", skip_serializing_if = "str::is_empty")]
    path: &'r str,
    valid: bool,
    diagnostics: Vec<Entry<'r>>,
}

impl Report {
    fn shape(&self) -> Shape<'_> {
        Shape {
            file: &self.file,
            path: &self.path,
            valid: self.valid,
            diagnostics: self.diagnostics.iter().map(Entry::from).collect(),
        }
    }

    fn has_errors(&self) -> bool {
        let mut diagnostics = self.diagnostics.iter();
        diagnostics.any(|diagnostic| diagnostic.severity == Severity::Error)
    }

    fn write(&self, out: &mut impl Write) -> io::Result<()> {
        if !self.diagnostics.is_empty() {
            writeln!(out, "{}\n", render_text(&self.diagnostics, true).trim_end())?;
        }
        let place = if self.path.is_empty() {
            String::new()
        } else {
            format!(" ({})", self.path)
        };
        writeln!(
            out,
            "{}{place}: {}",
            self.file,
            verdict(&self.diagnostics, !self.valid)
        )
    }
}
