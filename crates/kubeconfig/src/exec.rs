//! Exec credential plugins: programs that print a token or a client certificate (`client.authentication.k8s.io`, v1 and v1beta1).
//!
//! A program runs when what it handed out has expired, or was refused, and once for all who wait. Whoever waits is told of a failure, and
//! nobody starts it again within [`PAUSE`], so that a flood of requests does not become a flood of processes. client-go starts it again each
//! time, and waits for ever; here it has [`PATIENCE`].

mod answer;
mod process;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwapOption;
use http::HeaderValue;
use jiff::Timestamp;
use kubevigil_diagnostics::escape;
use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::certificate::Certificate;
use crate::credentials::CredentialError;

/// How long a plugin may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// How long a failure stands.
const PAUSE: Duration = Duration::from_secs(1);

/// How old credentials have to be before a refusal counts against them. Somebody who may not do what they ask for is no reason.
const YOUNG: Duration = Duration::from_secs(10);

/// What is run.
pub(crate) struct Command {
    /// The program: a name that is looked for in `PATH`, or a path.
    pub(crate) program: PathBuf,
    pub(crate) arguments: Vec<String>,
    pub(crate) environment: BTreeMap<String, String>,
    /// What it is told, and what its answer must be: `client.authentication.k8s.io/v1`.
    pub(crate) api_version: String,
    /// `KUBERNETES_EXEC_INFO`
    pub(crate) info: String,
    /// What to tell people who have no such program.
    pub(crate) install_hint: String,
}

/// A plugin, and what it handed out.
pub(crate) struct Plugin {
    command: Command,
    /// Takes certificates, unless the kubeconfig has one that goes first.
    certificate: Option<Arc<Certificate>>,
    granted: ArcSwapOption<Granted>,
    failed: Mutex<Option<(Instant, CredentialError)>>,
}

/// What a plugin handed out.
struct Granted {
    header: Option<HeaderValue>,
    expires: Option<Timestamp>,
    at: Instant,
}

impl Plugin {
    pub(crate) fn new(command: Command, certificate: Option<Arc<Certificate>>) -> Arc<Self> {
        Arc::new(Self {
            command,
            certificate,
            granted: ArcSwapOption::empty(),
            failed: Mutex::new(None),
        })
    }

    /// The header of the moment; the certificate was handed on. A run goes on when nobody waits for it any more: impatient callers would
    /// otherwise start one after the other, and never see the end of any.
    pub(crate) async fn current(self: &Arc<Self>) -> Result<Option<HeaderValue>, CredentialError> {
        if let Some(granted) = self.valid() {
            return Ok(granted.header.clone());
        }
        let plugin = Arc::clone(self);
        let renewal = tokio::spawn(async move { plugin.renew().await });
        let renewed = renewal.await;
        renewed
            .unwrap_or_else(|_| Err(self.error("was given up, since this process ends".to_owned())))
    }

    async fn renew(&self) -> Result<Option<HeaderValue>, CredentialError> {
        let mut failed = self.failed.lock().await;
        if let Some(granted) = self.valid() {
            return Ok(granted.header.clone());
        }
        if let Some((at, error)) = &*failed
            && at.elapsed() < PAUSE
        {
            return Err(error.clone());
        }
        match self.run().await {
            Ok(granted) => {
                *failed = None;
                let header = granted.header.clone();
                self.granted.store(Some(Arc::new(granted)));
                Ok(header)
            }
            Err(problem) => {
                let error = self.error(problem);
                *failed = Some((Instant::now(), error.clone()));
                Err(error)
            }
        }
    }

    /// Runs the plugin again at the next call, if that is what it handed out, and not just now.
    pub(crate) fn refused(&self, sent: Option<&HeaderValue>) {
        let granted = self.granted.load_full();
        let is_old =
            |granted: &Granted| granted.header.as_ref() == sent && granted.at.elapsed() >= YOUNG;
        if granted.as_deref().is_some_and(is_old) {
            self.granted.compare_and_swap(&granted, None);
        }
    }

    fn valid(&self) -> Option<Arc<Granted>> {
        let granted = self.granted.load_full()?;
        let is_valid = granted
            .expires
            .is_none_or(|expires| Timestamp::now() < expires);
        is_valid.then_some(granted)
    }

    /// Fails with the end of the sentence that begins with the plugin.
    async fn run(&self) -> Result<Granted, String> {
        let run = process::output(&self.command);
        let output = tokio::time::timeout(PATIENCE, run).await;
        let output = output.map_err(|_| {
            format!(
                "did not answer within {} s and was stopped",
                PATIENCE.as_secs()
            )
        })??;
        let answer = answer::read(&output, &self.command.api_version)?;
        if let Some(certificate) = &self.certificate {
            certificate.replace(answer.certified);
        }
        tracing::debug!(plugin = self.name(), expires = ?answer.expires, "a credential plugin answered");
        Ok(Granted {
            header: answer.header,
            expires: answer.expires,
            at: Instant::now(),
        })
    }

    fn error(&self, problem: String) -> CredentialError {
        CredentialError::Plugin {
            command: self.name(),
            problem,
        }
    }

    fn name(&self) -> String {
        let program = self.command.program.display().to_string();
        escape::terminal(&program).to_string()
    }
}
