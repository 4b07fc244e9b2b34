//! How to reach an API server: kubeconfigs, their credentials and TLS settings.
//!
//! A kubeconfig is read twice. [`Kubeconfig`] is the file: what the current context names, each field with its place, so that a mistake is
//! shown with its line. [`Access`] is what follows from it: a server, TLS settings, and [`Credentials`] that renew themselves. Whoever
//! checks files needs only the first, whoever connects only the second. [`AccessSource`] makes an access and tells when the kubeconfig or the
//! authority that it names has changed.
//!
//! # What kubeconfigs mean here
//!
//! As in client-go, which every Kubernetes program reads them with, and stricter where silence would cost somebody a night: a user that is
//! not in the file, a password within a URL and settings that nobody heeds any more (`auth-provider`) are errors, and unknown fields are
//! warned of. Two rules surprise people:
//!
//! - **Only https servers get credentials.** With http the user and the TLS settings are not even read; [`Access::warnings`] says so.
//! - **A server without a scheme is http**, even beside a `certificate-authority`.
//!
//! # Secrets
//!
//! Tokens, passwords and keys are in no `Debug`, no `Display`, no log and no diagnostic: findings lie in a copy of the file in which
//! secrets are stars, and headers are marked sensitive.
//!
//! # Example
//!
//! ```
//! use kubevigil_kubeconfig::{Access, Kubeconfig};
//!
//! let text = "
//! current-context: audit
//! contexts: [{name: audit, context: {cluster: receiver, user: sender}}]
//! clusters: [{name: receiver, cluster: {server: https://audit.example:8765/k8s_audit, insecure-skip-tls-verify: true}}]
//! users: [{name: sender, user: {token: secret}}]
//! ";
//! let kubeconfig = Kubeconfig::read("webhook.yaml", text).map_err(|wrong| wrong.message)?;
//! let access = Access::from_kubeconfig(&kubeconfig, "".as_ref())?;
//! assert_eq!(access.server.as_str(), "https://audit.example:8765/k8s_audit");
//! # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
//! let header = access.credentials.authorization().await?;
//! assert!(header.is_some_and(|header| header == "Bearer secret" && header.is_sensitive()));
//! # Ok::<(), kubevigil_kubeconfig::CredentialError>(())
//! # })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod access;
mod certificate;
mod client;
mod cluster;
mod credentials;
mod exec;
mod file;
mod findings;
mod follow;
mod in_cluster;
mod masked;
mod resolver;
mod seen;
mod server;
mod tls;
mod token_file;
mod user;
mod verifier;

pub use crate::access::{Access, AccessError};
pub use crate::client::{Client, ClientError};
pub use crate::credentials::{CredentialError, Credentials};
pub use crate::file::{CODE, Entry, Kubeconfig, Missing, Unresolved};
pub use crate::follow::{AccessSource, Follower};
pub use crate::in_cluster::InCluster;
pub use crate::server::{ServerError, is_this_machine, server_url};
pub use crate::tls::ClientTls;
