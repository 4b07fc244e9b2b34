//! New credentials, or those that are in the folder already.
//!
//! Keys are never overwritten: an API server may be using them, and would be locked out by new ones.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use anyhow::{Context as _, bail};
use kubevigil_setup::{Authentication, Choice, Credentials, Timestamp};

use crate::args::setup::OutputArgs;
use crate::terminal;

/// Credentials, and when they were made.
pub(super) fn of(choice: &Choice, output: &OutputArgs) -> anyhow::Result<(Credentials, Timestamp)> {
    let now = Timestamp::now();
    if output.dry_run {
        // Nothing secret that is in use is printed.
        return Ok((Credentials::new(choice, now)?, now));
    }
    match kept(choice, &output.output)? {
        None => Ok((Credentials::new(choice, now)?, now)),
        Some((credentials, made)) => {
            let kind = match choice.authentication {
                Authentication::Certificate => "certificates and keys",
                Authentication::Token => "certificate, key and token",
            };
            terminal::warn(&format!(
                "{} are there already and are kept: they are valid for the addresses that they were made for; use another folder to make new ones",
                kind
            ));
            Ok((credentials, made))
        }
    }
}

/// What is in the folder: nothing, or everything that the choice needs.
fn kept(choice: &Choice, folder: &Path) -> anyhow::Result<Option<(Credentials, Timestamp)>> {
    let mut credentials = Credentials {
        authority: String::new(),
        server: String::new(),
        server_key: String::new(),
        client: String::new(),
        client_key: String::new(),
        token: String::new(),
    };
    let mut files = vec![
        ("client/ca.crt", &mut credentials.authority),
        ("kubevigil/tls.crt", &mut credentials.server),
        ("kubevigil/tls.key", &mut credentials.server_key),
    ];
    match choice.authentication {
        Authentication::Certificate => files.extend([
            ("client/client.crt", &mut credentials.client),
            ("client/client.key", &mut credentials.client_key),
        ]),
        Authentication::Token => files.push(("client/token", &mut credentials.token)),
    }
    let (mut found, mut missing) = (0, Vec::new());
    for (name, content) in files {
        match fs::read_to_string(folder.join(name)) {
            Ok(text) => {
                *content = text;
                found += 1;
            }
            Err(error) if error.kind() == ErrorKind::NotFound => missing.push(name),
            Err(error) => return Err(error).context(format!("cannot read {name}")),
        }
    }
    credentials.token = credentials.token.trim_end().to_owned();
    match (found, missing.first()) {
        (0, _) => Ok(None),
        (_, Some(name)) => bail!(
            "{} holds some credentials but no {name}, and keys are never overwritten: choose another folder",
            folder.display()
        ),
        (_, None) => Ok(Some((
            credentials,
            made(&folder.join("kubevigil/tls.crt"))?,
        ))),
    }
}

fn made(file: &Path) -> anyhow::Result<Timestamp> {
    let time = fs::metadata(file).and_then(|metadata| metadata.modified());
    let time = time.with_context(|| format!("cannot read {}", file.display()))?;
    Ok(Timestamp::try_from(time)?)
}
