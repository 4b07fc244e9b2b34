//! `kubevigil setup check`: what is wrong with how an API server is told to audit.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context as _, bail};
use kubevigil_audit::policy::PolicyFile;
use kubevigil_diagnostics::{Diagnostic, Severity, render_text};
use kubevigil_plan::wrapped;
use kubevigil_setup::check::{Figure, Finding, Subject, check};
use kubevigil_setup::kubeconfig::{self, Kubeconfig};
use kubevigil_setup::server::Server;
use serde::Serialize;

use crate::args::Format;
use crate::args::setup::SetupCheckArgs;
use crate::server_findings::{Entry, verdict};

/// What `--flags` is called in reports.
const FLAGS: &str = "--flags";

/// What is read, and what is wrong with the reading.
#[derive(Default)]
struct Input {
    /// The names of the files that were given, in the order of reports.
    names: Vec<String>,
    server: Option<Server>,
    kubeconfig: Option<Kubeconfig>,
    policy: Option<PolicyFile>,
    /// What stops the API server while it reads them.
    findings: Vec<Finding>,
}

/// What is said about a file.
#[derive(Serialize)]
struct Report<'r> {
    file: &'r str,
    valid: bool,
    diagnostics: Vec<Entry<'r>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    figures: Vec<Figure>,
}

pub(super) fn execute(arguments: &SetupCheckArgs) -> anyhow::Result<ExitCode> {
    let mut input = Input::read(arguments)?;
    let subject = Subject {
        server: input.server.as_ref(),
        kubeconfig: input.kubeconfig.as_ref(),
        policy: input.policy.as_ref(),
        version: arguments.kubernetes_version,
    };
    let found = check(&subject);
    input.findings.extend(found);
    let figures = input.server.as_ref();
    let figures = figures.map_or_else(Vec::new, |server| {
        kubevigil_setup::check::figures(server, arguments.kubernetes_version)
    });
    let mut out = anstream::stdout().lock();
    match arguments.format {
        Format::Json => write_json(&input, figures, &mut out)?,
        Format::Text => write_text(&input, &figures, &mut out)?,
    }
    let is_wanting = |finding: &Finding| finding.diagnostic.severity == Severity::Error;
    Ok(ExitCode::from(u8::from(
        input.findings.iter().any(is_wanting),
    )))
}

impl Input {
    fn read(arguments: &SetupCheckArgs) -> anyhow::Result<Self> {
        let mut input = Self::default();
        if let Some(file) = &arguments.manifest {
            let (name, text) = input.file(file)?;
            match Server::from_manifest(&name, &text) {
                Ok(server) => input.server = Some(server),
                Err(diagnostic) => input.fatal(*diagnostic),
            }
        }
        if let Some(flags) = &arguments.flags {
            input.names.push(FLAGS.to_owned());
            input.server = Some(Server::from_flags(FLAGS, flags));
        }
        if let Some(file) = &arguments.flags_file {
            let (name, text) = input.file(file)?;
            input.server = Some(Server::from_flags(&name, &text));
        }
        if let Some(file) = &arguments.webhook_config {
            let (name, text) = input.file(file)?;
            match kubeconfig::read(&name, &text) {
                Ok(kubeconfig) => input.kubeconfig = Some(kubeconfig),
                Err(diagnostic) => input.fatal(*diagnostic),
            }
        }
        if let Some(file) = &arguments.policy {
            input.read_policy(file)?;
        }
        Ok(input)
    }

    fn read_policy(&mut self, file: &Path) -> anyhow::Result<()> {
        let (name, text) = self.file(file)?;
        let mut policies = wrapped::policies(&name, &text);
        if policies.len() > 1 {
            bail!(
                "{name} holds {} policies: put the one that is meant into a file of its own",
                policies.len()
            );
        }
        let policy = policies.pop().map(|wrapped| wrapped.file);
        if let Some(policy) = policy.as_ref().filter(|policy| !policy.is_valid()) {
            let errors = policy
                .diagnostics
                .iter()
                .filter(|diagnostic| diagnostic.severity == Severity::Error);
            errors
                .cloned()
                .for_each(|diagnostic| self.fatal(diagnostic));
        }
        self.policy = policy;
        Ok(())
    }

    fn file(&mut self, file: &Path) -> anyhow::Result<(String, String)> {
        let name = file.display().to_string();
        let text = fs::read_to_string(file).with_context(|| format!("cannot read {name}"))?;
        self.names.push(name.clone());
        Ok((name, text))
    }

    fn fatal(&mut self, diagnostic: Diagnostic) {
        self.findings.push(Finding {
            diagnostic,
            is_fatal: true,
        });
    }

    /// The findings of a file; those without a place belong to the first.
    fn of(&self, file: &str) -> impl Iterator<Item = &Finding> {
        let first = self.names.first().map_or("", String::as_str);
        self.findings.iter().filter(move |finding| {
            let place = finding.diagnostic.place.as_ref();
            place.map_or(first, |place| place.source.name.as_str()) == file
        })
    }
}

fn write_json(input: &Input, figures: Vec<Figure>, out: &mut impl Write) -> anyhow::Result<()> {
    let mut figures = Some(figures);
    for file in &input.names {
        let report = Report {
            file,
            valid: !input.of(file).any(|finding| finding.is_fatal),
            diagnostics: input
                .of(file)
                .map(|finding| Entry::from(&finding.diagnostic))
                .collect(),
            figures: figures.take().unwrap_or_default(),
        };
        serde_json::to_writer(&mut *out, &report)?;
        writeln!(out)?;
    }
    Ok(())
}

fn write_text(input: &Input, figures: &[Figure], out: &mut impl Write) -> anyhow::Result<()> {
    for file in &input.names {
        let diagnostics: Vec<Diagnostic> = input
            .of(file)
            .map(|finding| finding.diagnostic.clone())
            .collect();
        if !diagnostics.is_empty() {
            writeln!(out, "{}\n", render_text(&diagnostics, true).trim_end())?;
        }
        let is_fatal = input.of(file).any(|finding| finding.is_fatal);
        writeln!(out, "{file}: {}", verdict(&diagnostics, is_fatal))?;
    }
    if !figures.is_empty() {
        writeln!(out)?;
    }
    Ok(figures
        .iter()
        .try_for_each(|figure| writeln!(out, "{}", figure.text))?)
}
