//! Coverage for people.

use std::io::{self, Write};

use anstyle::{AnsiColor, Style};
use kubevigil_diagnostics::escape;
use unicode_width::UnicodeWidthStr as _;

use crate::rules_command::coverage::{Coverage, Row, Standing};
use crate::scan::wording::{plural, wrap};
use crate::terminal::{self, BOLD, DIM, WARNING};

const COVERED: Style = AnsiColor::Green.on_default();
/// How far the rules and reasons below a technique are indented.
const INDENT: usize = 13;

pub(super) fn write(out: &mut impl Write, coverage: &Coverage) -> io::Result<()> {
    let version = coverage.version.number();
    let rules = plural(coverage.rules as u64, "rule");
    writeln!(out, "{BOLD}{rules} by tactic, ATT&CK {version}{BOLD:#}")?;
    for tactic in &coverage.tactics {
        writeln!(out, "  {:<22}{:>4}", tactic.name, tactic.rules)?;
    }
    for tactic in &coverage.tactics {
        // A technique with several tactics stands below the first.
        let rows = coverage
            .attack
            .iter()
            .filter(|row| row.tactics.first() == Some(&tactic.slug));
        section(out, tactic.name, &rows.collect::<Vec<_>>())?;
    }
    let others = coverage.attack.iter().filter(|row| row.tactics.is_empty());
    section(
        out,
        "Not in this version's table",
        &others.collect::<Vec<_>>(),
    )?;
    let microsoft: Vec<&Row> = coverage.microsoft.iter().collect();
    section(out, "Microsoft's threat matrix for Kubernetes", &microsoft)?;
    writeln!(out)?;
    let matrix = format!("ATT&CK {version}, Containers matrix");
    let containers: Vec<&Row> = coverage.attack.iter().filter(|row| row.in_matrix).collect();
    summary(out, &matrix, &containers)?;
    summary(out, "Microsoft's threat matrix", &microsoft)?;
    silent(out, coverage)
}

fn section(out: &mut impl Write, heading: &str, rows: &[&Row]) -> io::Result<()> {
    if rows.is_empty() {
        return Ok(());
    }
    writeln!(out, "\n{BOLD}{heading}{BOLD:#}")?;
    let names = rows
        .iter()
        .map(|row| row.name.width())
        .max()
        .unwrap_or_default();
    for row in rows {
        let (style, words) = standing(row);
        let name = format!("{:<names$}", row.name);
        writeln!(
            out,
            "  {:<INDENT$}{name}  {style}{words}{style:#}",
            escape::terminal(&row.id),
            INDENT = INDENT - 2
        )?;
        let titles: Vec<&str> = row.rules.iter().map(|rule| rule.name.as_ref()).collect();
        let texts = [
            titles.join(" · "),
            row.unseen.unwrap_or_default().to_owned(),
        ];
        for text in texts {
            let text = escape::terminal(&text);
            for line in wrap(&text, terminal::width().saturating_sub(INDENT)) {
                writeln!(out, "{:INDENT$}{DIM}{line}{DIM:#}", "")?;
            }
        }
    }
    Ok(())
}

fn standing(row: &Row) -> (Style, String) {
    let rules = plural(row.rules.len() as u64, "rule");
    match row.standing() {
        Standing::Covered => (COVERED, rules),
        Standing::Partly => (COVERED, format!("{rules}, in part")),
        Standing::Below => (COVERED, "by its sub-techniques".to_owned()),
        Standing::Unseen => (DIM, "not in an audit log".to_owned()),
        Standing::Gap => (WARNING, "no rule".to_owned()),
    }
}

/// How much of a matrix is covered, and the gaps by name.
fn summary(out: &mut impl Write, matrix: &str, rows: &[&Row]) -> io::Result<()> {
    let unseen = rows
        .iter()
        .filter(|row| row.standing() == Standing::Unseen)
        .count();
    let gaps: Vec<String> = rows
        .iter()
        .filter(|row| row.is_gap())
        .map(|row| format!("{} {}", row.id, row.name))
        .collect();
    let covered = rows.len() - unseen - gaps.len();
    let techniques = plural(rows.len() as u64, "technique");
    write!(
        out,
        "{BOLD}{matrix}{BOLD:#}: {techniques}, {covered} covered, {unseen} not in an audit log, "
    )?;
    match gaps.as_slice() {
        [] => writeln!(out, "no gaps"),
        gaps => {
            writeln!(
                out,
                "{WARNING}{}{WARNING:#}",
                plural(gaps.len() as u64, "gap")
            )?;
            gaps.iter().try_for_each(|gap| writeln!(out, "  {gap}"))
        }
    }
}

fn silent(out: &mut impl Write, coverage: &Coverage) -> io::Result<()> {
    if coverage.silent.is_empty() {
        return Ok(());
    }
    let rules = plural(coverage.silent.len() as u64, "rule");
    writeln!(out, "{rules} without a technique in the tags:")?;
    for rule in &coverage.silent {
        writeln!(out, "  {}", escape::terminal(&rule.name))?;
    }
    Ok(())
}
