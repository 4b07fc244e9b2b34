//! An API server that is asked about callers instead of the upstream.
//!
//! Extension API servers serve neither `TokenReview` nor `SubjectAccessReview`: they ask the kube-apiserver of their cluster, known by
//! `--authentication-kubeconfig` and `--authorization-kubeconfig`. A gateway before such a server does as it does. To guess that server
//! from the upstream's 404 was the alternative; nobody could say then whose word an event rests on.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use kubevigil_kubeconfig::{Access, AccessError, AccessSource, Client, Follower};
use kubevigil_tls::Look;
use url::Url;

use super::ReachError;
use crate::identity::{Reviewer, UpstreamReviewer};

/// An API server that decides instead of the upstream, followed while its kubeconfig changes.
pub(crate) struct Delegate {
    setting: &'static str,
    kubeconfig: PathBuf,
    /// As it was read first.
    pub(super) server: Url,
    follower: Follower,
    reviewer: Arc<UpstreamReviewer>,
}

/// Why an API server cannot be asked about callers.
#[derive(Debug, thiserror::Error)]
pub enum DelegateError {
    /// The kubeconfig, or what it names, is wrong.
    #[error(transparent)]
    Access(#[from] AccessError),
    /// Whoever asks without credentials is told nothing.
    #[error(
        "{} has no credentials to ask with; its user needs a token or a client certificate, and the rights of the cluster role \
         system:auth-delegator",
        .0.display()
    )]
    NoCredentials(PathBuf),
}

impl Delegate {
    /// Reads the kubeconfig that `gateway.identity` has under `setting`.
    pub(super) fn new(setting: &'static str, kubeconfig: &Path) -> Result<Self, ReachError> {
        let wrong = |error| ReachError::Delegate { setting, error };
        let (access, follower) = source(kubeconfig)
            .follow()
            .map_err(|error| wrong(error.into()))?;
        let client = client(&access, kubeconfig).map_err(wrong)?;
        Ok(Self {
            setting,
            kubeconfig: kubeconfig.to_owned(),
            server: access.server.clone(),
            follower,
            reviewer: Arc::new(UpstreamReviewer::new(client)),
        })
    }

    /// Who asks it.
    pub(super) fn reviewer(&self) -> Arc<dyn Reviewer> {
        Arc::clone(&self.reviewer) as Arc<dyn Reviewer>
    }

    /// Looks whether anything has changed; see [`Follower::look`].
    pub(super) fn reload(&self, insist: bool) -> Result<Look, ReachError> {
        let look = self.follower.look(insist, |access| {
            self.reviewer.renew(client(access, &self.kubeconfig)?);
            Ok(())
        });
        look.map_err(|error| ReachError::Delegate {
            setting: self.setting,
            error,
        })
    }
}

/// Reads a kubeconfig whose API server is to be asked about callers, and keeps nothing.
///
/// # Errors
///
/// When it cannot be used, or has no credentials.
pub fn check_delegate(kubeconfig: &Path) -> Result<(), DelegateError> {
    let access = source(kubeconfig).read()?;
    client(&access, kubeconfig).map(drop)
}

pub(super) fn source(kubeconfig: &Path) -> AccessSource {
    AccessSource::Kubeconfig {
        path: kubeconfig.to_owned(),
        context: None,
    }
}

fn client(access: &Access, kubeconfig: &Path) -> Result<Client, DelegateError> {
    if !super::has_say(access) {
        return Err(DelegateError::NoCredentials(kubeconfig.to_owned()));
    }
    Ok(access.client()?)
}
