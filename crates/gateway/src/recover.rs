//! What a client gets when the gateway itself panics: a mistake of kubevigil's, which must not look like the network's.
//!
//! A kube-apiserver answers 500 with a plain text, if it has not begun to answer; panics below its audit filter leave an event of stage
//! Panic (spec 6.1, 6.3), which the audit layer writes before the panic gets here. Without this service the connection would just break,
//! and clients would ask again and again. An answer that has begun is broken off, as there.

use std::convert::Infallible;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::{Request, Response, StatusCode};
use http_body_util::Either;
use pin_project_lite::pin_project;
use tower_layer::Layer;
use tower_service::Service;

use crate::answer::{self, OwnBody};
use crate::counters::GatewayCounters;

/// Answers for services that panic. To stand outside of everything that may.
#[derive(Clone)]
pub struct RecoverLayer(Arc<GatewayCounters>);

impl RecoverLayer {
    /// Counts panics.
    pub fn new(counters: Arc<GatewayCounters>) -> Self {
        Self(counters)
    }
}

impl<S> Layer<S> for RecoverLayer {
    type Service = Recover<S>;

    fn layer(&self, inner: S) -> Recover<S> {
        let counters = Arc::clone(&self.0);
        Recover { inner, counters }
    }
}

/// See [`RecoverLayer`].
#[derive(Clone)]
pub struct Recover<S> {
    inner: S,
    counters: Arc<GatewayCounters>,
}

impl<S, B, RB> Service<Request<B>> for Recover<S>
where
    S: Service<Request<B>, Response = Response<RB>, Error = Infallible>,
{
    type Response = Response<Either<OwnBody, RB>>;
    type Error = Infallible;
    type Future = RecoverFuture<S::Future>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        // What a panic leaves half done belongs to one request, and nobody looks at it again.
        let future = catch_unwind(AssertUnwindSafe(|| self.inner.call(request))).ok();
        let counters = Arc::clone(&self.counters);
        RecoverFuture { future, counters }
    }
}

pin_project! {
    /// The answer, or one for a panic.
    pub struct RecoverFuture<F> {
        // `None` after a panic.
        #[pin]
        future: Option<F>,
        counters: Arc<GatewayCounters>,
    }
}

impl<F, RB> Future for RecoverFuture<F>
where
    F: Future<Output = Result<Response<RB>, Infallible>>,
{
    type Output = Result<Response<Either<OwnBody, RB>>, Infallible>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let polled = this.future.as_pin_mut().and_then(|future| {
            let poll = AssertUnwindSafe(|| future.poll(context));
            catch_unwind(poll).ok()
        });
        match polled {
            Some(polled) => polled.map(|Ok(answer)| Ok(answer.map(Either::Right))),
            None => {
                this.counters.panics.add(1);
                tracing::error!(
                    "a request made the gateway panic: please report it with the lines above"
                );
                Poll::Ready(Ok(panicked().map(Either::Left)))
            }
        }
    }
}

fn panicked() -> Response<OwnBody> {
    let text = "This request caused apiserver to panic. Look in the logs for details.";
    answer::text(StatusCode::INTERNAL_SERVER_ERROR, text)
}
