//! The report for people.

use std::io::{self, Write};
use std::path::Path;
use std::time::Duration;

use anstyle::{AnsiColor, Style};
use kubevigil_diagnostics::escape;

use crate::rules_command::test::case::Difference;
use crate::rules_command::test::folders::Folder;
use crate::rules_command::test::report::{Counts, Judged};
use crate::scan::wording::{duration, plural};
use crate::terminal::{BOLD, DIM, ERROR, WARNING};

const PASS: Style = AnsiColor::Green.on_default().bold();

/// A case and, when it failed, why.
pub(super) fn case(out: &mut impl Write, judged: &Judged<'_>) -> io::Result<()> {
    let (word, style) = match judged.verdict.passed(judged.bench) {
        true => ("PASS", PASS),
        false => ("FAIL", ERROR),
    };
    let elapsed = duration(judged.elapsed);
    let path = shown(&judged.case.path);
    writeln!(
        out,
        "{style}{word}{style:#} {DIM}{elapsed:>6}{DIM:#} {path}"
    )?;
    for trouble in &judged.verdict.troubles {
        writeln!(out, "  {ERROR}!{ERROR:#} {}", escape::terminal(trouble))?;
    }
    for (number, difference) in judged.verdict.differences(judged.bench) {
        let rule = judged.bench.rules.get(number);
        let name = rule.map_or("", |rule| rule.name.as_str());
        let (mark, style, what) = wording(&difference);
        writeln!(
            out,
            "  {style}{mark} {}{style:#} {what}",
            escape::terminal(name)
        )?;
        for line in difference.lines() {
            if let Some(event) = judged.verdict.event_at(*line) {
                let event = escape::terminal(&event);
                writeln!(out, "      {DIM}line {line}:{DIM:#} {event}")?;
            }
        }
        if difference == Difference::Missing {
            for line in judged.verdict.reasons(judged.bench, number) {
                writeln!(out, "      {line}")?;
            }
        }
    }
    Ok(())
}

pub(super) fn broken(out: &mut impl Write, folder: &Folder, problem: &str) -> io::Result<()> {
    let path = shown(&folder.path);
    writeln!(
        out,
        "{ERROR}FAIL{ERROR:#} {path}: the rules do not load\n{problem}"
    )
}

pub(super) fn warning(out: &mut impl Write, message: &str) -> io::Result<()> {
    writeln!(
        out,
        "{WARNING}warning{WARNING:#}: {}",
        escape::terminal(message)
    )
}

pub(super) fn summary(
    out: &mut impl Write,
    counts: &Counts,
    wanting: bool,
    elapsed: Duration,
) -> io::Result<()> {
    let (word, style) = match wanting {
        true => ("failed", ERROR),
        false => ("passed", PASS),
    };
    let mut parts = vec![
        format!(
            "{BOLD}{}{BOLD:#}",
            plural(counts.passed + counts.failed, "case")
        ),
        format!("{} passed", counts.passed),
    ];
    for (count, what) in [(counts.failed, "failed"), (counts.broken, "not loaded")] {
        if count > 0 {
            parts.push(format!("{ERROR}{count} {what}{ERROR:#}"));
        }
    }
    if counts.warnings > 0 {
        parts.push(plural(counts.warnings, "warning"));
    }
    let of = format!(
        "{} in {}",
        plural(counts.rules, "rule"),
        plural(counts.folders, "folder")
    );
    let elapsed = duration(elapsed);
    writeln!(
        out,
        "{style}{word}{style:#}: {}; {of}, {elapsed}",
        parts.join(", ")
    )
}

fn wording(difference: &Difference) -> (char, Style, &'static str) {
    match difference {
        Difference::Missing => ('-', ERROR, "should have fired, and did not"),
        Difference::Repeated(_) => (
            '+',
            WARNING,
            "should have fired once, and fired on each of these",
        ),
        Difference::Unexpected(_) => ('+', ERROR, "should not have fired, and did"),
    }
}

fn shown(path: &Path) -> String {
    escape::terminal(&path.to_string_lossy()).into_owned()
}
