//! An answer of the gateway's own, or what an inner service answers, without a box around either.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use http::Response;
use http_body_util::Either;
use pin_project_lite::pin_project;

use crate::answer::OwnBody;

pin_project! {
    /// The future of a service that may answer itself.
    pub struct EitherFuture<F> {
        own: Option<Response<OwnBody>>,
        #[pin]
        inner: Option<F>,
    }
}

impl<F> EitherFuture<F> {
    /// The service answers itself.
    pub(crate) fn own(answer: Response<OwnBody>) -> Self {
        let own = Some(answer);
        Self { own, inner: None }
    }

    /// The inner service answers.
    pub(crate) fn inner(future: F) -> Self {
        let inner = Some(future);
        Self { own: None, inner }
    }
}

impl<F, RB> Future for EitherFuture<F>
where
    F: Future<Output = Result<Response<RB>, Infallible>>,
{
    type Output = Result<Response<Either<OwnBody, RB>>, Infallible>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        if let Some(answer) = this.own.take() {
            return Poll::Ready(Ok(answer.map(Either::Left)));
        }
        // Futures are not polled again when they are ready.
        let Some(inner) = this.inner.as_pin_mut() else {
            return Poll::Pending;
        };
        let Ok(answer) = ready!(inner.poll(context));
        Poll::Ready(Ok(answer.map(Either::Right)))
    }
}
