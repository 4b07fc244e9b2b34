//! How the upstream is reached, followed while it changes.
//!
//! A kubeconfig, or an authority beside it, that is rotated goes in force as a whole: address, authority, credentials and proxy of one
//! reading belong together. Requests under way end where they began; new ones find connections of their own, so that nothing speaks to
//! whom a withdrawn authority vouched for. What is broken changes nothing.

use std::sync::Arc;

use kubevigil_diagnostics::Diagnostic;
use kubevigil_kubeconfig::{Access, AccessError, AccessSource, Follower, InCluster};
use kubevigil_tls::Look;
use tokio_util::sync::CancellationToken;
use url::Url;

use crate::config::UpstreamConfig;
use crate::forward::{Forward, ForwardLimits, UpstreamError};
use crate::identity::{IdentityMode, Reviewer, UpstreamReviewer};

/// The ways to the upstream: for requests, and for the gateway's own questions.
pub(crate) struct Reach {
    mode: IdentityMode,
    /// As it was read first.
    server: Url,
    follower: Follower,
    forward: Forward,
    /// `None` without credentials.
    reviewer: Option<Arc<UpstreamReviewer>>,
}

/// Why the upstream cannot be reached as it is asked for.
#[derive(Debug, thiserror::Error)]
pub enum ReachError {
    /// The kubeconfig, or what it names, is wrong.
    #[error(transparent)]
    Access(#[from] AccessError),
    /// The address cannot be used.
    #[error("gateway.upstream: {0}")]
    Upstream(#[from] UpstreamError),
    /// There is nothing to impersonate with.
    #[error(
        "gateway.identity.mode is impersonate, but the gateway has no credentials of its own: name a kubeconfig that has some in \
         gateway.upstream.kubeconfig, or set gateway.upstream.in_cluster"
    )]
    NothingToImpersonateWith,
    /// There were credentials at the start.
    #[error(
        "gateway.upstream has no credentials any more, and the gateway may need them to ask about callers; put them back, or restart it"
    )]
    NothingToAskWith,
}

impl Reach {
    /// Reads what the settings say. `drain` ends tunnels.
    pub(crate) fn new(
        config: &UpstreamConfig,
        mode: IdentityMode,
        limits: ForwardLimits,
        drain: CancellationToken,
    ) -> Result<Self, ReachError> {
        let (access, follower) = source(config).follow()?;
        let has_say = check(&access, mode)?;
        let client = has_say.then(|| access.client()).transpose()?;
        Ok(Self {
            mode,
            server: access.server.clone(),
            follower,
            forward: Forward::to(&access, mode, limits, drain)?,
            reviewer: client.map(|client| Arc::new(UpstreamReviewer::new(client))),
        })
    }

    /// The server's address, as it was read first.
    pub(crate) fn server(&self) -> &Url {
        &self.server
    }

    /// The way for requests.
    pub(crate) fn forward(&self) -> &Forward {
        &self.forward
    }

    /// Who is asked about callers, if the gateway has credentials.
    pub(crate) fn reviewer(&self) -> Option<Arc<dyn Reviewer>> {
        let reviewer = self.reviewer.clone();
        reviewer.map(|reviewer| reviewer as Arc<dyn Reviewer>)
    }

    /// Looks whether anything has changed, and renews both ways, or none; see [`Follower::look`].
    pub(crate) fn reload(&self, insist: bool) -> Result<Look, ReachError> {
        self.follower.look(insist, |access| self.renew(access))
    }

    fn renew(&self, access: &Access) -> Result<(), ReachError> {
        let has_say = check(access, self.mode)?;
        if self.reviewer.is_some() && !has_say {
            return Err(ReachError::NothingToAskWith);
        }
        let client = access.client()?;
        self.forward.lead_to(access, self.mode)?;
        if let Some(reviewer) = &self.reviewer {
            reviewer.renew(client);
        }
        Ok(())
    }
}

/// What the upstream's settings say and nobody heeds, or somebody will regret: that nobody verifies who the upstream is, for instance. The
/// start says the same in the log. Empty if they cannot be read.
pub fn upstream_warnings(upstream: &UpstreamConfig) -> Vec<Diagnostic> {
    let read = source(upstream).read();
    read.map_or_else(|_| Vec::new(), |access| access.warnings)
}

/// Whether the gateway has a say of its own. Over plain HTTP nobody has credentials; such an upstream trusts whoever reaches it.
fn check(access: &Access, mode: IdentityMode) -> Result<bool, ReachError> {
    let has_say = access.tls.is_none() || !access.credentials.is_empty();
    if mode == IdentityMode::Impersonate && !has_say {
        return Err(ReachError::NothingToImpersonateWith);
    }
    Ok(has_say)
}

fn source(upstream: &UpstreamConfig) -> AccessSource {
    if let Some(path) = &upstream.kubeconfig {
        return AccessSource::Kubeconfig {
            path: path.clone(),
            context: upstream.context.clone(),
        };
    }
    match &upstream.server {
        Some(server) => AccessSource::Server {
            address: server.as_str().to_owned(),
            authority: upstream.ca.clone(),
        },
        None => AccessSource::Pod(InCluster::from_environment()),
    }
}
