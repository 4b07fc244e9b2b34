//! `kubevigil rules check`: every mistake in rule files, in one run.

use std::io::{self, Write};
use std::process::ExitCode;

use kubevigil_diagnostics::{FileReport, render_text};
use kubevigil_rules::Priority;

use crate::args::{CheckArgs, Format};
use crate::rule_set::{Profile, RuleChoice, RuleSet};
use crate::rules_command::write_json;
use crate::scan::wording::plural;
use crate::terminal;

pub(super) fn execute(arguments: &CheckArgs) -> anyhow::Result<ExitCode> {
    let rule_set = RuleSet::load(&RuleChoice {
        default_rules: arguments.with_default_rules,
        files: arguments.files.clone(),
        fixed_fields: arguments.fixed_fields,
        profile: Profile::Paranoid,
        min_priority: Priority::Debug,
        selectors: Vec::new(),
    });
    let mut out = anstream::stdout().lock();
    for report in rule_set.reports() {
        match arguments.format {
            Format::Json => write_json(&mut out, report)?,
            Format::Text => write_text(&mut out, report)?,
        }
    }
    Ok(match (rule_set.unreadable(), rule_set.successful()) {
        (true, _) => ExitCode::from(2),
        (false, true) => ExitCode::SUCCESS,
        (false, false) => ExitCode::from(1),
    })
}

fn write_text(out: &mut impl Write, report: &FileReport) -> io::Result<()> {
    let (errors, warnings) = (
        report.errors().count() as u64,
        report.warnings().count() as u64,
    );
    if !report.diagnostics.is_empty() {
        writeln!(
            out,
            "{}\n",
            render_text(&report.diagnostics, true).trim_end()
        )?;
    }
    let verdict = match (errors, warnings) {
        (0, 0) => "ok".to_owned(),
        (0, warnings) => format!("ok, with {}", plural(warnings, "warning")),
        (errors, 0) => plural(errors, "error"),
        (errors, warnings) => format!(
            "{} and {}",
            plural(errors, "error"),
            plural(warnings, "warning")
        ),
    };
    let style = if errors > 0 {
        terminal::ERROR
    } else {
        terminal::BOLD
    };
    writeln!(out, "{}: {style}{verdict}{style:#}", report.file)?;
    // Sets a file with mistakes apart from the next.
    if report.diagnostics.is_empty() {
        Ok(())
    } else {
        writeln!(out)
    }
}
