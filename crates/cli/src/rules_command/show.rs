//! `kubevigil rules show`.

use std::io::{self, Write};
use std::process::ExitCode;

use anyhow::bail;
use kubevigil_diagnostics::closest;
use kubevigil_diagnostics::escape;

use crate::args::{Format, RuleArgs};
use crate::rules_command::{RuleSummary, load, write_json};
use crate::scan::wording::wrap;
use crate::terminal::{self, BOLD, DIM};

pub(super) fn execute(
    name: &str,
    arguments: &RuleArgs,
    format: Format,
) -> anyhow::Result<ExitCode> {
    let rule_set = load(arguments)?;
    let rules = &rule_set.loaded.rules;
    let Some(rule) = rules
        .iter()
        .find(|rule| rule.name.eq_ignore_ascii_case(name))
    else {
        let names = rules.iter().map(|rule| rule.name.as_ref());
        match closest(name, names) {
            Some(near) => bail!("there is no rule called \"{name}\"; did you mean \"{near}\"?"),
            None => bail!(
                "there is no rule called \"{name}\"; `kubevigil rules list` shows all of them"
            ),
        }
    };
    let summary = RuleSummary::new(rule);
    let mut out = anstream::stdout().lock();
    if format == Format::Json {
        write_json(&mut out, &summary)?;
        return Ok(ExitCode::SUCCESS);
    }
    write_text(&mut out, &summary)?;
    Ok(ExitCode::SUCCESS)
}

fn write_text(out: &mut impl Write, summary: &RuleSummary<'_>) -> io::Result<()> {
    const INDENT: usize = 12;
    let room = terminal::width();
    writeln!(out, "{BOLD}{}{BOLD:#}  {}", summary.rule, summary.priority)?;
    for line in wrap(&summary.description, room) {
        writeln!(out, "{line}")?;
    }
    writeln!(out)?;
    let origin = format!("{}:{}", summary.file, summary.line);
    let parts = [
        ("condition", summary.condition),
        ("output", summary.output),
        ("tags", &summary.tags.join(", ")),
        ("level", summary.level),
        ("enabled", if summary.enabled { "yes" } else { "no" }),
        ("written in", &origin),
    ];
    for (heading, text) in parts {
        let mut heading = heading;
        for line in wrap(&escape::terminal(text), room.saturating_sub(INDENT)) {
            writeln!(out, "{DIM}{heading:<INDENT$}{DIM:#}{line}")?;
            heading = "";
        }
    }
    Ok(())
}
