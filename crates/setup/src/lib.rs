//! What an API server needs so that its audit events reach kubevigil, and whether it was told right.
//!
//! Both directions are here: [`generate()`](generate::generate) makes the files that somebody applies to a cluster,
//! [`check()`](check::check) reads the files of a cluster and says what is wrong with them. They share what they know of
//! flags, manifests and kubeconfigs, and the tests hold them together: what is generated is checked without a finding.
//!
//! Nothing here reads or writes files, and the time is an argument: files are values ([`File`]), so that a dry run shows
//! exactly what would be written. Only keys are random. The rejected alternative, a command that changes the cluster itself,
//! would need its administrator's rights and could not be looked at before.
//!
//! | module | what it knows |
//! |---|---|
//! | [`choice`] | what the user decides: distribution, address, how the API server shows who it is |
//! | [`credentials`] | who may send, and whom to trust: keys and certificates |
//! | [`mod@generate`], [`managed`] | the files of clusters that one runs oneself; what providers allow |
//! | [`server`], [`kubeconfig`] | the flags and mounts of an API server; the webhook's kubeconfig |
//! | [`mod@check`] | what is wrong with them, alone and together |
//! | [`canary`] | the event that shows the way from end to end |
//!
//! # Example
//!
//! ```
//! use kubevigil_plan::KubernetesVersion;
//! use kubevigil_setup::check::{Subject, check};
//! use kubevigil_setup::server::Server;
//!
//! let server = Server::from_flags("flags", "--audit-log-path=/var/log/kubernetes/audit/audit.log");
//! let findings = check(&Subject {
//!     server: Some(&server),
//!     kubeconfig: None,
//!     policy: None,
//!     version: KubernetesVersion::DEFAULT,
//! });
//! let found = |wanted: &str| findings.iter().any(|finding| finding.diagnostic.message.contains(wanted));
//! assert!(found("--audit-policy-file"), "a log without a policy records nothing: {findings:?}");
//! ```

pub mod canary;
pub mod check;
pub mod choice;
pub mod credentials;
pub mod generate;
pub mod kubeconfig;
pub mod managed;
pub mod server;

pub use crate::choice::{Address, Authentication, Choice, Distribution};
pub use crate::credentials::Credentials;
pub use jiff::Timestamp;

/// A file to be written.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct File {
    /// Its path below the folder of the set-up, with slashes.
    pub path: String,
    /// What is in it.
    pub contents: String,
    /// Whether it holds a key or a token and only its owner may read it (0600 instead of 0644).
    pub secret: bool,
}

impl File {
    pub(crate) fn public(path: &str, contents: impl Into<String>) -> Self {
        Self {
            path: path.to_owned(),
            contents: contents.into(),
            secret: false,
        }
    }

    pub(crate) fn secret(path: &str, contents: impl Into<String>) -> Self {
        Self {
            secret: true,
            ..Self::public(path, contents)
        }
    }

    /// The permissions of the file.
    pub fn mode(&self) -> u32 {
        if self.secret { 0o600 } else { 0o644 }
    }
}
