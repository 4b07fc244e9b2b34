//! How the upstream is reached, followed while it changes.
//!
//! A kubeconfig, or an authority beside it, that is rotated goes in force as a whole: address, authority, credentials and proxy of one
//! reading belong together. Requests under way end where they began; new ones find connections of their own, so that nothing speaks to
//! whom a withdrawn authority vouched for. What is broken changes nothing.

mod delegate;

use std::sync::Arc;

use kubevigil_diagnostics::Diagnostic;
use kubevigil_kubeconfig::{Access, AccessError, AccessSource, Follower, InCluster};
use kubevigil_tls::Look;
use tokio_util::sync::CancellationToken;
use url::Url;

pub use self::delegate::{DelegateError, check_delegate};

use self::delegate::Delegate;
use crate::config::{GatewayConfig, UpstreamConfig};
use crate::forward::{Forward, ForwardLimits, UpstreamError};
use crate::identity::{IdentityMode, Reviewer, UpstreamReviewer};

/// The ways to the upstream: for requests, and for the gateway's own questions.
pub(crate) struct Reach {
    mode: IdentityMode,
    /// As it was read first.
    server: Url,
    follower: Follower,
    forward: Forward,
    /// `None` without credentials, or if others are asked.
    reviewer: Option<Arc<UpstreamReviewer>>,
    /// Who says whose a token is, if it is not the upstream.
    authentication: Option<Delegate>,
    /// Who says who may impersonate whom, if it is not the upstream.
    authorization: Option<Delegate>,
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
    /// An API server that is to be asked instead of the upstream cannot be.
    #[error("gateway.identity.{setting}: {error}")]
    Delegate {
        /// Which setting.
        setting: &'static str,
        /// Why.
        error: DelegateError,
    },
}

impl Reach {
    /// Reads what the settings say. `drain` ends tunnels.
    pub(crate) fn new(
        config: &GatewayConfig,
        limits: ForwardLimits,
        drain: CancellationToken,
    ) -> Result<Self, ReachError> {
        let identity = &config.identity;
        let delegate = |(setting, path)| Delegate::new(setting, path);
        let authentication = identity.authentication_delegate().map(delegate);
        let authorization = identity.authorization_delegate().map(delegate);
        let (authentication, authorization) =
            (authentication.transpose()?, authorization.transpose()?);
        let mode = identity.mode;
        let (access, follower) = source(&config.upstream).follow()?;
        let asks_nothing = authentication.is_some()
            && (authorization.is_some() || mode == IdentityMode::Passthrough);
        let asks = check(&access, mode)? && !asks_nothing;
        let client = asks.then(|| access.client()).transpose()?;
        Ok(Self {
            mode,
            server: access.server.clone(),
            follower,
            forward: Forward::to(&access, mode, limits, drain)?,
            reviewer: client.map(|client| Arc::new(UpstreamReviewer::new(client))),
            authentication,
            authorization,
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

    /// The addresses of those that are asked instead of it, as they were read first.
    pub(crate) fn delegates(&self) -> impl Iterator<Item = &Url> {
        self.delegating().map(|delegate| &delegate.server)
    }

    /// Who is asked whose a token is, and for the keys of tokens, if the gateway has credentials.
    pub(crate) fn authentication(&self) -> Option<Arc<dyn Reviewer>> {
        self.asked(self.authentication.as_ref())
    }

    /// Who is asked who may impersonate whom, if the gateway has credentials.
    pub(crate) fn authorization(&self) -> Option<Arc<dyn Reviewer>> {
        self.asked(self.authorization.as_ref())
    }

    /// Looks whether anything has changed, and renews both ways, or none; see [`Follower::look`].
    pub(crate) fn reload(&self, insist: bool) -> Result<Look, ReachError> {
        self.follower.look(insist, |access| self.renew(access))
    }

    /// The same for those that are asked instead of the upstream.
    pub(crate) fn reload_delegates(
        &self,
        insist: bool,
    ) -> impl Iterator<Item = Result<Look, ReachError>> {
        self.delegating()
            .map(move |delegate| delegate.reload(insist))
    }

    fn delegating(&self) -> impl Iterator<Item = &Delegate> {
        self.authentication.iter().chain(&self.authorization)
    }

    fn asked(&self, delegate: Option<&Delegate>) -> Option<Arc<dyn Reviewer>> {
        let upstream = || {
            let reviewer = self.reviewer.clone();
            reviewer.map(|reviewer| reviewer as Arc<dyn Reviewer>)
        };
        delegate.map(Delegate::reviewer).or_else(upstream)
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

/// What the settings of the upstream, and of those that are asked instead of it, say and nobody heeds, or somebody will regret: that nobody
/// verifies who a server is, for instance. The start says the same in the log. Empty for those that cannot be read.
pub fn upstream_warnings(config: &GatewayConfig) -> Vec<Diagnostic> {
    let delegates = config.identity.delegates();
    let delegates = delegates.map(|(_, kubeconfig)| delegate::source(kubeconfig));
    let sources = std::iter::once(source(&config.upstream)).chain(delegates);
    sources
        .filter_map(|source| source.read().ok())
        .flat_map(|access| access.warnings)
        .collect()
}

/// Whether the gateway has a say of its own. Over plain HTTP nobody has credentials; such a server trusts whoever reaches it.
fn has_say(access: &Access) -> bool {
    access.tls.is_none() || !access.credentials.is_empty()
}

fn check(access: &Access, mode: IdentityMode) -> Result<bool, ReachError> {
    let has_say = has_say(access);
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
