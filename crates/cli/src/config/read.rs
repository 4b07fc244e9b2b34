//! Reads the configuration file and reports everything that is wrong with it, with places.
//!
//! The file becomes a tree with places, the tree a JSON value, the value a [`Config`]. When serde stops at a mistake it knows the path to
//! it; the mistake is recorded, the value at the path is taken out, and serde tries again, so that one run shows all of them.

use std::fs;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use anyhow::bail;
use kubevigil_alerts::config::OutputConfig;
use kubevigil_diagnostics::{Diagnostic, FileReport, Source, render_text};
use kubevigil_yaml::Node;
use serde_path_to_error::{Path as ErrorPath, Segment};

use crate::config::Config;
use crate::config::tree::{Remains, spot};
use crate::config::wording;
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
    source: Arc<Source>,
    root: Option<Node>,
}

impl ConfigReport {
    /// Adds a mistake that only its use shows, at a path such as `["rules", "files"]`.
    pub(crate) fn add(&mut self, path: &[&str], message: &str) {
        self.note(path, |in_path| Diagnostic::error(CODE, in_path), message);
    }

    /// Adds a warning at a path: the configuration can be used all the same.
    pub(crate) fn warn(&mut self, path: &[&str], message: &str) {
        self.note(path, |in_path| Diagnostic::warning(CODE, in_path), message);
    }

    fn note(&mut self, path: &[&str], diagnostic: fn(String) -> Diagnostic, message: &str) {
        let path: Vec<String> = path.iter().map(|step| (*step).to_owned()).collect();
        let place = self
            .root
            .as_ref()
            .map_or(0..0, |root| spot(root, &path).key);
        let message = in_path(message, &path);
        self.report
            .diagnostics
            .push(diagnostic(message).at(&self.source, place));
    }
}

/// Reads a configuration file; any mistake in it is an error that shows all of them.
pub(crate) fn read_or_fail(file: &Path) -> anyhow::Result<Config> {
    let ConfigReport { config, report, .. } = read(file)?;
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
    let name = file.display();
    match fs::read_to_string(file) {
        Ok(text) => Ok(parse(&name.to_string(), &text)),
        Err(error) => {
            let reason = terminal::reason(&error);
            bail!(
                "the configuration {name} cannot be read: {reason}; without -c, kubevigil runs with its defaults"
            )
        }
    }
}

/// The JSON schema of the configuration file.
pub(crate) fn schema() -> schemars::Schema {
    schemars::schema_for!(Config)
}

/// Reads the text of a configuration file.
pub(crate) fn parse(name: &str, text: &str) -> ConfigReport {
    let source = Source::file(name, text);
    let mut reading = Reading {
        source: Arc::clone(&source),
        diagnostics: Vec::new(),
    };
    let root = reading.root();
    let config = reading.config(root.as_ref());
    let mut diagnostics = reading.diagnostics;
    diagnostics.sort_by_key(Diagnostic::position);
    let report = FileReport {
        file: name.to_owned(),
        diagnostics,
    };
    let config = config.filter(|_| report.successful());
    ConfigReport {
        config,
        report,
        source,
        root,
    }
}

struct Reading {
    source: Arc<Source>,
    diagnostics: Vec<Diagnostic>,
}

impl Reading {
    /// The file's only document; `None` when it is empty or cannot be read.
    fn root(&mut self) -> Option<Node> {
        let documents = match kubevigil_yaml::parse(&self.source.text) {
            Ok(documents) => documents,
            Err(error) => {
                self.mistake(error.message.clone(), error.offset..error.offset, None);
                return None;
            }
        };
        if let Some(second) = documents.get(1) {
            let message = "a configuration is one YAML document".to_owned();
            self.mistake(message, second.root.span.clone(), None);
        }
        documents
            .into_iter()
            .next()
            .map(|document| document.root)
            .filter(|root| !root.is_null())
    }

    fn config(&mut self, root: Option<&Node>) -> Option<Config> {
        let Some(root) = root else {
            return Some(Config::default());
        };
        let config = self.deserialize(root)?;
        self.check(&config, root);
        Some(config)
    }

    fn deserialize(&mut self, root: &Node) -> Option<Config> {
        let mut remains = Remains::new(root);
        let mut taken: Vec<Vec<String>> = Vec::new();
        while taken.len() < MOST_MISTAKES {
            let error = match serde_path_to_error::deserialize::<_, Config>(&remains.value) {
                Ok(config) => return Some(config),
                Err(error) => error,
            };
            let mut path = segments(error.path());
            let in_file = remains.in_file(&path);
            let message = error.inner().to_string();
            // A complaint about what holds a part that was taken out comes of taking it out.
            let follows = taken
                .iter()
                .any(|known| known.len() > in_file.len() && known.starts_with(&in_file));
            if !follows {
                self.serde_mistake(&message, &in_file, root);
            }
            taken.push(in_file);
            while !remains.take_out(&path) {
                path.pop()?;
            }
        }
        None
    }

    fn serde_mistake(&mut self, message: &str, path: &[String], root: &Node) {
        let wording = wording::of(message);
        let spot = spot(root, path);
        let span = if wording.about_key {
            spot.key
        } else {
            spot.value
        };
        self.mistake(
            in_path(&wording.message, path),
            self.first_line(span),
            wording.help,
        );
    }

    /// A span that ends with its line: a caret under ten lines shows nothing.
    fn first_line(&self, span: Range<usize>) -> Range<usize> {
        let text = self.source.text.get(span.clone()).unwrap_or_default();
        let length = text.lines().next().map_or(0, str::len);
        span.start..span.start + length
    }

    /// What only the parts themselves can judge.
    fn check(&mut self, config: &Config, root: &Node) {
        if let Some(webhook) = &config.sources.webhook
            && let Err(error) = webhook.check()
        {
            let span = spot(root, &["sources".to_owned(), "webhook".to_owned()]).key;
            self.mistake(format!("sources.{error}"), span, None);
        }
        if let Some(record) = &config.sources.record
            && let Err(error) = record.gateway.check()
        {
            let span = spot(root, &["sources".to_owned(), "record".to_owned()]).key;
            self.mistake(format!("sources.record.{error}"), span, None);
        }
        if let Err(error) = OutputConfig::check_names(&config.outputs) {
            let span = spot(root, &["outputs".to_owned()]).key;
            self.mistake(format!("outputs: {error}"), span, None);
        }
        let journal = ("journal", config.journal.contradiction());
        for (section, contradiction) in [journal, ("state", config.state.contradiction())] {
            if let Some((key, message)) = contradiction {
                let path = [section.to_owned(), key.to_owned()];
                self.mistake(in_path(message, &path), spot(root, &path).key, None);
            }
        }
        for (position, select) in config.rules.select.iter().enumerate() {
            if select.enable.is_none() && select.disable.is_none() {
                let path = ["rules".into(), "select".into(), position.to_string()];
                let message = "expected `enable` or `disable`, each with `rule` or `tag`";
                self.mistake(in_path(message, &path), spot(root, &path).key, None);
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

/// `sources.files[0].paths: message`
fn in_path(message: &str, path: &[String]) -> String {
    let mut place = String::new();
    for step in path {
        match step.parse::<usize>() {
            Ok(position) => place.push_str(&format!("[{position}]")),
            Err(_) if place.is_empty() => place.push_str(step),
            Err(_) => place.push_str(&format!(".{step}")),
        }
    }
    if place.is_empty() {
        message.to_owned()
    } else {
        format!("{place}: {message}")
    }
}
