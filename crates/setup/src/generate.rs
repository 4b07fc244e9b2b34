//! The files that somebody applies to a cluster.
//!
//! ```text
//! README.md            the steps: what each does, how to see that it worked, how to undo it
//! kubevigil.yaml       the daemon's configuration
//! kubevigil/           what it refers to: certificate, key, whom to let in
//! api-server/          goes to each node of the control plane: policy, kubeconfig, the flags as a list
//! client/              the API server's credentials once more, for `setup verify`
//! DISTRIBUTION/        how the flags get to the API server
//! ```
//!
//! Both backends are switched on where the distribution allows it: the webhook for speed, the log file because it outlasts
//! a kubevigil that is down for longer than the API server's two minutes of retries.

mod daemon;
mod flags;
mod kind;
mod kubeadm;
mod minikube;
mod rancher;
mod service;
mod steps;
mod webhook;

use std::net::IpAddr;

use jiff::Timestamp;
use kubevigil_audit::policy::PolicyFile;

use crate::File;
use crate::choice::{Authentication, Choice, Distribution, Host};
use crate::credentials::{self, Credentials};

pub use crate::generate::steps::{Step, Steps};

/// The code of the finding that a policy is for later versions only.
const GROUP_WILDCARD: &str = "P06";

/// What is generated.
#[derive(Clone, Debug)]
pub struct Bundle {
    /// The files, README.md first.
    pub files: Vec<File>,
    /// What to do with them.
    pub steps: Steps,
}

/// Nothing can be generated.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum GenerateError {
    /// The address is a Service, whose name the API server does not resolve.
    #[error(
        "an API server does not resolve names of Services, such as {0}: give the address that the Service is to have with --cluster-ip, \
         a free one of the cluster's service range"
    )]
    ServiceWithoutAddress(String),
    /// An address for a Service, but no Service.
    #[error(
        "--cluster-ip is the address of a Service, and {0} is none: give --address NAME.NAMESPACE.svc"
    )]
    AddressWithoutService(String),
    /// An API server does not start with the policy.
    #[error(
        "an API server does not start with the policy: {0}; `kubevigil policy check` says more"
    )]
    Policy(String),
}

/// Generates the files for a choice. `made` is when the credentials were made.
pub fn generate(
    choice: &Choice,
    credentials: &Credentials,
    made: Timestamp,
) -> Result<Bundle, GenerateError> {
    check(choice)?;
    let mut files = vec![
        File::public("kubevigil.yaml", daemon::config(choice)),
        File::public("kubevigil/tls.crt", &*credentials.server),
        File::secret("kubevigil/tls.key", &*credentials.server_key),
        File::public("api-server/policy.yaml", &*choice.policy),
        File::secret(
            "api-server/webhook.yaml",
            webhook::kubeconfig(choice, credentials),
        ),
        File::public("api-server/flags", flags::listing(choice)),
        File::public("client/ca.crt", &*credentials.authority),
    ];
    match choice.authentication {
        Authentication::Certificate => files.extend([
            File::public("kubevigil/clients-ca.crt", &*credentials.authority),
            File::public("client/client.crt", &*credentials.client),
            File::secret("client/client.key", &*credentials.client_key),
        ]),
        Authentication::Token => files.extend([
            File::secret("kubevigil/tokens", format!("{}\n", credentials.token)),
            File::secret("client/token", format!("{}\n", credentials.token)),
        ]),
    }
    files.extend(match choice.distribution {
        Distribution::Kubeadm => kubeadm::files(choice),
        Distribution::Kind => kind::files(choice),
        Distribution::K3s | Distribution::Rke2 => rancher::files(choice),
        Distribution::Minikube => Vec::new(),
    });
    files.extend(service::file(choice));
    let steps = steps::steps(choice, credentials::last_day(made));
    files.insert(0, File::public("README.md", steps.to_string()));
    Ok(Bundle { files, steps })
}

fn check(choice: &Choice) -> Result<(), GenerateError> {
    match (choice.address.service(), choice.cluster_ip) {
        (Some(_), None) => Err(GenerateError::ServiceWithoutAddress(
            choice.address.host.to_string(),
        )),
        (None, Some(_)) => Err(GenerateError::AddressWithoutService(
            choice.address.host.to_string(),
        )),
        _ => Ok(()),
    }?;
    let policy = PolicyFile::read("the policy", &choice.policy);
    if let Some(refusal) = policy.refusals.first() {
        return Err(GenerateError::Policy(refusal.message.clone()));
    }
    if policy.policy.is_none() {
        return Err(GenerateError::Policy("it holds none".to_owned()));
    }
    let too_new = kubevigil_plan::check::check(&policy, choice.version);
    match too_new
        .into_iter()
        .find(|finding| finding.code == GROUP_WILDCARD)
    {
        Some(finding) => Err(GenerateError::Policy(finding.message)),
        None => Ok(()),
    }
}

impl Choice {
    /// Where the API server connects to.
    fn target(&self) -> Host {
        self.cluster_ip
            .map_or_else(|| self.address.host.clone(), Host::Ip)
    }

    /// What the API server is to post to.
    pub fn url(&self) -> String {
        format!("https://{}:{}/k8s_audit", self.target(), self.address.port)
    }

    /// The address that kubevigil listens on: this machine alone when the API server is on it as well, else all interfaces.
    fn listen(&self) -> String {
        let host = match &self.address.host {
            Host::Ip(ip) if ip.is_loopback() => Host::Ip(*ip),
            Host::Ip(IpAddr::V6(_)) => Host::Ip(IpAddr::from([0_u16; 8])),
            Host::Ip(_) | Host::Name(_) => Host::Ip(IpAddr::from([0, 0, 0, 0])),
        };
        format!("{host}:{}", self.address.port)
    }
}

impl Distribution {
    /// The folder in which the API server finds its files.
    pub(crate) fn folder(self) -> &'static str {
        match self {
            Self::Kubeadm | Self::Kind => "/etc/kubernetes/audit",
            Self::K3s => "/var/lib/rancher/k3s/server/audit",
            Self::Rke2 => "/etc/rancher/rke2/audit",
            // Mounted into the API server already, which cannot be given more mounts there.
            Self::Minikube => "/etc/ssl/certs/kubevigil",
        }
    }

    /// The log file; `None` where the API server has no folder to write one to.
    pub(crate) fn log(self) -> Option<&'static str> {
        match self {
            Self::Kubeadm | Self::Kind => Some("/var/log/kubernetes/audit/audit.log"),
            Self::K3s => Some("/var/lib/rancher/k3s/server/logs/audit.log"),
            Self::Rke2 => Some("/var/lib/rancher/rke2/server/logs/audit.log"),
            Self::Minikube => None,
        }
    }
}

/// A YAML text in double quotes.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}
