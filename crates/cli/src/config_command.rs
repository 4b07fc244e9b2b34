//! `kubevigil config`: check and schema.

use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;

use kubevigil_diagnostics::{FileReport, render_text};
use kubevigil_gateway::upstream_warnings;

use crate::args::{ConfigArgs, ConfigCommand, Format};
use crate::config::{self, Config, ConfigReport, RecordConfig};
use crate::gate::{self, Problem};
use crate::rule_set::{DEFAULT_RULES, RuleSet};
use crate::scan::wording::plural;
use crate::terminal;
use crate::unfed::Unfed;

pub(crate) fn execute(arguments: &ConfigArgs) -> anyhow::Result<ExitCode> {
    match &arguments.command {
        ConfigCommand::Check { file, format } => check(file, *format),
        ConfigCommand::Schema => {
            let mut out = anstream::stdout().lock();
            serde_json::to_writer_pretty(&mut out, &config::schema())?;
            writeln!(out)?;
            Ok(ExitCode::SUCCESS)
        }
    }
}

fn check(file: &Path, format: Format) -> anyhow::Result<ExitCode> {
    let mut read = config::read(file)?;
    if let Some(config) = read.config.clone() {
        check_references(&config, &mut read);
    }
    let report = &read.report;
    let mut out = anstream::stdout().lock();
    match format {
        Format::Json => {
            serde_json::to_writer(&mut out, report)?;
            writeln!(out)?;
        }
        Format::Text => write_text(&mut out, report)?,
    }
    Ok(if report.successful() {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(1)
    })
}

fn write_text(out: &mut impl Write, report: &FileReport) -> io::Result<()> {
    let errors = report.errors().count() as u64;
    if !report.diagnostics.is_empty() {
        writeln!(
            out,
            "{}\n",
            render_text(&report.diagnostics, true).trim_end()
        )?;
    }
    let (style, verdict) = match errors {
        0 => (terminal::BOLD, "ok".to_owned()),
        errors => (terminal::ERROR, plural(errors, "error")),
    };
    writeln!(out, "{}: {style}{verdict}{style:#}", report.file)
}

/// Looks at what the configuration names: rule files, certificates, token files.
fn check_references(config: &Config, read: &mut ConfigReport) {
    let rule_set = RuleSet::load(&config.rules.choice());
    let of_user = rule_set
        .reports()
        .filter(|report| !report.file.starts_with(DEFAULT_RULES));
    for report in of_user {
        for error in report.errors() {
            let place = match error.position() {
                Some((line, column)) => format!("{}:{line}:{column}: ", report.file),
                None => String::new(),
            };
            read.add(&["rules", "files"], &format!("{place}{}", error.message));
        }
    }
    if let Some(webhook) = &config.sources.webhook
        && let Err(error) = kubevigil_sources::webhook::check_credentials(webhook)
    {
        let message = terminal::with_causes(&anyhow::Error::from(error));
        read.add(&["sources", "webhook"], &message);
    }
    if let Some(record) = &config.sources.record {
        check_recording(record, read);
        if let Some(unfed) = Unfed::find(&record.policy, &rule_set.selected) {
            read.warn(&["sources", "record", "policy"], &unfed.to_string());
        }
    }
}

/// Looks at what the auditing gateway reads and writes: policy, certificates, kubeconfigs with what they warn of, the log. The
/// daemon's own folder is left to its start, which has its own rights.
fn check_recording(record: &RecordConfig, read: &mut ConfigReport) {
    let options = record.gate_options(None);
    for Problem { key, text } in gate::check_files(&options) {
        let path: Vec<&str> = ["sources", "record"]
            .into_iter()
            .chain(key.split('.'))
            .collect();
        read.add(&path, &text);
    }
    // Where the kubeconfig stands says more than where it is named.
    let warnings = upstream_warnings(&record.gateway);
    read.report.diagnostics.extend(warnings);
}
