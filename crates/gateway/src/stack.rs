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
use crate::crowd::{CrowdLayer, Crowded};
use crate::forward::{Forward, ForwardLimits};
use crate::gateway::BindError;
use crate::identity::{
    Authenticate, AuthenticateLayer, Authenticator, IdentityMode, Reviewer, UpstreamReviewer,
};
use crate::impersonate::{Impersonate, ImpersonateLayer};
use crate::refuse::{Refuse, RefuseLayer};
use crate::room::Room;
use crate::workers;

/// All services, outermost first. What is refused inside of the audit service is recorded, what is turned away outside is not.
pub(crate) type Stack = Arrival<Authenticate<AuditService<Refuse<Crowded<Impersonate<Forward>>>>>>;

/// What stacks are made of. All connections share it.
pub(crate) struct Parts {
    pub(crate) authenticator: Arc<Authenticator>,
    pub(crate) auditing: Arc<Auditing>,
    pub(crate) room: Room,
    arrival: ArrivalLayer,
    crowd: CrowdLayer,
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
        let (authenticator, reviewer) = identity(config, &access)?;
        let room = Room::within(config, kubevigil_connections::raise_limit());
        let usual = ForwardLimits::default();
        // Each thread keeps its own.
        let limits = ForwardLimits {
            connect: config.connect_timeout(),
            idle_connections: usual.idle_connections.min(room.requests / workers::count()),
            ..usual
        };
        Ok(Self {
            arrival: arrival(config, counters),
            crowd: CrowdLayer::new(room.requests, room.long_running, Arc::clone(counters)),
            room,
            authenticator: Arc::new(authenticator),
            auditing,
            impersonate: ImpersonateLayer::new(mode, reviewer.as_ref())?,
            forward: Forward::to(&access, mode, limits, cut)?,
        })
    }

    /// A stack with upstream connections of its own.
    pub(crate) fn stack(&self) -> Stack {
        let forward = self.forward.apart();
        let crowd = self.crowd.layer(self.impersonate.layer(forward));
        let refuse = RefuseLayer.layer(crowd);
        let audit = AuditLayer::new(Arc::clone(&self.auditing)).layer(refuse);
        let authenticate = AuthenticateLayer::new(Arc::clone(&self.authenticator)).layer(audit);
        self.arrival.layer(authenticate)
    }
}

/// Reads what the settings say of upstream and identity, as the start does, and keeps nothing.
///
/// # Errors
///
/// The first thing with which a gateway would not start.
pub fn check_identity(config: &GatewayConfig) -> Result<(), BindError> {
    let access = access(&config.upstream)?;
    identity(config, &access).map(drop)
}

/// Who finds out who asks, and who is asked about it.
fn identity(
    config: &GatewayConfig,
    access: &Access,
) -> Result<(Authenticator, Option<Arc<dyn Reviewer>>), BindError> {
    // Over plain HTTP nobody has credentials; such an upstream trusts whoever reaches it.
    let has_say = access.tls.is_none() || !access.credentials.is_empty();
    if config.identity.mode == IdentityMode::Impersonate && !has_say {
        return Err(BindError::NothingToImpersonateWith);
    }
    let reviewer = has_say.then(|| reviewer(access)).transpose()?;
    let authenticator = Authenticator::new(&config.identity, reviewer.as_ref())?;
    Ok((authenticator, reviewer))
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
