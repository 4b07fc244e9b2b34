//! `kubevigil rules`: check, list, show, fields.

mod check;
mod fields;
mod list;
mod show;
mod test;

use std::io::{self, Write};
use std::process::ExitCode;

use kubevigil_rules::Rule;
use serde::Serialize;

use crate::args::{RuleArgs, RulesArgs, RulesCommand};
use crate::rule_set::{RuleChoice, RuleSet};

pub(crate) fn execute(arguments: &RulesArgs) -> anyhow::Result<ExitCode> {
    match &arguments.command {
        RulesCommand::Check(arguments) => check::execute(arguments),
        RulesCommand::Fields { filter, format } => fields::execute(filter.as_deref(), *format),
        RulesCommand::List { rules, format } => list::execute(rules, *format),
        RulesCommand::Show {
            rule,
            rules,
            format,
        } => show::execute(rule, rules, *format),
        RulesCommand::Test(arguments) => test::execute(arguments),
    }
}

/// The rules that the arguments name; rule files that do not load are an error that shows all that is wrong with them.
fn load(arguments: &RuleArgs) -> anyhow::Result<RuleSet> {
    let rule_set = RuleSet::load(&RuleChoice::from(arguments));
    rule_set.require_loaded()?;
    Ok(rule_set)
}

/// A rule as programs read it.
#[derive(Serialize)]
struct RuleSummary<'r> {
    rule: &'r str,
    description: String,
    priority: &'r str,
    enabled: bool,
    source: &'r str,
    tags: &'r [std::sync::Arc<str>],
    language: kubevigil_rules::Language,
    file: &'r str,
    line: usize,
    condition: &'r str,
    output: &'r str,
    level: &'static str,
}

impl<'r> RuleSummary<'r> {
    fn new(rule: &'r Rule) -> Self {
        Self {
            rule: &rule.name,
            description: rule
                .description
                .split_whitespace()
                .collect::<Vec<_>>()
                .join(" "),
            priority: rule.priority.as_str(),
            enabled: rule.enabled,
            source: &rule.source,
            tags: &rule.tags,
            language: rule.language,
            file: &rule.origin.file,
            line: rule.origin.line,
            condition: &rule.condition_text,
            output: &rule.output.text,
            level: fields::level_of(rule),
        }
    }
}

/// Writes one JSON value on a line.
fn write_json(out: &mut impl Write, value: &impl Serialize) -> io::Result<()> {
    serde_json::to_writer(&mut *out, value)?;
    writeln!(out)
}
