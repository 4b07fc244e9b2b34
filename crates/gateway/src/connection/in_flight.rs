//! The body of an answer: while it is being sent, its request is in flight.
//!
//! Hyper asks a body for more as soon as there is room for it. So the time between a part that is handed out and the next
//! question is the client's, in either protocol; watching the socket would not show a client of HTTP/2 that keeps the window
//! of one stream closed.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use kubevigil_connections::InFlight;
use pin_project_lite::pin_project;

pin_project! {
    /// A body that holds its connection open.
    pub(crate) struct CountedBody<B> {
        #[pin]
        inner: B,
        in_flight: InFlight,
        // Whoever follows a log may stop to read it.
        may_rest: bool,
    }
}

impl<B> CountedBody<B> {
    /// The body of an answer to a long-running request `may_rest`.
    pub(super) fn new(inner: B, in_flight: InFlight, may_rest: bool) -> Self {
        Self {
            inner,
            in_flight,
            may_rest,
        }
    }
}

impl<B: Body<Data = Bytes>> Body for CountedBody<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let this = self.project();
        this.in_flight.ask();
        let frame = this.inner.poll_frame(context);
        if frame.is_ready() && !*this.may_rest {
            this.in_flight.hand_out();
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
