//! The services of a request, put together from the settings.

use std::sync::Arc;

use kubevigil_kubeconfig::{Access, AccessError};
use kubevigil_record::auditing::Auditing;
use kubevigil_record::layer::{AuditLayer, AuditService};
use tokio_util::sync::CancellationToken;
use tower_layer::Layer as _;

use crate::arrival::{Arrival, ArrivalLayer, ArrivalLimits};
use crate::config::{GatewayConfig, UpstreamConfig};
use crate::counters::GatewayCounters;
use crate::forward::{Forward, ForwardLimits};
use crate::gateway::BindError;
use crate::identity::{
    Authenticate, AuthenticateLayer, Authenticator, IdentityMode, Reviewer, UpstreamReviewer,
};
use crate::impersonate::{Impersonate, ImpersonateLayer};
use crate::refuse::{Refuse, RefuseLayer};

/// All services, outermost first. What is refused inside of the audit service is recorded, what is turned away outside is not.
pub(crate) type Stack = Arrival<Authenticate<AuditService<Refuse<Impersonate<Forward>>>>>;

/// What stacks are made of. All connections share it.
pub(crate) struct Parts {
    pub(crate) authenticator: Arc<Authenticator>,
    pub(crate) auditing: Arc<Auditing>,
    arrival: ArrivalLayer,
    impersonate: ImpersonateLayer,
    forward: Forward,
}

impl Parts {
    /// Reads what the settings name. `cut` ends upgraded connections.
    pub(crate) fn new(
        config: &GatewayConfig,
        auditing: Arc<Auditing>,
        counters: &Arc<GatewayCounters>,
        cut: CancellationToken,
    ) -> Result<Self, BindError> {
        let access = access(&config.upstream)?;
        let mode = config.identity.mode;
        // Over plain HTTP nobody has credentials; such an upstream trusts whoever reaches it.
        let has_say = access.tls.is_none() || !access.credentials.is_empty();
        if mode == IdentityMode::Impersonate && !has_say {
            return Err(BindError::NothingToImpersonateWith);
        }
        let reviewer = has_say.then(|| reviewer(&access)).transpose()?;
        let authenticator = Authenticator::new(&config.identity, reviewer.as_ref())?;
        let limits = ForwardLimits {
            connect: config.connect_timeout(),
            ..ForwardLimits::default()
        };
        Ok(Self {
            arrival: arrival(config, counters),
            authenticator: Arc::new(authenticator),
            auditing,
            impersonate: ImpersonateLayer::new(mode, reviewer.as_ref())?,
            forward: Forward::to(&access, mode, limits, cut)?,
        })
    }

    pub(crate) fn stack(&self) -> Stack {
        let refuse = RefuseLayer.layer(self.impersonate.layer(self.forward.clone()));
        let audit = AuditLayer::new(Arc::clone(&self.auditing)).layer(refuse);
        let authenticate = AuthenticateLayer::new(Arc::clone(&self.authenticator)).layer(audit);
        self.arrival.layer(authenticate)
    }
}

fn access(upstream: &UpstreamConfig) -> Result<Access, AccessError> {
    if let Some(path) = &upstream.kubeconfig {
        return Access::load(path, upstream.context.as_deref());
    }
    match &upstream.server {
        Some(server) => Access::direct(server.as_str(), upstream.ca.as_deref()),
        None => Access::in_cluster(),
    }
}

fn reviewer(access: &Access) -> Result<Arc<dyn Reviewer>, AccessError> {
    Ok(Arc::new(UpstreamReviewer::new(access.client()?)))
}

fn arrival(config: &GatewayConfig, counters: &Arc<GatewayCounters>) -> ArrivalLayer {
    let limits = ArrivalLimits {
        request_timeout: config.request_timeout(),
        stall_timeout: config.stall_timeout(),
        max_headers: config.max_headers,
    };
    ArrivalLayer::new(limits, Arc::clone(counters))
}
