//! `kubevigil rules show`.

use std::io::{self, Write};
use std::process::ExitCode;

use anyhow::{anyhow, bail};
use kubevigil_diagnostics::closest;
use kubevigil_diagnostics::escape;

use crate::args::{Format, RuleArgs};
use crate::rule_set::{ListedRule, RuleSet};
use crate::rules_command::list::{language, state};
use crate::rules_command::summary::{CorrelationSummary, RuleSummary};
use crate::rules_command::{load, write_json};
use crate::scan::wording::wrap;
use crate::terminal::{self, BOLD, DIM};

/// Columns for headings; longer ones, which only authors make, push their first line to the right.
const INDENT: usize = 17;

pub(super) fn execute(
    name: &str,
    arguments: &RuleArgs,
    format: Format,
) -> anyhow::Result<ExitCode> {
    let rule_set = load(arguments)?;
    let listed = find(&rule_set, name)?;
    let mut out = anstream::stdout().lock();
    match format {
        Format::Json => write_json(&mut out, &RuleSummary::new(listed))?,
        Format::Text => write_text(&mut out, listed)?,
    }
    Ok(ExitCode::SUCCESS)
}

/// The rule of this name, short name or identifier, in any letter case. Titles of Sigma's rules need not differ: one that
/// several rules have is an error that says how to tell them apart.
pub(super) fn find<'r>(rule_set: &'r RuleSet, name: &str) -> anyhow::Result<&'r ListedRule> {
    let named = |text: Option<&str>| text.is_some_and(|text| text.eq_ignore_ascii_case(name));
    let rules = rule_set.rules.iter();
    let mut found: Vec<&ListedRule> = rules
        .clone()
        .filter(|listed| named(Some(&listed.rule.name)))
        .collect();
    if found.is_empty() {
        found.extend(rules.clone().filter(|listed| {
            named(listed.rule.short_name.as_deref()) || named(listed.rule.id.as_deref())
        }));
    }
    let refused = rule_set
        .refused
        .iter()
        .find(|refused| named(Some(&refused.name)));
    match (found.as_slice(), refused) {
        ([listed], _) => Ok(listed),
        ([_, _, ..], _) => Err(ambiguous(name, &found)),
        ([], Some(refused)) => {
            bail!("\"{}\" was refused: {}", refused.name, refused.reason)
        }
        ([], None) => Err(unknown(name, rules)),
    }
}

fn ambiguous(name: &str, found: &[&ListedRule]) -> anyhow::Error {
    let places: Vec<String> = found
        .iter()
        .map(|listed| {
            let rule = &listed.rule;
            let id = rule.id.as_deref().or(rule.short_name.as_deref());
            let place = format!("{}:{}", rule.origin.file, rule.origin.line);
            id.map_or_else(|| place.clone(), |id| format!("{place} ({id})"))
        })
        .collect();
    anyhow!(
        "{} rules are called \"{name}\": {}; name one of them by its `id` or `name`",
        found.len(),
        places.join(", ")
    )
}

fn unknown<'r>(name: &str, rules: impl Iterator<Item = &'r ListedRule>) -> anyhow::Error {
    match closest(name, rules.map(|listed| listed.rule.name.as_ref())) {
        Some(near) => {
            anyhow!("there is no rule called \"{name}\"; did you mean \"{near}\"?")
        }
        None => {
            anyhow!("there is no rule called \"{name}\"; `kubevigil rules list` shows all of them")
        }
    }
}

fn write_text(out: &mut impl Write, listed: &ListedRule) -> io::Result<()> {
    let summary = RuleSummary::new(listed);
    let name = escape::terminal(summary.rule);
    writeln!(out, "{BOLD}{name}{BOLD:#}  {}", summary.priority)?;
    for line in wrap(&escape::terminal(&summary.description), terminal::width()) {
        writeln!(out, "{line}")?;
    }
    writeln!(out)?;
    if let Some(correlation) = &summary.correlation {
        write_correlation(out, correlation)?;
    }
    let origin = format!("{}:{}", summary.file, summary.line);
    let techniques = techniques(&listed.rule).join(", ");
    let parts = [
        ("condition", summary.condition),
        ("output", summary.output),
        ("techniques", &techniques),
        ("tags", &summary.tags.join(", ")),
        ("level", summary.level),
        ("kind", summary.kind),
        ("language", language(summary.language)),
        ("state", &state(listed)),
        ("id", summary.id.unwrap_or_default()),
        ("name", summary.name.unwrap_or_default()),
        ("written in", &origin),
    ];
    for (heading, text) in parts {
        write_part(out, heading, &[text])?;
    }
    write_notes(out, listed)
}

fn write_correlation(out: &mut impl Write, correlation: &CorrelationSummary<'_>) -> io::Result<()> {
    let group_by: Vec<&str> = correlation.group_by.iter().map(AsRef::as_ref).collect();
    let alerts = match correlation.generate {
        true => "raise alerts of their own, too",
        false => "raise no alerts because of this rule",
    };
    write_part(out, "type", &[correlation.r#type])?;
    write_part(out, "rules", &correlation.rules)?;
    write_part(out, "", &[&format!("({alerts})")])?;
    write_part(out, "group by", &[&group_by.join(", ")])?;
    write_part(out, "timespan", &[&time_span(correlation.timespan)])?;
    let learning = correlation.learning.map(time_span).unwrap_or_default();
    write_part(out, "learning", &[&learning])
}

/// What the author wrote for people, each key with its texts: false positives first.
fn write_notes(out: &mut impl Write, listed: &ListedRule) -> io::Result<()> {
    for (key, texts) in listed.rule.notes.iter() {
        let heading = match key.as_str() {
            "falsepositives" => "false positives",
            key => key,
        };
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        write_part(out, heading, &texts)?;
    }
    Ok(())
}

/// A heading and its texts, one below another and marked as items when there are several; nothing where there is no text. Line breaks of
/// the author's are kept.
fn write_part(out: &mut impl Write, heading: &str, texts: &[&str]) -> io::Result<()> {
    let heading = escape::terminal(heading);
    let mut heading = heading.as_ref();
    for text in texts {
        let mut mark = if texts.len() > 1 { "- " } else { "" };
        let room = terminal::width().saturating_sub(INDENT + mark.len());
        let lines = text.lines().map(escape::terminal);
        let indent = " ".repeat(mark.len());
        for line in lines.flat_map(|line| wrap(&line, room)) {
            writeln!(out, "{DIM}{heading:<INDENT$}{DIM:#}{mark}{line}")?;
            (heading, mark) = ("", &indent);
        }
    }
    Ok(())
}

/// The techniques that a rule's tags name: `T1609` of ATT&CK, `MS-TA9006` of Microsoft's matrix.
fn techniques(rule: &kubevigil_rules::Rule) -> Vec<String> {
    let is_number = |text: &str| text.starts_with(|letter: char| letter.is_ascii_digit());
    let technique = |tag: &str| {
        let attack = tag.strip_prefix("attack.t").filter(|rest| is_number(rest));
        let microsoft = tag.strip_prefix("ms.ta").filter(|rest| is_number(rest));
        let attack = attack.map(|number| format!("T{number}"));
        attack.or_else(|| microsoft.map(|number| format!("MS-TA{number}")))
    };
    rule.tags.iter().filter_map(|tag| technique(tag)).collect()
}

/// `90 s`, `5 min`, `24 h`, `30 d`: in the largest unit that leaves a whole number.
fn time_span(seconds: u64) -> String {
    let units = [(86_400, "d"), (3_600, "h"), (60, "min")];
    let fitting = units
        .into_iter()
        .find(|(unit, _)| seconds > 0 && seconds.is_multiple_of(*unit));
    match fitting {
        Some((unit, word)) => format!("{} {word}", seconds / unit),
        None => format!("{seconds} s"),
    }
}
