//! Requests from files, one JSON value a line, and an answer for each.

use std::fs::File;
use std::io::{self, BufRead, BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::write_json;

/// What cannot be answered.
#[derive(Serialize)]
pub(super) struct Failure {
    pub(super) error: String,
}

/// Prints an answer for each line of the files; 1 when one of them has none.
pub(super) fn answer<Q: DeserializeOwned, A: Serialize>(
    files: &[PathBuf],
    answer: impl Fn(Q) -> Result<A, String>,
) -> anyhow::Result<ExitCode> {
    let mut out = BufWriter::new(io::stdout().lock());
    let mut failed = false;
    let stdin = [PathBuf::from("-")];
    let files = if files.is_empty() { &stdin[..] } else { files };
    for file in files {
        for line in open(file)?.split(b'\n') {
            let line = line.with_context(|| format!("cannot read {}", file.display()))?;
            if line.trim_ascii().is_empty() {
                continue;
            }
            let question = serde_json::from_slice(&line)
                .map_err(|error| format!("the line is no request: {error}"));
            match question.and_then(&answer) {
                Ok(answer) => write_json(&mut out, &answer)?,
                Err(error) => {
                    failed = true;
                    write_json(&mut out, &Failure { error })?;
                }
            }
        }
    }
    out.flush()?;
    Ok(ExitCode::from(u8::from(failed)))
}

fn open(file: &Path) -> anyhow::Result<Box<dyn BufRead>> {
    if file == Path::new("-") {
        return Ok(Box::new(io::stdin().lock()));
    }
    let opened = File::open(file).with_context(|| format!("cannot read {}", file.display()))?;
    Ok(Box::new(BufReader::new(opened)))
}
