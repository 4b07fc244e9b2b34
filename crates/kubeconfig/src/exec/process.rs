//! A plugin's process.

use std::io::ErrorKind;
use std::process::{ExitStatus, Stdio};

use kubevigil_diagnostics::escape;
use tokio::io::{AsyncRead, AsyncReadExt as _};

use super::Command;

/// The longest answer in bytes: a token and a chain of certificates.
const LONGEST_ANSWER: u64 = 1 << 20;

/// So much of what a plugin says on stderr goes to the log, in bytes.
const LONGEST_REMARK: u64 = 4 << 10;

/// Runs a plugin, without a terminal, and gives what it printed. What it says on stderr goes to the log.
///
/// Fails with the end of a sentence. If the future is dropped, the process is killed.
pub(super) async fn output(command: &Command) -> Result<Vec<u8>, String> {
    let mut child = tokio::process::Command::new(&command.program)
        .args(&command.arguments)
        .envs(&command.environment)
        .env("KUBERNETES_EXEC_INFO", &command.info)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .map_err(|error| unstartable(command, &error))?;
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    let (answer, remark, status) = tokio::join!(
        beginning(stdout, LONGEST_ANSWER + 1),
        beginning(stderr, LONGEST_REMARK),
        child.wait()
    );
    let remark = escape::terminal(String::from_utf8_lossy(&remark).trim()).to_string();
    let status = status.map_err(|error| format!("cannot be waited for: {error}"))?;
    judge(command, status, &remark)?;
    if answer.len() as u64 > LONGEST_ANSWER {
        return Err("printed more than 1 MiB".to_owned());
    }
    Ok(answer)
}

fn judge(command: &Command, status: ExitStatus, remark: &str) -> Result<(), String> {
    let plugin = command.program.display();
    if status.success() {
        if !remark.is_empty() {
            tracing::info!(%plugin, "a credential plugin said: {remark}");
        }
        return Ok(());
    }
    let said = match remark {
        "" => "without a word".to_owned(),
        remark => format!("and said: {remark}"),
    };
    Err(format!("failed with {status} {said}"))
}

fn unstartable(command: &Command, error: &std::io::Error) -> String {
    let hint = match command.install_hint.trim() {
        "" => String::new(),
        hint => format!("; {}", escape::terminal(hint)),
    };
    match error.kind() {
        ErrorKind::NotFound => format!("is not there{hint}"),
        _ => format!("cannot be run: {error}{hint}"),
    }
}

/// What a pipe carries, up to a length; the rest is read and forgotten, so that the writer does not wait.
async fn beginning(pipe: Option<impl AsyncRead + Unpin>, most: u64) -> Vec<u8> {
    let mut kept = Vec::new();
    if let Some(mut pipe) = pipe {
        let _ = (&mut pipe).take(most).read_to_end(&mut kept).await;
        let _ = tokio::io::copy(&mut pipe, &mut tokio::io::sink()).await;
    }
    kept
}
