//! `kubevigil rules show`.

use std::io::Write as _;
use std::process::ExitCode;

use anyhow::bail;
use kubevigil_diagnostics::closest;

use crate::args::{Format, RuleArgs};
use crate::rules_command::{RuleSummary, load, write_json};
use crate::terminal::{BOLD, DIM};

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
    writeln!(out, "{BOLD}{}{BOLD:#}  {}", summary.rule, summary.priority)?;
    writeln!(out, "{}\n", summary.description)?;
    writeln!(out, "{DIM}condition{DIM:#}  {}", summary.condition)?;
    writeln!(out, "{DIM}output{DIM:#}     {}", summary.output)?;
    writeln!(out, "{DIM}tags{DIM:#}       {}", summary.tags.join(", "))?;
    writeln!(out, "{DIM}level{DIM:#}      {}", summary.level)?;
    writeln!(
        out,
        "{DIM}enabled{DIM:#}    {}",
        if summary.enabled { "yes" } else { "no" }
    )?;
    writeln!(
        out,
        "{DIM}written in{DIM:#} {}:{}",
        summary.file, summary.line
    )?;
    Ok(ExitCode::SUCCESS)
}
