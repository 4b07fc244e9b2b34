//! `kubevigil setup verify`: one event to a running kubevigil, and what becomes of it.
//!
//! A library that does everything at once answers with one error for all of it. Here each step is taken and reported alone, because what to do
//! depends on which one failed.

mod reasons;
mod target;
mod wire;

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context as _, bail};
use kubevigil_diagnostics::escape;
use kubevigil_kubeconfig::Access;
use kubevigil_setup::{Timestamp, canary};
use kubevigil_tls::{ClientCertificate, PemSource};

use self::reasons::Failure;
use self::target::Target;
use self::wire::Answer;
use crate::args::setup::VerifyArgs;
use crate::terminal;

/// What the API server is like here.
const AGENT: &str = concat!("kubevigil-verify/", env!("CARGO_PKG_VERSION"));

/// The files of the command line.
struct Credentials {
    tls: Option<rustls::ClientConfig>,
    has_certificate: bool,
    token: Option<String>,
}

pub(super) fn execute(arguments: &VerifyArgs) -> anyhow::Result<ExitCode> {
    let target = Target::parse(&arguments.url)?;
    let credentials = Credentials::read(arguments, &target)?;
    let now = Timestamp::now();
    let mut out = anstream::stdout().lock();
    match steps(&target, credentials, now, &mut out)? {
        Ok(()) => {
            write!(
                out,
                "\nSee it arrive: the event is {}. On kubevigil's machine,\n    curl -s http://127.0.0.1:8766/metrics | grep kubevigil_source_events_total\ncounts one more event from the webhook. It raises no alert.\n",
                canary::audit_id(now)
            )?;
            Ok(ExitCode::SUCCESS)
        }
        Err(failure) => {
            let style = terminal::ERROR;
            writeln!(
                out,
                "{style}failed{style:#}  {}\n        {}",
                failure.what, failure.remedy
            )?;
            Ok(ExitCode::from(1))
        }
    }
}

/// Takes the steps and reports each that succeeds. The outer error is that nobody reads the report any more.
fn steps(
    target: &Target,
    credentials: Credentials,
    now: Timestamp,
    out: &mut impl Write,
) -> io::Result<Result<(), Failure>> {
    let mut done = |text: &str| writeln!(out, "ok      {text}");
    let stream = match wire::connect(target) {
        Ok(stream) => stream,
        Err(error) => return Ok(Err(reasons::connecting(target, &error))),
    };
    done(&format!("connected to {target}"))?;
    let wire = match credentials.tls {
        None => wire::Wire::plain(stream),
        Some(config) => match wire::Wire::tls(stream, config, target) {
            Ok(wire) => {
                done(&format!(
                    "{}: the certificate is of the given authority, for this name, and valid today",
                    wire.protocol()
                ))?;
                wire
            }
            Err(error) => {
                return Ok(Err(reasons::handshake(
                    target,
                    &error,
                    credentials.has_certificate,
                )));
            }
        },
    };
    let token = credentials.token.as_deref();
    let answer = match wire.post(target, token, AGENT, &canary::event_list(now, AGENT)) {
        Ok(answer) => answer,
        Err(error) => {
            return Ok(Err(reasons::posting(
                target,
                &error,
                credentials.has_certificate,
            )));
        }
    };
    if !matches!(answer.status, 401 | 403) {
        done(authenticated(credentials.has_certificate, token.is_some()))?;
    }
    match accepted(&answer, target) {
        Ok(()) => {
            done("accepted with 200: the event is on disk")?;
            Ok(Ok(()))
        }
        Err(failure) => Ok(Err(failure)),
    }
}

fn authenticated(certificate: bool, token: bool) -> &'static str {
    match (certificate, token) {
        (true, true) => "authenticated: neither the certificate nor the token was refused",
        (true, false) => "authenticated: the client certificate was not refused",
        (false, true) => "authenticated: the token was not refused",
        (false, false) => "kubevigil asks for no credentials",
    }
}

fn accepted(answer: &Answer, target: &Target) -> Result<(), Failure> {
    if answer.status == 200 {
        return Ok(());
    }
    let reason = answer.body.lines().next().unwrap_or_default();
    Err(reasons::refused(
        answer.status,
        &escape::terminal(reason),
        target,
    ))
}

impl Credentials {
    fn read(arguments: &VerifyArgs, target: &Target) -> anyhow::Result<Self> {
        let token = arguments.token_file.as_deref().map(token).transpose()?;
        let has_certificate = arguments.cert.is_some();
        if !target.is_tls {
            if arguments.ca.is_some() || has_certificate || token.is_some() {
                bail!(
                    "credentials are for https only, and an API server does not send them over http either: write https://{}",
                    target.authority
                );
            }
            return Ok(Self {
                tls: None,
                has_certificate,
                token,
            });
        }
        let Some(ca) = &arguments.ca else {
            bail!(
                "https needs --ca, the authority of kubevigil's certificate: client/ca.crt of the folder that `kubevigil setup` wrote"
            );
        };
        Ok(Self {
            tls: Some(tls(ca, arguments)?),
            has_certificate,
            token,
        })
    }
}

/// As an API server connects by its kubeconfig.
fn tls(ca: &Path, arguments: &VerifyArgs) -> anyhow::Result<rustls::ClientConfig> {
    let mut config = Access::direct(&arguments.url, Some(ca))?.client_config(false)?;
    if let (Some(cert), Some(key)) = (&arguments.cert, &arguments.key) {
        let file = |path: &PathBuf| PemSource::File(path.clone());
        let certificate = ClientCertificate::load(file(cert), file(key))?;
        config.client_auth_cert_resolver = Arc::new(certificate);
    }
    Ok(config)
}

fn token(file: &Path) -> anyhow::Result<String> {
    let text = fs::read_to_string(file)
        .with_context(|| format!("cannot read the token {}", file.display()))?;
    let mut lines = text.lines().map(str::trim);
    let token = lines.find(|line| !line.is_empty() && !line.starts_with('#'));
    match token {
        Some(token) if token.bytes().all(|byte| byte.is_ascii_graphic()) => Ok(token.to_owned()),
        _ => bail!("{} holds no token", file.display()),
    }
}
