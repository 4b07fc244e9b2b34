//! `kubevigil rules list`.

use std::collections::HashSet;
use std::io::{self, Write};
use std::process::ExitCode;

use anstyle::Style;
use kubevigil_rules::Rule;

use crate::args::{Format, RuleArgs};
use crate::rule_set::RuleSet;
use crate::rules_command::{RuleSummary, load, write_json};
use crate::scan::table::{self, Cell, Column, Kind};
use crate::scan::wording::{plural, priority_style, thousands};
use crate::terminal::{self, DIM};

pub(super) fn execute(arguments: &RuleArgs, format: Format) -> anyhow::Result<ExitCode> {
    let rule_set = load(arguments)?;
    let selected: HashSet<&str> = rule_set
        .selected
        .iter()
        .map(|rule| rule.name.as_ref())
        .collect();
    let mut out = anstream::stdout().lock();
    if format == Format::Text {
        write_table(&mut out, &rule_set, &selected)?;
        return Ok(ExitCode::SUCCESS);
    }
    for rule in &rule_set.loaded.rules {
        let enabled = selected.contains(rule.name.as_ref());
        write_json(
            &mut out,
            &RuleSummary {
                enabled,
                ..RuleSummary::new(rule)
            },
        )?;
    }
    Ok(ExitCode::SUCCESS)
}

fn write_table(
    out: &mut impl Write,
    rule_set: &RuleSet,
    selected: &HashSet<&str>,
) -> io::Result<()> {
    let column = |heading, kind| Column { heading, kind };
    let columns = [
        column("", Kind::Text),
        column("priority", Kind::Text),
        column("rule", Kind::Text),
        column("written in", Kind::Flexible),
    ];
    let rules = &rule_set.loaded.rules;
    let rows: Vec<_> = rules
        .iter()
        .map(|rule| row(rule, selected.contains(rule.name.as_ref())))
        .collect();
    table::write(out, (0, terminal::width()), &columns, &rows)?;
    let (part, all) = (
        thousands(selected.len() as u64),
        plural(rules.len() as u64, "rule"),
    );
    writeln!(out, "{part} of {all} take part; - marks the others")
}

fn row(rule: &Rule, takes_part: bool) -> [Cell; 4] {
    let origin = format!("{}:{}", rule.origin.file, rule.origin.line);
    let (mark, urgency) = match takes_part {
        true => (" ", priority_style(rule.priority)),
        false => ("-", DIM),
    };
    [
        Cell::new(mark, DIM),
        Cell::new(rule.priority.as_str(), urgency),
        Cell::new(&rule.name, Style::new()),
        Cell::new(&origin, DIM),
    ]
}
