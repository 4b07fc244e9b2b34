//! The body of a request on its way in, which must not stand still for ever.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use http_body::{Body, Frame, SizeHint};
use kubevigil_record::layer::BoxError;
use pin_project_lite::pin_project;
use tokio::time::Sleep;

use crate::counters::GatewayCounters;

pin_project! {
    /// A request's body. Time runs only while the client is waited for, not while the upstream takes its time.
    pub struct ArrivingBody<B> {
        #[pin]
        inner: B,
        stall_timeout: Option<Duration>,
        // Made when the client is waited for: most bodies come with their headers.
        waiting: Option<Pin<Box<Sleep>>>,
        counters: Arc<GatewayCounters>,
    }
}

/// The client sent nothing more of a body for too long.
#[derive(Debug, thiserror::Error)]
#[error("the request's body stood still for {} seconds", .0.as_secs())]
pub struct BodyStalled(pub Duration);

impl<B> ArrivingBody<B> {
    /// A body that may stand still for so long; `None` is for ever.
    pub(super) fn new(
        inner: B,
        stall_timeout: Option<Duration>,
        counters: Arc<GatewayCounters>,
    ) -> Self {
        Self {
            inner,
            stall_timeout,
            waiting: None,
            counters,
        }
    }
}

impl<B> Body for ArrivingBody<B>
where
    B: Body,
    B::Error: Into<BoxError>,
{
    type Data = B::Data;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, BoxError>>> {
        let this = self.project();
        if let Poll::Ready(frame) = this.inner.poll_frame(context) {
            *this.waiting = None;
            return Poll::Ready(frame.map(|frame| frame.map_err(Into::into)));
        }
        let Some(timeout) = *this.stall_timeout else {
            return Poll::Pending;
        };
        let waiting = this
            .waiting
            .get_or_insert_with(|| Box::pin(tokio::time::sleep(timeout)));
        match waiting.as_mut().poll(context) {
            Poll::Ready(()) => {
                this.counters.stalled_bodies.add(1);
                Poll::Ready(Some(Err(BodyStalled(timeout).into())))
            }
            Poll::Pending => Poll::Pending,
        }
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
    use bytes::Bytes;
    use http_body_util::{BodyExt, Full};

    use super::*;

    struct Silent;

    impl Body for Silent {
        type Data = Bytes;
        type Error = BoxError;

        fn poll_frame(
            self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
            Poll::Pending
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_stands_still_is_given_up_unless_it_may() {
        let counters = Arc::new(GatewayCounters::default());
        let body = |limit| ArrivingBody::new(Silent, limit, Arc::clone(&counters));
        let error = body(Some(Duration::from_secs(60))).collect().await.err();
        assert!(error.unwrap().is::<BodyStalled>());
        assert_eq!(counters.stalled_bodies.get(), 1);

        let day = Duration::from_secs(86_400);
        let resting = tokio::time::timeout(day, body(None).collect()).await;
        assert!(resting.is_err(), "still waiting");
    }

    #[tokio::test]
    async fn a_body_that_is_there_passes() {
        let full = Full::new(Bytes::from_static(b"all"));
        let body = ArrivingBody::new(full, Some(Duration::ZERO), Arc::default());
        assert_eq!(body.collect().await.unwrap().to_bytes(), "all");
    }
}
