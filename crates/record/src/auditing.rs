//! What all audited requests share: the policy of the moment, where events go, and what is counted.
//!
//! The policy can be replaced while requests are on their way. A request looks at it once, when it comes in; the decision stays
//! with it. A lock around the policy would let one slow reader stop every request, so it is swapped instead.

mod budget;
mod counters;

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::thread::available_parallelism;
use std::time::{SystemTime, UNIX_EPOCH};

use arc_swap::ArcSwap;
use kubevigil_audit::policy::{Policy, PolicyLevel};
use kubevigil_audit::time::Timestamp;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio_util::task::TaskTracker;
use tokio_util::task::task_tracker::TaskTrackerToken;

use crate::auditor::Audit;
use crate::event::AuditEvent;
use crate::request::RequestHead;
use crate::sink::{Sink, SinkError};

pub(crate) use crate::auditing::budget::{Budget, Share};
pub use crate::auditing::counters::AuditCounters;

/// Tells the time. Called for every stage of every request.
pub type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// The time of this machine.
pub fn wall_clock() -> Timestamp {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let nanoseconds = now.unwrap_or_default().as_nanos();
    Timestamp {
        nanoseconds: i128::try_from(nanoseconds).unwrap_or_default(),
    }
}

/// How much memory copies of bodies may take. What does not fit is left out of the events; it passes untouched.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Limits {
    /// The longest body that is recorded, in bytes: as it came, decompressed, and as it is written. 16 MiB unless told.
    pub recorded_body: usize,
    /// All bodies together, until every sink has let go of their events, in bytes; one caller gets half of it at most. 256 MiB unless told.
    pub recorded_bodies_in_all: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            recorded_body: 16 * 1024 * 1024,
            recorded_bodies_in_all: 256 * 1024 * 1024,
        }
    }
}

/// Shared by all requests, by the layers of several services if need be.
pub struct Auditing {
    policy: ArcSwap<Policy>,
    sink: Arc<dyn Sink>,
    must_keep: bool,
    counters: AuditCounters,
    limits: Limits,
    budget: Arc<Budget>,
    clock: Clock,
    open: TaskTracker,
    /// Turns to work on large bodies, which is nothing but computing: half of the processors are left to the requests.
    large_bodies: Semaphore,
}

impl Auditing {
    /// Records what the policy says to the sink, with the default limits and this machine's clock.
    pub fn new(policy: Policy, sink: Arc<dyn Sink>) -> Arc<Self> {
        Self::with(policy, sink, Limits::default(), Arc::new(wall_clock))
    }

    /// The same with limits and a clock of the caller's choice.
    pub fn with(policy: Policy, sink: Arc<dyn Sink>, limits: Limits, clock: Clock) -> Arc<Self> {
        let processors = available_parallelism().map_or(1, NonZeroUsize::get);
        Arc::new(Self {
            policy: ArcSwap::from_pointee(policy),
            must_keep: sink.must_keep(),
            sink,
            counters: AuditCounters::default(),
            limits,
            budget: Arc::new(Budget::new(limits.recorded_bodies_in_all)),
            clock,
            open: TaskTracker::new(),
            large_bodies: Semaphore::new(processors.div_ceil(2)),
        })
    }

    /// Puts another policy into force for every request that comes in from now on.
    pub fn set_policy(&self, new: Policy) {
        self.policy.store(Arc::new(new));
    }

    /// The policy in force.
    pub fn policy(&self) -> Arc<Policy> {
        self.policy.load_full()
    }

    /// What was counted so far.
    pub fn counters(&self) -> &AuditCounters {
        &self.counters
    }

    /// The bytes that bodies hold at the moment, on their way and in events that a sink still has.
    pub fn recorded_bytes(&self) -> usize {
        self.budget.held()
    }

    /// Hands an event to the sink that is no request's, such as a change of the policy.
    ///
    /// # Errors
    ///
    /// When the sink says that the event is lost.
    pub async fn emit(&self, event: AuditEvent) -> Result<(), SinkError> {
        self.counters.count_event();
        self.sink.emit(&[Arc::new(event)]).await
    }

    /// Waits until the events of every audited request are with the sink, then closes it. To be called when no request comes
    /// in any more.
    ///
    /// It waits for requests that are still being answered, too, and for every [`Hold`](crate::layer::Hold). Who has no patience for them
    /// calls [`Self::settle`] within a time-out and then [`Self::close`].
    pub async fn drain(&self) {
        self.settle().await;
        self.close().await;
    }

    /// Waits until the events of every audited request are with the sink.
    pub async fn settle(&self) {
        self.open.close();
        self.open.wait().await;
    }

    /// Closes the sink: [`Sink::shutdown`].
    pub async fn close(&self) {
        self.sink.shutdown().await;
    }

    /// Puts a request to the policy; `None` when it leaves no event.
    pub(crate) fn begin(&self, head: RequestHead, received: Timestamp) -> Option<Audit> {
        let audit = Audit::begin(&self.policy.load(), head, received);
        let level = audit.as_ref().map_or(PolicyLevel::None, Audit::level);
        self.counters.count_level(level);
        audit
    }

    pub(crate) fn now(&self) -> Timestamp {
        (self.clock)()
    }

    /// Whether the answer has to be broken off if its last event is not kept.
    pub(crate) fn must_keep(&self) -> bool {
        self.must_keep
    }

    pub(crate) fn limits(&self) -> Limits {
        self.limits
    }

    /// Memory for copies of a request's bodies: none at first.
    pub(crate) fn share(&self, audit: &Audit) -> Share {
        Share::of(&self.budget, self.budget.owner(audit.event()))
    }

    /// Waits for a turn to work on a large body, which lasts until it is dropped.
    pub(crate) async fn large_body(&self) -> Option<SemaphorePermit<'_>> {
        // It is never closed.
        self.large_bodies.acquire().await.ok()
    }

    /// While it lives, [`Self::settle`] waits.
    pub(crate) fn token(&self) -> TaskTrackerToken {
        self.open.token()
    }
}
