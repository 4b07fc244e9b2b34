//! Explanations for people.

use std::io::{self, Write};

use anstyle::{AnsiColor, Style};
use kubevigil_detect::explain::Explanation;
use kubevigil_diagnostics::escape;
use kubevigil_rules::{Condition, Rule};

use crate::rules_command::explain::asking::Asked;
use crate::rules_command::explain::counts::Counts;
use crate::rules_command::explain::events::Event;
use crate::rules_command::explain::reasons::{blame_lines, found_in_words, reasons};
use crate::scan::wording::plural;
use crate::terminal::{BOLD, DIM};

const TRUE: Style = AnsiColor::Green.on_default();
const FALSE: Style = AnsiColor::Red.on_default();
/// With more events than these, only what decides is shown of each.
const FEW: usize = 3;

/// A rule about single events: each event and the parts of the condition.
pub(super) fn write_event_rule(
    out: &mut impl Write,
    asked: &Asked<'_>,
    condition: &Condition,
    explain: &dyn Fn(usize) -> anyhow::Result<Explanation>,
    full: bool,
) -> anyhow::Result<()> {
    write_head(out, asked.rule)?;
    for (at, event) in asked.events.iter().enumerate() {
        let explanation = explain(at)?;
        write_event(out, event, explanation.holds)?;
        if full || asked.events.len() <= FEW {
            write_tree(out, &explanation, 1)?;
        } else {
            for line in blame_lines(condition, &explanation) {
                writeln!(out, "  {line}")?;
            }
        }
    }
    let (fired, all) = (asked.occurrences.len() as u64, asked.events.len() as u64);
    writeln!(
        out,
        "\n{BOLD}holds for {fired} of {}{BOLD:#}",
        plural(all, "event")
    )?;
    Ok(())
}

/// A correlation: what its members matched, what came together, where it fires.
pub(super) fn write_correlation(
    out: &mut impl Write,
    asked: &Asked<'_>,
    counts: &Counts<'_>,
) -> anyhow::Result<()> {
    write_head(out, asked.rule)?;
    writeln!(out, "{}\n", escape::terminal(&asked.rule.condition_text))?;
    for member in &counts.members {
        let (word, style) = truth(!member.hits.is_empty());
        writeln!(
            out,
            "{style}{word:<5}{style:#} {}",
            member.in_words(asked.events)
        )?;
        if member.hits.is_empty() {
            for line in reasons(member.rule, asked.events) {
                writeln!(out, "        {line}")?;
            }
        }
    }
    let groups = counts.groups_in_words(asked.events);
    if !groups.is_empty() {
        writeln!(out)?;
    }
    for line in groups {
        writeln!(out, "group {line}")?;
    }
    write_occurrences(out, asked)
}

fn write_head(out: &mut impl Write, rule: &Rule) -> io::Result<()> {
    let origin = format!("{}:{}", rule.origin.file, rule.origin.line);
    let (name, origin) = (escape::terminal(&rule.name), escape::terminal(&origin));
    writeln!(out, "{BOLD}{name}{BOLD:#}  {DIM}{origin}{DIM:#}")
}

fn write_event(out: &mut impl Write, event: &Event, holds: bool) -> io::Result<()> {
    let (word, style) = truth(holds);
    let words = event.in_words();
    writeln!(
        out,
        "\n{style}{word:<5}{style:#} {BOLD}line {}{BOLD:#}: {}",
        event.line,
        escape::terminal(&words)
    )
}

/// A part and those below it. Recursion follows the rule's nesting, which its reader bounds.
fn write_tree(out: &mut impl Write, part: &Explanation, depth: usize) -> io::Result<()> {
    let (word, style) = truth(part.holds);
    let text = escape::terminal(&part.text);
    write!(out, "{:1$}{style}{word:<5}{style:#} {text}", "", depth * 2)?;
    for found in &part.found {
        let several = part.found.len() > 1;
        let name = if several {
            format!("{}: ", escape::terminal(&found.name))
        } else {
            String::new()
        };
        write!(out, "  {DIM}{name}{}{DIM:#}", found_in_words(found))?;
    }
    writeln!(out)?;
    for part in &part.parts {
        write_tree(out, part, depth + 1)?;
    }
    if part.more > 0 {
        writeln!(
            out,
            "{:1$}and {more} more",
            "",
            (depth + 1) * 2,
            more = plural(part.more as u64, "element")
        )?;
    }
    Ok(())
}

fn write_occurrences(out: &mut impl Write, asked: &Asked<'_>) -> anyhow::Result<()> {
    if asked.occurrences.is_empty() {
        writeln!(out, "\n{BOLD}does not fire{BOLD:#}")?;
    }
    for occurrence in &asked.occurrences {
        let line = asked
            .events
            .get(occurrence.at)
            .map_or(0, |event| event.line);
        match occurrence.repeated {
            true => writeln!(
                out,
                "{DIM}again on line {line}, which repeats what is known{DIM:#}"
            )?,
            false => writeln!(
                out,
                "\n{BOLD}fires on line {line}{BOLD:#}: {}",
                escape::terminal_bytes(&occurrence.message)
            )?,
        }
    }
    Ok(())
}

fn truth(holds: bool) -> (&'static str, Style) {
    match holds {
        true => ("true", TRUE),
        false => ("false", FALSE),
    }
}
