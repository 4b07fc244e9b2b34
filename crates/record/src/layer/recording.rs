//! One request while it is being audited: what the layer, both bodies and inner services share.
//!
//! The end comes once, from whichever side it comes first: the answer's last frame, an error, a panic, a body or a future
//! that is dropped, the last hold. Whoever takes the audit out of the lock makes the last events, and everybody else finds nothing. The
//! lock is held for moments and never across an await.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use kubevigil_audit::time::Timestamp;
use tokio_util::task::task_tracker::TaskTrackerToken;

use crate::auditing::{Auditing, Share};
use crate::auditor::Audit;
use crate::event::{AuditEvent, UserInfo};
use crate::latency::Part;
use crate::layer::body_copy::BodyCopy;
use crate::layer::emission::Emission;
use crate::layer::ending::Ending;

/// What Go's reverse proxy panics with when an answer breaks off.
pub(super) const ABORTED: &str = "net/http: abort Handler";

/// An audited request: an extension of the request that the layer puts there for inner services. Cheap to clone.
///
/// What is told after the last event is made is ignored.
#[derive(Clone)]
pub struct Recording(Arc<Shared>);

struct Shared {
    auditing: Arc<Auditing>,
    /// What copies of bodies are made of: empty, and this caller's.
    share: Share,
    state: Mutex<State>,
    /// Whose turn it is to hand events over: a request's events reach the sink in their order, even those that nobody waits for.
    turn: tokio::sync::Mutex<()>,
}

struct State {
    /// `None` once the last events are made.
    open: Option<Open>,
    request: Option<BodyCopy>,
    answer: Option<BodyCopy>,
    /// A body is left out that the policy wants.
    is_cut: bool,
    panic: Option<String>,
    holds: usize,
    /// The answer is sent, or nobody is there to send it to.
    is_over: bool,
}

struct Open {
    /// On the heap because it is large and goes from hand to hand.
    audit: Box<Audit>,
    token: TaskTrackerToken,
}

impl Recording {
    pub(super) fn new(auditing: &Arc<Auditing>, audit: Audit) -> Self {
        let share = auditing.share(&audit);
        let open = Open {
            audit: Box::new(audit),
            token: auditing.token(),
        };
        Self(Arc::new(Shared {
            auditing: Arc::clone(auditing),
            share,
            state: Mutex::new(State {
                open: Some(open),
                request: None,
                answer: None,
                is_cut: false,
                panic: None,
                holds: 0,
                is_over: false,
            }),
            turn: tokio::sync::Mutex::new(()),
        }))
    }

    /// Adds an annotation to every later event. The first value of a key stays.
    pub fn annotate(&self, key: impl Into<String>, value: impl Into<String>) {
        self.with(|audit| audit.annotate(key, value));
    }

    /// The client wants to be somebody else, and whoever comes behind decides about that: the events say so unless the answer shows
    /// that it was denied. `constraint` is the verb of constrained impersonation (spec 6.7).
    pub fn impersonating(&self, user: UserInfo, constraint: Option<String>) {
        self.with(|audit| audit.impersonating(user, constraint));
    }

    /// The request is carried out as somebody else, and that is decided.
    pub fn impersonated(&self, user: UserInfo, constraint: Option<String>) {
        self.with(|audit| audit.impersonated(user, constraint));
    }

    /// Adds to what a part of the work took.
    pub fn took(&self, part: Part, time: Duration) {
        self.with(|audit| audit.took(part, time));
    }

    /// The answer broke off, or will: whatever else happens, the request ends with the stage `Panic`. The first message stays.
    pub fn panicked(&self, message: &str) {
        let mut state = self.lock();
        if state.panic.is_none() {
            state.panic = Some(message.to_owned());
        }
    }

    /// The request goes on behind its answer, as an upgraded connection does, until every hold is dropped. To be taken before
    /// the answer is returned.
    pub fn hold(&self) -> Hold {
        self.lock().holds += 1;
        Hold(self.clone())
    }

    pub(super) fn auditing(&self) -> &Arc<Auditing> {
        &self.0.auditing
    }

    /// Memory for a copy of a body.
    pub(super) fn share(&self) -> Share {
        self.0.share.another()
    }

    /// Does something with the audit, unless it is over.
    pub(super) fn with<T>(&self, action: impl FnOnce(&mut Audit) -> T) -> Option<T> {
        let mut state = self.lock();
        state.open.as_mut().map(|open| action(&mut open.audit))
    }

    /// Hands one event over.
    pub(super) fn tell(&self, event: AuditEvent) -> Emission {
        let recording = self.clone();
        let token = self.auditing().token();
        Emission::new(self.auditing(), async move {
            let _turn = recording.0.turn.lock().await;
            let kept = recording.auditing().emit(event).await;
            drop(token);
            kept
        })
    }

    /// Hands the last events over.
    fn conclude(&self, ending: Ending) -> Emission {
        let recording = self.clone();
        Emission::new(self.auditing(), async move {
            let _turn = recording.0.turn.lock().await;
            ending.tell(recording.auditing()).await
        })
    }

    /// The whole body of the request came by.
    pub(super) fn requested(&self, copy: BodyCopy) {
        let mut state = self.lock();
        if state.open.is_some() {
            state.request = Some(copy);
        }
    }

    /// The whole body of the answer came by.
    pub(super) fn answered(&self, copy: BodyCopy) {
        let mut state = self.lock();
        if state.open.is_some() {
            state.answer = Some(copy);
        }
    }

    /// A body that the policy wants is left out for reasons of our own.
    pub(super) fn body_dropped(&self) {
        self.auditing().counters().count_dropped_body();
        self.lock().is_cut = true;
    }

    /// There will be no further event.
    pub(super) fn forget(&self) {
        let mut state = self.lock();
        (state.open, state.request, state.answer) = (None, None, None);
    }

    /// The answer is sent, or nobody is there to send it to: the last events, if they are due now.
    pub(super) fn end(&self) -> Option<Emission> {
        let now = self.auditing().now();
        let mut state = self.lock();
        state.is_over = true;
        let ending = state.ending(now);
        drop(state);
        ending.map(|ending| self.conclude(ending))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        let state = self.0.state.lock();
        state.unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// What the request has come to, if it is over.
    fn ending(&mut self, now: Timestamp) -> Option<Ending> {
        let is_held = self.holds > 0 && self.panic.is_none();
        if !self.is_over || is_held {
            return None;
        }
        let Open { audit, token } = self.open.take()?;
        Some(Ending {
            audit,
            request: self.request.take(),
            answer: self.answer.take(),
            is_cut: self.is_cut,
            panic: self.panic.take(),
            at: now,
            token,
        })
    }
}

/// A part of a request's work that goes on behind its answer. See [`Recording::hold`].
pub struct Hold(Recording);

impl Drop for Hold {
    fn drop(&mut self) {
        let Self(recording) = self;
        let now = recording.auditing().now();
        let mut state = recording.lock();
        state.holds -= 1;
        let ending = state.ending(now);
        drop(state);
        // Nobody waits for the events, so they are handed over in a task.
        drop(ending.map(|ending| recording.conclude(ending)));
    }
}

/// Ends the recording when it is dropped, if nobody did before: the client has gone.
pub(super) struct Unfinished(pub(super) Recording);

impl Drop for Unfinished {
    fn drop(&mut self) {
        drop(self.0.end());
    }
}
