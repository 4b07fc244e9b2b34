//! What an auditing gateway reads and writes, tried without starting it and without leaving a trace.
//!
//! A check and a start try the same, so that they say the same, and each says all of it at once. What else a start meets lies
//! outside of files: ports in use, another gateway with the same log or state, a pipe that nobody reads.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use kubevigil_diagnostics::Severity;
use kubevigil_gateway::identity::{IdentityConfig, KeySource};
use kubevigil_gateway::{BindError, GatewayConfig, GatewayTls, check_delegate, check_identity};
use kubevigil_kubeconfig::{Access, InCluster};
use kubevigil_record::policy_file::{LoadedPolicy, PolicyError};
use kubevigil_tls::{Authorities, ClientCertificates, ServerCredentials, ServerFiles};
use tracing::subscriber::{NoSubscriber, with_default};

use crate::gate::GateOptions;
use crate::gate::backends::Backends;
use crate::run::state_dir;
use crate::terminal;

/// What keeps a gateway from starting.
#[derive(Debug)]
pub(crate) struct Problem {
    /// The key below `sources.record` that names the file; for the daemon's own folder `state_dir`.
    pub(crate) key: String,
    /// What is wrong and what to do, without the key.
    pub(crate) text: String,
}

/// Everything that is wrong with the files and folders that the options name.
pub(crate) fn check_files(options: &GateOptions) -> Vec<Problem> {
    let mut problems = Problems(Vec::new());
    // What is only odd is said by whoever reads the files to use them.
    with_default(NoSubscriber::default(), || {
        problems.of_policy(&options.policy);
        problems.of_gateway(&options.gateway);
        problems.of_log(options);
        if let Some(webhook) = &options.backends.webhook {
            let pod = InCluster::from_environment();
            let access = Access::load_or_in_cluster(&webhook.kubeconfig, &pod);
            problems.of("webhook.kubeconfig", access);
        }
        if let Some(state_dir) = &options.state_dir {
            problems.of_state(&options.backends, state_dir);
        }
    });
    problems.0
}

struct Problems(Vec<Problem>);

impl Problems {
    /// Notes why something cannot be used, each line by itself.
    fn of<T, E: Into<anyhow::Error>>(&mut self, key: &str, tried: Result<T, E>) {
        if let Err(error) = tried {
            let text = terminal::with_causes(&error.into());
            text.lines().for_each(|line| self.add(key, line));
        }
    }

    fn add(&mut self, key: &str, text: &str) {
        // Parts that know the key name it.
        let (key, text) = match text.split_once(": ") {
            Some((known, rest)) if known.starts_with("gateway.") && !known.contains(' ') => {
                (known, rest)
            }
            _ => (key, text),
        };
        self.0.push(Problem {
            key: key.to_owned(),
            text: text.to_owned(),
        });
    }

    /// Each mistake by itself, with its place.
    fn of_policy(&mut self, path: &Path) {
        let (file, diagnostics) = match LoadedPolicy::read(path) {
            Err(PolicyError::Invalid { path, diagnostics }) => (path, diagnostics),
            tried => return self.of("policy", tried),
        };
        let errors = diagnostics
            .iter()
            .filter(|diagnostic| diagnostic.severity == Severity::Error);
        for error in errors {
            let (line, column) = error.position().unwrap_or((1, 1));
            let mut problem = format!("{}:{line}:{column}: {}", file.display(), error.message);
            if let Some(help) = &error.help {
                problem.push_str("; ");
                problem.push_str(help);
            }
            self.add("policy", &problem);
        }
    }

    fn of_gateway(&mut self, gateway: &GatewayConfig) {
        let before = self.0.len();
        let upstream = &gateway.upstream;
        if let Some(kubeconfig) = &upstream.kubeconfig {
            let access = Access::load(kubeconfig, upstream.context.as_deref());
            self.of("gateway.upstream.kubeconfig", access);
        }
        if let Some(tls) = &gateway.tls {
            self.of_tls(tls);
        }
        let identity = &gateway.identity;
        for (setting, kubeconfig) in identity.delegates() {
            let key = format!("gateway.identity.{setting}");
            self.of(&key, check_delegate(kubeconfig));
        }
        let front_proxy = identity.front_proxy.as_ref().map(|proxy| &proxy.ca);
        let authorities = [
            ("gateway.upstream.ca", upstream.ca.as_ref()),
            ("gateway.identity.client_ca", identity.client_ca.as_ref()),
            ("gateway.identity.front_proxy.ca", front_proxy),
        ];
        for (key, path) in authorities {
            let tried = path.map(|path| Authorities::load(path.clone()));
            self.of(key, tried.transpose());
        }
        // What is left is how authorities go together, and files of keys; the rest would be told twice. Whether a pod has its files
        // is seen in the pod.
        if self.0.len() == before {
            let tried = match upstream.in_cluster {
                true => identity
                    .check_front_proxy()
                    .map(drop)
                    .map_err(BindError::from),
                false => check_identity(gateway),
            };
            self.of("gateway.identity", tried);
        }
    }

    fn of_tls(&mut self, tls: &GatewayTls) {
        let files = ServerFiles {
            certificate: tls.certificate.clone(),
            key: tls.key.clone(),
        };
        if let Err(error) = ServerCredentials::load(files, ClientCertificates::None) {
            let is_key = error.name() == tls.key.to_string_lossy();
            let key = match is_key {
                true => "gateway.tls.key",
                false => "gateway.tls.certificate",
            };
            self.of::<(), _>(key, Err(error));
        }
    }

    /// A log that could not be written, or whose lines would spoil what the gateway reads.
    fn of_log(&mut self, options: &GateOptions) {
        let Some(log) = options.backends.log.as_ref().map(|log| &log.options) else {
            return;
        };
        self.of("log.path", log.check());
        let read = files_read(options);
        if let Some((what, _)) = read.iter().find(|(_, file)| is_same(file, &log.path)) {
            let path = log.path.display();
            let problem = format!("{path} is {what}: name a file of its own for the audit log");
            self.add("log.path", &problem);
        }
    }

    /// Where mode `durable` keeps events.
    fn of_state(&mut self, backends: &Backends, state_dir: &Path) {
        let journals = backends.journals(state_dir);
        if journals.is_empty() {
            return;
        }
        if let Err(error) = state_dir::check(state_dir) {
            return self.of::<(), _>("state_dir", Err(error));
        }
        let mut tried = journals.iter().map(|journal| journal.check());
        let problem = tried.find_map(Result::err);
        self.of("state_dir", problem.map_or(Ok(()), Err));
    }
}

/// The files that a gateway reads, each with what it is.
fn files_read(options: &GateOptions) -> Vec<(&'static str, &Path)> {
    let GatewayConfig {
        tls,
        upstream,
        identity,
        ..
    } = &options.gateway;
    let webhook = options.backends.webhook.as_ref();
    let files = [
        ("the audit policy", Some(&options.policy)),
        ("the certificate", tls.as_ref().map(|tls| &tls.certificate)),
        (
            "the key of the certificate",
            tls.as_ref().map(|tls| &tls.key),
        ),
        (
            "the kubeconfig of the API server",
            upstream.kubeconfig.as_ref(),
        ),
        ("the authority of the API server", upstream.ca.as_ref()),
        (
            "the kubeconfig of the webhook",
            webhook.map(|webhook| &webhook.kubeconfig),
        ),
    ];
    let files = files.into_iter();
    files
        .filter_map(|(what, file)| Some((what, file?.as_path())))
        .chain(
            identity
                .delegates()
                .map(|(_, file)| ("the kubeconfig of an API server", file)),
        )
        .chain(files_of_identity(identity).map(|file| ("what users are recognised by", file)))
        .collect()
}

fn files_of_identity(identity: &IdentityConfig) -> impl Iterator<Item = &Path> {
    let accounts = identity
        .service_accounts
        .iter()
        .map(|accounts| &accounts.keys);
    let sources = accounts.chain(identity.oidc.iter().map(|oidc| &oidc.keys));
    let keys = sources.flat_map(|source| match source {
        KeySource::Files(files) => files.as_slice(),
        _ => &[],
    });
    let authorities = identity.client_ca.iter();
    authorities
        .chain(identity.front_proxy.iter().map(|proxy| &proxy.ca))
        .chain(
            identity
                .oidc
                .iter()
                .filter_map(|oidc| oidc.ca_file.as_ref()),
        )
        .chain(keys)
        .map(|path| path.as_path())
}

fn is_same(one: &Path, other: &Path) -> bool {
    let number = |path| fs::metadata(path).map(|file| (file.dev(), file.ino()));
    match (number(one), number(other)) {
        (Ok(one), Ok(other)) => one == other,
        _ => false,
    }
}
