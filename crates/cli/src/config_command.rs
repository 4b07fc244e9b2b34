//! `kubevigil config`: check and schema.

use std::io::Write as _;
use std::path::Path;
use std::process::ExitCode;

use kubevigil_diagnostics::render_text;

use crate::args::{ConfigArgs, ConfigCommand, Format};
use crate::config::{self, Config, ConfigReport};
use crate::rule_set::RuleSet;
use crate::terminal;

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
    let ConfigReport { config, report } = config::read(file)?;
    let mut out = anstream::stdout().lock();
    match format {
        Format::Json => {
            serde_json::to_writer(&mut out, &report)?;
            writeln!(out)?;
        }
        Format::Text => {
            if !report.diagnostics.is_empty() {
                writeln!(out, "{}", render_text(&report.diagnostics, true).trim_end())?;
            }
        }
    }
    let sound = config.is_some_and(|config| refers_to_usable_things(&config));
    if format == Format::Text {
        let verdict = if sound { "ok" } else { "cannot be used" };
        writeln!(out, "{}: {verdict}", file.display())?;
    }
    Ok(if sound {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(1)
    })
}

/// Whether what the configuration names exists and can be used; complaints go to standard error.
fn refers_to_usable_things(config: &Config) -> bool {
    let rules = RuleSet::load(&config.rules.choice()).require_loaded();
    let webhook = match &config.sources.webhook {
        Some(webhook) => {
            kubevigil_sources::webhook::check_credentials(webhook).map_err(anyhow::Error::from)
        }
        None => Ok(()),
    };
    let problems: Vec<anyhow::Error> = [rules, webhook]
        .into_iter()
        .filter_map(Result::err)
        .collect();
    problems.iter().for_each(terminal::complain);
    problems.is_empty()
}
