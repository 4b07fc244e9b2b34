//! How many requests may be in flight at once, in all and of one caller.
//!
//! Each of them holds a connection to the upstream, and HTTP/2 lets one client have hundreds on each of its own. A kube-apiserver has
//! the same limit (`--max-requests-inflight`), answers with the same words, and also records who was sent away. It does not limit
//! watches; a gateway, to which each is a connection, has to.
//!
//! A caller gets another place only while more are free than it holds: alone at most half of them, two greedy ones a third each,
//! and so on, so that there is always one for somebody new. A fixed share would be too small for a user that runs on every node, or too
//! large where a few share the whole between them. Users are told apart by name, whoever has none by address.

use std::collections::HashMap;
use std::convert::Infallible;
use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body::{Body, Frame, SizeHint};
use http_body_util::Either;
use kubevigil_record::layer::{Caller, PeerAddress};
use pin_project_lite::pin_project;
use tower_layer::Layer;
use tower_service::Service;

use crate::answer::{self, OwnBody};
use crate::arrival::TimeAllowed;
use crate::counters::GatewayCounters;
use crate::either::EitherFuture;
use crate::identity::ANONYMOUS;

/// Sends requests away that are too many, with 429. To stand inside of the audit layer.
#[derive(Clone)]
pub struct CrowdLayer(Arc<Crowd>);

/// Who is inside.
struct Crowd {
    short: Group,
    long_running: Group,
    counters: Arc<GatewayCounters>,
}

struct Group {
    most: usize,
    inside: Mutex<Counts>,
    hasher: RandomState,
}

#[derive(Default)]
struct Counts {
    all: usize,
    /// By the hash of the caller, which takes no memory for long names.
    callers: HashMap<u64, usize>,
}

impl CrowdLayer {
    /// At most so many short and so many long-running requests at once.
    pub fn new(short: usize, long_running: usize, counters: Arc<GatewayCounters>) -> Self {
        Self(Arc::new(Crowd {
            short: Group::new(short),
            long_running: Group::new(long_running),
            counters,
        }))
    }
}

impl<S> Layer<S> for CrowdLayer {
    type Service = Crowded<S>;

    fn layer(&self, inner: S) -> Crowded<S> {
        let crowd = Arc::clone(&self.0);
        Crowded { crowd, inner }
    }
}

/// See [`CrowdLayer`].
#[derive(Clone)]
pub struct Crowded<S> {
    crowd: Arc<Crowd>,
    inner: S,
}

impl<S, B, RB> Service<Request<B>> for Crowded<S>
where
    S: Service<Request<B>, Response = Response<RB>, Error = Infallible>,
{
    type Response = Response<Either<OwnBody, InsideBody<RB>>>;
    type Error = Infallible;
    type Future = EitherFuture<InsideFuture<S::Future>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        let Some(ticket) = Ticket::take(&self.crowd, &request) else {
            self.crowd.counters.sent_away.add(1);
            return EitherFuture::own(too_many());
        };
        let ticket = Inside(Arc::new(ticket));
        request.extensions_mut().insert(ticket.clone());
        EitherFuture::inner(InsideFuture {
            future: self.inner.call(request),
            ticket: Some(ticket),
        })
    }
}

fn too_many() -> Response<OwnBody> {
    let message = "Too many requests, please try again later.";
    answer::soon(answer::text(StatusCode::TOO_MANY_REQUESTS, message))
}

/// An extension of a request: it counts until every clone is dropped. Whoever goes on for longer than the answer, as a tunnel does,
/// keeps one.
#[derive(Clone)]
pub struct Inside(#[expect(dead_code, reason = "it is held for its end")] Arc<Ticket>);

struct Ticket {
    crowd: Arc<Crowd>,
    is_long_running: bool,
    caller: u64,
}

impl Ticket {
    fn take<B>(crowd: &Arc<Crowd>, request: &Request<B>) -> Option<Self> {
        let allowed = request.extensions().get::<TimeAllowed>();
        let is_long_running = allowed.is_none_or(|allowed| allowed.0.is_none());
        let group = crowd.group(is_long_running);
        let caller = group.caller(request);
        group.enter(caller).then(|| Self {
            crowd: Arc::clone(crowd),
            is_long_running,
            caller,
        })
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.crowd.group(self.is_long_running).leave(self.caller);
    }
}

impl Crowd {
    fn group(&self, is_long_running: bool) -> &Group {
        match is_long_running {
            true => &self.long_running,
            false => &self.short,
        }
    }
}

impl Group {
    fn new(most: usize) -> Self {
        Self {
            most,
            inside: Mutex::default(),
            hasher: RandomState::new(),
        }
    }

    fn caller<B>(&self, request: &Request<B>) -> u64 {
        let extensions = request.extensions();
        match extensions.get::<Caller>() {
            Some(Caller::Known(user)) if user.username != ANONYMOUS => {
                self.hasher.hash_one(&user.username)
            }
            _ => {
                let address: Option<IpAddr> = extensions.get::<PeerAddress>().map(|peer| peer.0);
                self.hasher.hash_one(address)
            }
        }
    }

    fn enter(&self, caller: u64) -> bool {
        let mut inside = self.lock();
        let all = inside.all;
        if all >= self.most {
            return false;
        }
        let own = inside.callers.entry(caller).or_default();
        if *own >= self.most.saturating_sub(all) {
            return false;
        }
        *own += 1;
        inside.all += 1;
        true
    }

    fn leave(&self, caller: u64) {
        let mut inside = self.lock();
        inside.all = inside.all.saturating_sub(1);
        if let Some(own) = inside.callers.get_mut(&caller) {
            *own = own.saturating_sub(1);
            if *own == 0 {
                inside.callers.remove(&caller);
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Counts> {
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

pin_project! {
    /// The answer to a request that is inside.
    pub struct InsideFuture<F> {
        #[pin]
        future: F,
        ticket: Option<Inside>,
    }
}

impl<F, RB> Future for InsideFuture<F>
where
    F: Future<Output = Result<Response<RB>, Infallible>>,
{
    type Output = Result<Response<InsideBody<RB>>, Infallible>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let Ok(answer) = ready!(this.future.poll(context));
        let ticket = this.ticket.take();
        Poll::Ready(Ok(answer.map(|inner| InsideBody { inner, ticket })))
    }
}

pin_project! {
    /// A body whose request is inside until all of it was sent.
    pub struct InsideBody<B> {
        #[pin]
        inner: B,
        ticket: Option<Inside>,
    }
}

impl<B: Body<Data = Bytes>> Body for InsideBody<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let this = self.project();
        let frame = ready!(this.inner.poll_frame(context));
        if frame.is_none() {
            *this.ticket = None;
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn greedy_callers_leave_room_for_new_ones() {
        let group = Group::new(5);
        let enter = |caller| group.enter(caller);
        assert_eq!(
            [enter(1), enter(1), enter(1), enter(1)],
            [true, true, true, false]
        );
        assert_eq!([enter(2), enter(2)], [true, false]);
        assert_eq!([enter(3), enter(3)], [true, false]);
        assert!(!enter(4), "all are taken");
        group.leave(1);
        assert!(enter(4));
        for caller in [1, 1, 2, 3, 4] {
            group.leave(caller);
        }
        assert_eq!(group.lock().all, 0);
        assert!(group.lock().callers.is_empty(), "nobody is remembered");
    }

    #[test]
    fn where_there_is_one_place_anybody_may_have_it() {
        let group = Group::new(1);
        assert!(group.enter(1));
        assert!(!group.enter(2));
    }
}
