//! Reads the configuration file and reports everything that is wrong with it, with places.
//!
//! The file becomes a tree with places, the tree a JSON value, the value a [`Config`]. When serde stops at a mistake it knows the path to
//! it; the mistake is recorded, the value at the path is taken out, and serde tries again, so that one run shows all of them.

use std::fs;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context as _, bail};
use kubevigil_diagnostics::{Diagnostic, FileReport, Source, closest, render_text};
use kubevigil_yaml::Node;
use serde_path_to_error::{Path as ErrorPath, Segment};

use crate::config::Config;
use crate::config::tree::{node_at, take_out, to_json};
use crate::terminal;

/// A stable name for mistakes in the configuration.
const CODE: &str = "CONFIG";
/// After so many mistakes the rest is not looked for.
const MOST_MISTAKES: usize = 50;

/// A configuration file and what is wrong with it.
#[derive(Debug)]
pub(crate) struct ConfigReport {
    /// The configuration, when the file has no errors.
    pub(crate) config: Option<Config>,
    /// The mistakes.
    pub(crate) report: FileReport,
}

/// Reads a configuration file; any mistake in it is an error that shows all of them.
pub(crate) fn read_or_fail(file: &Path) -> anyhow::Result<Config> {
    let ConfigReport { config, report } = read(file)?;
    if !report.diagnostics.is_empty() {
        terminal::say(render_text(&report.diagnostics, true).trim_end());
    }
    match config {
        Some(config) => Ok(config),
        None => bail!("the configuration {} cannot be used", file.display()),
    }
}

/// Reads a configuration file. An error is a file that cannot be read at all.
pub(crate) fn read(file: &Path) -> anyhow::Result<ConfigReport> {
    let text = fs::read_to_string(file).with_context(|| {
        format!(
            "cannot read the configuration {}; kubevigil runs without one, too",
            file.display()
        )
    })?;
    Ok(parse(&file.display().to_string(), &text))
}

/// The JSON schema of the configuration file.
pub(crate) fn schema() -> schemars::Schema {
    schemars::schema_for!(Config)
}

/// Reads the text of a configuration file.
pub(crate) fn parse(name: &str, text: &str) -> ConfigReport {
    let source = Source::file(name, text);
    let mut reading = Reading {
        source,
        diagnostics: Vec::new(),
    };
    let config = reading.config();
    let report = FileReport {
        file: name.to_owned(),
        diagnostics: reading.diagnostics,
    };
    let config = config.filter(|_| report.successful());
    ConfigReport { config, report }
}

struct Reading {
    source: Arc<Source>,
    diagnostics: Vec<Diagnostic>,
}

impl Reading {
    fn config(&mut self) -> Option<Config> {
        let documents = match kubevigil_yaml::parse(&self.source.text) {
            Ok(documents) => documents,
            Err(error) => {
                self.mistake(error.message.clone(), error.offset..error.offset, None);
                return None;
            }
        };
        let Some(root) = documents
            .first()
            .map(|document| &document.root)
            .filter(|root| !root.is_null())
        else {
            return Some(Config::default());
        };
        if let Some(second) = documents.get(1) {
            self.mistake(
                "a configuration is one YAML document".to_owned(),
                second.root.span.clone(),
                None,
            );
        }
        let config = self.deserialize(root)?;
        self.check(&config, root);
        Some(config)
    }

    fn deserialize(&mut self, root: &Node) -> Option<Config> {
        let mut value = to_json(root);
        let mut taken: Vec<Vec<String>> = Vec::new();
        while taken.len() < MOST_MISTAKES {
            let error = match serde_path_to_error::deserialize::<_, Config>(&value) {
                Ok(config) => return Some(config),
                Err(error) => error,
            };
            let mut path = segments(error.path());
            let message = error.inner().to_string();
            // What is missing now may be what was taken out before: then the mistake is known already.
            let follows = message.starts_with("missing field")
                && taken.iter().any(|known| known.starts_with(&path));
            if !follows {
                self.serde_mistake(&message, &path, root);
            }
            while !take_out(&mut value, &path) {
                path.pop()?;
            }
            taken.push(path);
        }
        None
    }

    fn serde_mistake(&mut self, message: &str, path: &[String], root: &Node) {
        let (span, found) = node_at(root, path);
        let help = unknown_field(message).map(|(word, expected)| {
            match closest(word, expected.iter().copied()) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("expected one of {}", expected.join(", ")),
            }
        });
        let message = match unknown_field(message) {
            Some((word, _)) => format!("unknown key `{word}`"),
            None => message.to_owned(),
        };
        let place = if found { span } else { span.start..span.start };
        self.mistake(in_path(&message, path), place, help);
    }

    /// What only the parts themselves can judge.
    fn check(&mut self, config: &Config, root: &Node) {
        if let Some(webhook) = &config.sources.webhook
            && let Err(error) = webhook.check()
        {
            let (span, _) = node_at(root, &["sources".to_owned(), "webhook".to_owned()]);
            self.mistake(format!("sources.{error}"), span, None);
        }
        if let Err(error) = kubevigil_alerts::config::OutputConfig::check_names(&config.outputs) {
            let (span, _) = node_at(root, &["outputs".to_owned()]);
            self.mistake(format!("outputs: {error}"), span, None);
        }
        for (position, select) in config.rules.select.iter().enumerate() {
            if select.enable.is_none() && select.disable.is_none() {
                let (span, _) = node_at(
                    root,
                    &["rules".into(), "select".into(), position.to_string()],
                );
                self.mistake(
                    "expected `enable` or `disable`, each with `rule` or `tag`".to_owned(),
                    span,
                    None,
                );
            }
        }
    }

    fn mistake(&mut self, message: String, span: Range<usize>, help: Option<String>) {
        let mut diagnostic = Diagnostic::error(CODE, message).at(&self.source, span);
        if let Some(help) = help {
            diagnostic = diagnostic.help(help);
        }
        self.diagnostics.push(diagnostic);
    }
}

fn segments(path: &ErrorPath) -> Vec<String> {
    let segment = |segment: &Segment| match segment {
        Segment::Seq { index } => Some(index.to_string()),
        Segment::Map { key } => Some(key.clone()),
        Segment::Enum { variant } => Some(variant.clone()),
        Segment::Unknown => None,
    };
    path.iter().filter_map(segment).collect()
}

/// The word and what was expected, of serde's message about an unknown field.
fn unknown_field(message: &str) -> Option<(&str, Vec<&str>)> {
    let mut quoted = message
        .strip_prefix("unknown field ")?
        .split('`')
        .skip(1)
        .step_by(2);
    Some((quoted.next()?, quoted.collect()))
}

fn in_path(message: &str, path: &[String]) -> String {
    if path.is_empty() {
        message.to_owned()
    } else {
        format!("{}: {message}", path.join("."))
    }
}
