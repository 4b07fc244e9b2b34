//! What is wrong with how an API server is told to audit.
//!
//! Flags, mounts, kubeconfig and policy are looked at together, since most mistakes lie between them. Each group of findings is one file and one
//! code. What a file cannot show (a policy that changed without a restart, another tool that rotates the log, an alert that nobody set) is not
//! guessed at.

mod backend;
mod capacity;
mod figures;
mod log_file;
mod subject;
mod values;
mod webhook;

use kubevigil_audit::policy::PolicyFile;
use kubevigil_diagnostics::Diagnostic;
use kubevigil_plan::KubernetesVersion;

use crate::kubeconfig::Kubeconfig;
use crate::server::Server;

pub use self::figures::{Figure, figures};

/// The codes of findings.
pub mod codes {
    /// The log file: rotation, mounts, room.
    pub const LOG_FILE: &str = "C22";
    /// Backends and policy that do not add up.
    pub const BACKEND: &str = "C23";
    /// Modes and capacity.
    pub const CAPACITY: &str = "C24";
    /// The webhook's kubeconfig, and truncation.
    pub const WEBHOOK: &str = "C25";
}

/// The body that kubevigil's webhook takes if it is not told otherwise, in bytes.
pub const LARGEST_BODY: u64 = 48 << 20;

/// What is looked at together. Whatever is not given is not complained about.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'s> {
    /// The API server's flags and mounts.
    pub server: Option<&'s Server>,
    /// The webhook's kubeconfig.
    pub kubeconfig: Option<&'s Kubeconfig>,
    /// The audit policy.
    pub policy: Option<&'s PolicyFile>,
    /// The version of the API server.
    pub version: KubernetesVersion,
}

/// A finding, and whether an API server starts in spite of it.
#[derive(Clone, Debug)]
pub struct Finding {
    /// What is wrong.
    pub diagnostic: Diagnostic,
    /// The API server does not start.
    pub is_fatal: bool,
}

/// Everything that is to be said, by code.
pub fn check(subject: &Subject<'_>) -> Vec<Finding> {
    let mut findings = Findings::default();
    if let Some(server) = subject.server {
        log_file::check(subject, server, &mut findings);
        values::check(server, &mut findings);
        backend::check(subject, server, &mut findings);
        capacity::check(subject, server, &mut findings);
    }
    webhook::check(subject, &mut findings);
    let mut list = findings.list;
    list.sort_by_key(|finding| finding.diagnostic.code);
    list
}

#[derive(Default)]
struct Findings {
    list: Vec<Finding>,
}

impl Findings {
    /// Something that keeps the API server from starting.
    fn fatal(&mut self, diagnostic: Diagnostic) {
        self.list.push(Finding {
            diagnostic,
            is_fatal: true,
        });
    }

    fn push(&mut self, diagnostic: Diagnostic) {
        self.list.push(Finding {
            diagnostic,
            is_fatal: false,
        });
    }
}
