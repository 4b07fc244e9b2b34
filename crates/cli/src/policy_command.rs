//! `kubevigil policy`: check, coverage, eval, explain, recommend, request-info, simulate.

mod check;
mod coverage;
mod eval;
mod explain;
mod lines;
mod logs;
mod recommend;
mod request_info;
mod sarif;
mod simulate;

use std::fs;
use std::io::{self, Read as _, Write};
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context as _, bail};
use kubevigil_audit::policy::Policy;
use kubevigil_diagnostics::render_text;
use kubevigil_plan::wrapped::{self, Wrapped};
use serde::Serialize;

use crate::args::policy::{PolicyArgs, PolicyCommand};
use crate::terminal;

pub(crate) fn execute(arguments: &PolicyArgs) -> anyhow::Result<ExitCode> {
    match &arguments.command {
        PolicyCommand::Check(arguments) => check::execute(arguments),
        PolicyCommand::Coverage(arguments) => coverage::execute(arguments),
        PolicyCommand::Eval(arguments) => eval::execute(arguments),
        PolicyCommand::Explain(arguments) => explain::execute(arguments),
        PolicyCommand::Recommend(arguments) => recommend::execute(arguments),
        PolicyCommand::Simulate(arguments) => simulate::execute(arguments),
        PolicyCommand::RequestInfo(arguments) => request_info::execute(arguments),
    }
}

/// The policies of a file.
fn read(file: &Path) -> anyhow::Result<Vec<Wrapped>> {
    let name = file.display().to_string();
    let bytes = if name == "-" {
        let mut bytes = Vec::new();
        io::stdin().read_to_end(&mut bytes).map(|_| bytes)
    } else {
        fs::read(file)
    };
    let bytes = bytes.with_context(|| format!("cannot read the policy {name}"))?;
    let Ok(text) = String::from_utf8(bytes) else {
        bail!("the policy {name} is not UTF-8 text");
    };
    Ok(wrapped::policies(&name, &text))
}

/// The only policy of a file, which must be one that an API server accepts.
fn read_valid(file: &Path) -> anyhow::Result<Wrapped> {
    let mut policies = read(file)?;
    if policies.len() > 1 {
        bail!(
            "{} holds {} policies, and it is not clear which one is meant: put it into a file of its own",
            file.display(),
            policies.len()
        );
    }
    let Some(wrapped) = policies
        .pop()
        .filter(|wrapped| wrapped.file.policy.is_some())
    else {
        bail!(
            "{} holds no policy; `kubevigil policy check` says why",
            file.display()
        );
    };
    if !wrapped.file.is_valid() {
        terminal::say(render_text(&wrapped.file.diagnostics, true).trim_end());
        bail!("an API server does not start with {}", file.display());
    }
    Ok(wrapped)
}

/// The policy of a file, which must be one that an API server accepts.
fn policy(file: &Path) -> anyhow::Result<Policy> {
    let policy = read_valid(file)?.file.policy;
    policy.context("the file holds no policy")
}

/// Writes one JSON value on a line.
fn write_json(out: &mut impl Write, value: &impl Serialize) -> io::Result<()> {
    serde_json::to_writer(&mut *out, value)?;
    writeln!(out)
}
