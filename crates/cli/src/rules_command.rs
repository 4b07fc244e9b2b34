//! `kubevigil rules`: check, list, show, fields, test, explain, coverage.

mod check;
mod coverage;
mod explain;
mod fields;
mod list;
mod show;
mod summary;
mod test;

use std::io::{self, Write};
use std::process::ExitCode;

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
        RulesCommand::Coverage(arguments) => coverage::execute(arguments),
        RulesCommand::Explain(arguments) => explain::execute(arguments),
        RulesCommand::Test(arguments) => test::execute(arguments),
    }
}

/// The rules that the arguments name, as a daemon would run them. Whatever is wrong with the files is shown; only what a daemon would not
/// start with is an error.
fn load(arguments: &RuleArgs) -> anyhow::Result<RuleSet> {
    let rule_set = RuleSet::load(&RuleChoice::from(arguments));
    rule_set.accept()?;
    Ok(rule_set)
}

/// Writes one JSON value on a line.
fn write_json(out: &mut impl Write, value: &impl Serialize) -> io::Result<()> {
    serde_json::to_writer(&mut *out, value)?;
    writeln!(out)
}
