//! `kubevigil rules fields`: the field catalogue.

use std::io::{self, Write};
use std::process::ExitCode;

use anyhow::bail;
use kubevigil_diagnostics::closest;
use kubevigil_rules::falco::fields::{self, ArgumentKind, Entry, Level, catalogue};
use kubevigil_rules::{Expr, Rule};
use serde::Serialize;

use crate::args::Format;
use crate::rules_command::write_json;
use crate::scan::wording::wrap;
use crate::terminal::{self, BOLD, DIM};

/// A field as programs read it.
#[derive(Serialize)]
struct FieldSummary {
    name: &'static str,
    r#type: &'static str,
    argument: &'static str,
    paths: Vec<String>,
    level: &'static str,
    description: &'static str,
    note: Option<&'static str>,
}

pub(super) fn execute(filter: Option<&str>, format: Format) -> anyhow::Result<ExitCode> {
    let wanted = |entry: &&Entry| filter.is_none_or(|text| entry.name.contains(text));
    let entries: Vec<&'static Entry> = catalogue().iter().filter(wanted).collect();
    if let (Some(text), true) = (filter, entries.is_empty()) {
        match closest(text, catalogue().iter().map(|entry| entry.name)) {
            Some(near) => bail!("there is no field like \"{text}\"; did you mean \"{near}\"?"),
            None => bail!("there is no field like \"{text}\"; `kubevigil rules fields` lists all"),
        }
    }
    let mut out = anstream::stdout().lock();
    for entry in entries {
        let summary = FieldSummary::new(entry);
        match format {
            Format::Json => write_json(&mut out, &summary)?,
            Format::Text => summary.write_text(&mut out)?,
        }
    }
    Ok(ExitCode::SUCCESS)
}

impl FieldSummary {
    fn new(entry: &'static Entry) -> Self {
        Self {
            name: entry.name,
            r#type: type_name(entry.kind),
            argument: match entry.argument {
                ArgumentKind::Index => "index",
                ArgumentKind::Key => "key",
                ArgumentKind::Pointer => "JSON pointer",
                ArgumentKind::None => "none",
            },
            paths: entry.paths.iter().map(|keys| keys.join(".")).collect(),
            level: level_name(entry.level()),
            description: entry.doc,
            note: entry.note,
        }
    }
}

impl FieldSummary {
    fn write_text(&self, out: &mut impl Write) -> io::Result<()> {
        let argument = match self.argument {
            "none" => String::new(),
            argument => format!("[{argument}]"),
        };
        let needs = format!("{}, level {}", self.r#type, self.level);
        writeln!(
            out,
            "{BOLD}{}{BOLD:#}{argument}  {DIM}{needs}{DIM:#}",
            self.name
        )?;
        let note = self.note.map(|note| format!("Note: {note}"));
        let room = terminal::width().saturating_sub(4);
        for text in std::iter::once(self.description).chain(note.as_deref()) {
            wrap(text, room)
                .iter()
                .try_for_each(|line| writeln!(out, "    {line}"))?;
        }
        Ok(())
    }
}

fn type_name(kind: kubevigil_rules::Kind) -> &'static str {
    match kind {
        kubevigil_rules::Kind::Bool => "bool",
        kubevigil_rules::Kind::Integer => "number",
        kubevigil_rules::Kind::Text => "text",
        kubevigil_rules::Kind::TextList => "text list",
        kubevigil_rules::Kind::Time => "time",
    }
}

/// The lowest audit level at which every field of the rule's condition can be present.
pub(super) fn level_of(rule: &Rule) -> &'static str {
    let mut level = Level::Metadata;
    rule.for_each_condition(&mut |condition| {
        condition.for_each_expr(&mut |expr| {
            if let Expr::Field(field) = expr {
                level = level.max(fields::level(field));
            }
        });
        condition.for_each_lookup(&mut |lookup| {
            level = level.max(fields::lookup_level(lookup));
        });
    });
    level_name(level)
}

fn level_name(level: Level) -> &'static str {
    match level {
        Level::Metadata => "Metadata",
        Level::Request => "Request",
        Level::RequestResponse => "RequestResponse",
    }
}
