//! `kubevigil rules list`.

use std::io::{self, Write};
use std::process::ExitCode;

use anstyle::Style;
use kubevigil_diagnostics::escape;

use crate::args::{Format, RuleArgs};
use crate::rule_set::{DEFAULT_RULES, ListedRule, Refused, RuleSet, Standing};
use crate::rules_command::summary::{RefusedSummary, RuleSummary, kind};
use crate::rules_command::{load, write_json};
use crate::scan::table::{self, Cell, Column, Kind};
use crate::scan::wording::{plural, priority_style, thousands};
use crate::terminal::{self, DIM, ERROR};

pub(super) fn execute(arguments: &RuleArgs, format: Format) -> anyhow::Result<ExitCode> {
    let rule_set = load(arguments)?;
    let mut out = anstream::stdout().lock();
    match format {
        Format::Text => write_table(&mut out, &rule_set)?,
        Format::Json => write_lines(&mut out, &rule_set)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn write_lines(out: &mut impl Write, rule_set: &RuleSet) -> io::Result<()> {
    for listed in &rule_set.rules {
        write_json(out, &RuleSummary::new(listed))?;
    }
    let mut refused = rule_set.refused.iter();
    refused.try_for_each(|refused| write_json(out, &RefusedSummary::new(refused)))
}

fn write_table(out: &mut impl Write, rule_set: &RuleSet) -> io::Result<()> {
    let column = |heading, kind| Column { heading, kind };
    let columns = [
        column("priority", Kind::Text),
        column("rule", Kind::Text),
        column("kind", Kind::Text),
        column("language", Kind::Text),
        column("state", Kind::Flexible),
        column("written in", Kind::Flexible),
    ];
    let rules = rule_set.rules.iter().map(rule_row);
    let refused = rule_set.refused.iter().map(refused_row);
    let rows: Vec<_> = rules.chain(refused).collect();
    table::write(out, (0, terminal::width()), &columns, &rows)?;
    writeln!(out, "{}", totals(rule_set))?;
    for refused in &rule_set.refused {
        let (name, reason) = (escape::terminal(&refused.name), &refused.reason);
        let reason = escape::terminal(reason);
        writeln!(out, "{ERROR}refused{ERROR:#}: {name}: {reason}")?;
    }
    Ok(())
}

fn rule_row(listed: &ListedRule) -> [Cell; 6] {
    let rule = &listed.rule;
    let urgency = match listed.standing {
        Standing::Enabled => priority_style(rule.priority),
        _ => DIM,
    };
    let origin = place(&rule.origin.file, Some(rule.origin.line));
    [
        Cell::new(rule.priority.as_str(), urgency),
        Cell::new(&rule.name, Style::new()),
        Cell::new(kind(rule), DIM),
        Cell::new(language(rule.language), DIM),
        Cell::new(&state(listed), Style::new()),
        Cell::new(&origin, DIM),
    ]
}

fn refused_row(refused: &Refused) -> [Cell; 6] {
    let origin = place(&refused.file, refused.line);
    [
        Cell::new("–", DIM),
        Cell::new(&refused.name, Style::new()),
        Cell::new(&refused.kind, DIM),
        Cell::new(language(kubevigil_rules::Language::Sigma), DIM),
        Cell::new("refused", ERROR),
        Cell::new(&origin, DIM),
    ]
}

/// Where it was written: the user's own file, and the line if there is one.
fn place(file: &str, line: Option<usize>) -> String {
    match line {
        _ if file.starts_with(DEFAULT_RULES) => "built in".to_owned(),
        Some(line) => format!("{file}:{line}"),
        None => file.to_owned(),
    }
}

/// Whether a rule takes part, or why not, in words.
pub(super) fn state(listed: &ListedRule) -> String {
    match (listed.standing, listed.counted_by.as_slice()) {
        (Standing::Part, []) => "part of a refused one".to_owned(),
        (Standing::Part, [first]) => format!("part of \"{first}\""),
        (Standing::Part, [first, others @ ..]) => {
            format!("part of \"{first}\" and {} more", others.len())
        }
        (standing, _) => standing.word().to_owned(),
    }
}

/// The word for a language, as JSON has it.
pub(super) fn language(language: kubevigil_rules::Language) -> &'static str {
    match language {
        kubevigil_rules::Language::Falco => "falco",
        kubevigil_rules::Language::Sigma => "sigma",
    }
}

fn totals(rule_set: &RuleSet) -> String {
    let count = |standing| {
        let of_standing = rule_set.rules.iter();
        of_standing
            .filter(|listed| listed.standing == standing)
            .count() as u64
    };
    let all = plural(rule_set.rules.len() as u64, "rule");
    let mut text = format!("{} of {all} take part", thousands(count(Standing::Enabled)));
    let parts = count(Standing::Part);
    if parts > 0 {
        text.push_str(&format!(
            ", {} only as parts of correlations",
            thousands(parts)
        ));
    }
    let refused = rule_set.refused.len() as u64;
    if refused > 0 {
        text.push_str(&format!("; {} refused", thousands(refused)));
    }
    text
}
