//! The files that an auditing gateway reads, tried without starting it.

use std::path::Path;

use kubevigil_diagnostics::Severity;
use kubevigil_gateway::{GatewayConfig, check_identity};
use kubevigil_kubeconfig::{Access, InCluster};
use kubevigil_record::policy_file::{LoadedPolicy, PolicyError};
use kubevigil_tls::{Authorities, ClientCertificates, ServerCredentials, ServerFiles};

use crate::gate::backends::Backends;
use crate::terminal;

/// What is wrong with the files, each with the key below `sources.record` that names the file.
pub(crate) fn check_files(
    policy: &Path,
    gateway: &GatewayConfig,
    backends: &Backends,
) -> Vec<(&'static str, String)> {
    let mut problems = Problems(Vec::new());
    problems.of_policy(policy);
    problems.of_gateway(gateway);
    if let Some(log) = &backends.log {
        problems.of_log(&log.options.path);
    }
    if let Some(webhook) = &backends.webhook {
        let pod = InCluster::from_environment();
        let access = Access::load_or_in_cluster(&webhook.kubeconfig, &pod);
        problems.of("webhook.kubeconfig", access);
    }
    problems.0
}

struct Problems(Vec<(&'static str, String)>);

impl Problems {
    fn of<T, E: Into<anyhow::Error>>(&mut self, key: &'static str, tried: Result<T, E>) {
        if let Err(error) = tried {
            let problem = terminal::with_causes(&error.into());
            self.0.push((key, problem));
        }
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
            self.0.push(("policy", problem));
        }
    }

    fn of_gateway(&mut self, gateway: &GatewayConfig) {
        let upstream = &gateway.upstream;
        if let Some(kubeconfig) = &upstream.kubeconfig {
            let access = Access::load(kubeconfig, upstream.context.as_deref());
            self.of("gateway.upstream.kubeconfig", access);
        }
        if let Some(tls) = &gateway.tls {
            let files = ServerFiles {
                certificate: tls.certificate.clone(),
                key: tls.key.clone(),
            };
            let credentials = ServerCredentials::load(files, ClientCertificates::None);
            self.of("gateway.tls", credentials);
        }
        let identity = &gateway.identity;
        let client_ca = identity
            .client_ca
            .as_ref()
            .filter(|_| identity.front_proxy.is_none());
        self.of("gateway.identity.front_proxy", identity.check_front_proxy());
        let authorities = [
            ("gateway.upstream.ca", upstream.ca.as_ref()),
            // The check of the front proxy has read both.
            ("gateway.identity.client_ca", client_ca),
        ];
        for (key, path) in authorities {
            let tried = path.map(|path| Authorities::load(path.clone()));
            self.of(key, tried.transpose());
        }
        // What is left are files of keys; the rest of it would be told twice. Whether a pod has its files is seen in the pod.
        if self.0.is_empty() && !upstream.in_cluster {
            self.of("gateway.identity", check_identity(gateway));
        }
    }

    /// A log that could never be written.
    fn of_log(&mut self, path: &Path) {
        if path.is_dir() {
            let problem = format!("{} is a directory; name a file in it", path.display());
            self.0.push(("log.path", problem));
        }
    }
}
