//! The services of a request, put together from the settings.

use std::sync::Arc;

use kubevigil_record::auditing::Auditing;
use kubevigil_record::layer::{AuditLayer, AuditService};
use tokio_util::sync::CancellationToken;
use tower_layer::Layer as _;

use crate::arrival::{Arrival, ArrivalLayer, ArrivalLimits};
use crate::config::GatewayConfig;
use crate::counters::GatewayCounters;
use crate::crowd::{CrowdLayer, Crowded};
use crate::forward::{Forward, ForwardLimits};
use crate::gateway::BindError;
use crate::identity::{Authenticate, AuthenticateLayer, Authenticator};
use crate::impersonate::{Impersonate, ImpersonateLayer};
use crate::reach::Reach;
use crate::recover::{Recover, RecoverLayer};
use crate::refuse::{Refuse, RefuseLayer};
use crate::room::Room;
use crate::workers;

/// All services, outermost first. What is refused inside of the audit service is recorded, what is turned away outside is not.
pub(crate) type Stack<S = Forward> =
    Arrival<Recover<Authenticate<AuditService<Refuse<Crowded<Impersonate<S>>>>>>>;

/// What stacks are made of. All connections share it.
pub(crate) struct Parts {
    pub(crate) authenticator: Arc<Authenticator>,
    pub(crate) auditing: Arc<Auditing>,
    pub(crate) room: Room,
    pub(crate) reach: Reach,
    arrival: ArrivalLayer,
    recover: RecoverLayer,
    crowd: CrowdLayer,
    impersonate: ImpersonateLayer,
}

impl Parts {
    /// Reads what the settings name. `cut` ends upgraded connections.
    pub(crate) fn new(
        config: &GatewayConfig,
        auditing: Arc<Auditing>,
        counters: &Arc<GatewayCounters>,
        cut: CancellationToken,
    ) -> Result<Self, BindError> {
        let room = Room::within(config, kubevigil_connections::raise_limit());
        let usual = ForwardLimits::default();
        // Each thread keeps its own.
        let limits = ForwardLimits {
            connect: config.connect_timeout(),
            idle_connections: usual.idle_connections.min(room.requests / workers::count()),
            ..usual
        };
        let reach = Reach::new(config, limits, cut)?;
        let authenticator = Authenticator::new(&config.identity, reach.authentication().as_ref())?;
        let authorization = reach.authorization();
        let mode = config.identity.mode;
        Ok(Self {
            arrival: arrival(config, counters),
            recover: RecoverLayer::new(Arc::clone(counters)),
            crowd: CrowdLayer::new(room.requests, room.long_running, Arc::clone(counters)),
            room,
            authenticator: Arc::new(authenticator),
            auditing,
            impersonate: ImpersonateLayer::new(mode, authorization.as_ref())?,
            reach,
        })
    }

    /// A stack with upstream connections of its own.
    pub(crate) fn stack(&self) -> Stack {
        self.around(self.reach.forward().apart())
    }

    /// All services around the innermost one.
    fn around<S>(&self, innermost: S) -> Stack<S> {
        let crowd = self.crowd.layer(self.impersonate.layer(innermost));
        let refuse = RefuseLayer.layer(crowd);
        let audit = AuditLayer::new(Arc::clone(&self.auditing)).layer(refuse);
        let authenticate = AuthenticateLayer::new(Arc::clone(&self.authenticator)).layer(audit);
        self.arrival.layer(self.recover.layer(authenticate))
    }
}

/// Reads what the settings say of upstream and identity, as the start does, and keeps nothing.
///
/// # Errors
///
/// The first thing with which a gateway would not start.
pub fn check_identity(config: &GatewayConfig) -> Result<(), BindError> {
    let (limits, cut) = (ForwardLimits::default(), CancellationToken::new());
    let reach = Reach::new(config, limits, cut)?;
    Authenticator::new(&config.identity, reach.authentication().as_ref())?;
    Ok(())
}

fn arrival(config: &GatewayConfig, counters: &Arc<GatewayCounters>) -> ArrivalLayer {
    let limits = ArrivalLimits {
        request_timeout: config.request_timeout(),
        stall_timeout: config.stall_timeout(),
        max_headers: config.max_headers,
    };
    ArrivalLayer::new(limits, Arc::clone(counters))
}

#[cfg(test)]
mod tests;
