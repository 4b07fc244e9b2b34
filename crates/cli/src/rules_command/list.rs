//! `kubevigil rules list`.

use std::io::Write as _;
use std::process::ExitCode;

use crate::args::{Format, RuleArgs};
use crate::rules_command::{RuleSummary, load, write_json};
use crate::scan::wording;
use crate::terminal::DIM;

pub(super) fn execute(arguments: &RuleArgs, format: Format) -> anyhow::Result<ExitCode> {
    let rule_set = load(arguments)?;
    let mut out = anstream::stdout().lock();
    let taking_part = |rule: &std::sync::Arc<kubevigil_rules::Rule>| {
        rule_set
            .selected
            .iter()
            .any(|selected| selected.name == rule.name)
    };
    for rule in &rule_set.loaded.rules {
        let summary = RuleSummary {
            enabled: taking_part(rule),
            ..RuleSummary::new(rule)
        };
        match format {
            Format::Json => write_json(&mut out, &summary)?,
            Format::Text => {
                let style = wording::priority_style(rule.priority);
                let mark = if summary.enabled { " " } else { "-" };
                writeln!(
                    out,
                    "{mark} {style}{:<13}{style:#} {}  {DIM}{}:{}{DIM:#}",
                    rule.priority, rule.name, rule.origin.file, rule.origin.line
                )?;
            }
        }
    }
    if format == Format::Text {
        let (taking_part, all) = (
            rule_set.selected.len() as u64,
            rule_set.loaded.rules.len() as u64,
        );
        writeln!(
            out,
            "{} of {} take part; - marks the others",
            wording::thousands(taking_part),
            wording::plural(all, "rule")
        )?;
    }
    Ok(ExitCode::SUCCESS)
}
