//! `kubevigil rules fields`: the field catalogue.

use std::io::{self, Write};
use std::process::ExitCode;

use anyhow::bail;
use kubevigil_diagnostics::closest;
use kubevigil_rules::Rule;
use kubevigil_rules::derived::{self, Root};
use kubevigil_rules::falco::fields::{self, ArgumentKind, Entry, Level, catalogue};
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
    also: Vec<String>,
    level: &'static str,
    description: &'static str,
    note: Option<&'static str>,
}

pub(super) fn execute(filter: Option<&str>, format: Format) -> anyhow::Result<ExitCode> {
    let entries = catalogue().iter().map(FieldSummary::new);
    let all = entries.chain(derived::ROOTS.into_iter().map(FieldSummary::of_root));
    let wanted = |field: &FieldSummary| filter.is_none_or(|text| field.name.contains(text));
    let fields: Vec<FieldSummary> = all.filter(wanted).collect();
    if let (Some(text), true) = (filter, fields.is_empty()) {
        match closest(text, catalogue().iter().map(|entry| entry.name)) {
            Some(near) => bail!("there is no field like \"{text}\"; did you mean \"{near}\"?"),
            None => bail!("there is no field like \"{text}\"; `kubevigil rules fields` lists all"),
        }
    }
    let mut out = anstream::stdout().lock();
    for field in fields {
        match format {
            Format::Json => write_json(&mut out, &field)?,
            Format::Text => field.write_text(&mut out)?,
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
            paths: dotted(entry.paths),
            also: dotted(entry.also),
            level: level_name(entry.level()),
            description: entry.doc,
            note: entry.note,
        }
    }

    fn of_root(root: Root) -> Self {
        let (also, paths) = root.paths().partition(|path| path.starts_with("response"));
        Self {
            name: root.name,
            r#type: "any",
            argument: "path",
            paths,
            also,
            level: level_name(Level::Request),
            description: root.doc,
            note: None,
        }
    }

    /// What the level is enough for, where a higher one gives more.
    fn more(&self) -> &'static str {
        let adds = |body: &str| self.also.iter().any(|path| path.starts_with(body));
        match (adds("responseObject"), adds("requestObject")) {
            (true, _) => ", more with RequestResponse",
            (false, true) => ", more with Request",
            (false, false) => "",
        }
    }

    fn write_text(&self, out: &mut impl Write) -> io::Result<()> {
        let argument = match self.argument {
            "none" => String::new(),
            "path" => "PATH".to_owned(),
            argument => format!("[{argument}]"),
        };
        let needs = format!("{}, level {}{}", self.r#type, self.level, self.more());
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

fn dotted(paths: &[fields::Path]) -> Vec<String> {
    paths.iter().map(|keys| keys.join(".")).collect()
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
        condition.for_each_field(&mut |field| level = level.max(fields::level(field)));
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
