//! The body of a request, copied while the service reads it.
//!
//! It is recorded if all of it came by: an API server, too, decodes a body only when it has read it to its end. What a service leaves
//! unread, or a client breaks off, is not recorded. Nothing that passes is changed, held back or waited for.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::request::Parts;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

use crate::layer::body_copy::{Tap, content_length};
use crate::layer::recording::Recording;

pin_project! {
    /// What the inner service gets for a body: `B`, frame by frame, trailers and errors included.
    pub struct AuditedRequestBody<B> {
        #[pin]
        inner: B,
        copying: Option<Copying>,
    }
}

struct Copying {
    tap: Tap,
    /// How much is still to come, if the client said it.
    left: Option<usize>,
    recording: Recording,
}

impl<B: Body<Data = Bytes>> AuditedRequestBody<B> {
    /// A body of which nothing is recorded.
    pub(super) fn untouched(inner: B) -> Self {
        Self {
            inner,
            copying: None,
        }
    }

    /// The body of a request with this head.
    pub(super) fn new(inner: B, parts: &Parts, recording: &Recording) -> Self {
        if inner.is_end_stream() {
            return Self::untouched(inner);
        }
        let wanted = recording.with(|audit| audit.request_body_limit());
        let tap = Tap::of_request(recording, wanted.unwrap_or_default(), &parts.headers);
        let copying = tap.is_open().then(|| Copying {
            tap,
            left: content_length(&parts.headers),
            recording: recording.clone(),
        });
        Self { inner, copying }
    }
}

impl Copying {
    /// Takes a frame in. False when the copy is of no use any more.
    fn takes(&mut self, frame: &Frame<Bytes>) -> bool {
        if let Some(data) = frame.data_ref() {
            self.tap.copy(data, &self.recording);
            self.left = self.left.map(|left| left.saturating_sub(data.len()));
        }
        self.tap.is_open()
    }

    fn finish(mut self) {
        if let Some(copy) = self.tap.take() {
            self.recording.requested(copy);
        }
    }
}

impl<B: Body<Data = Bytes>> Body for AuditedRequestBody<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let mut this = self.project();
        let polled = ready!(this.inner.as_mut().poll_frame(context));
        let Some(copying) = this.copying else {
            return Poll::Ready(polled);
        };
        let (is_of_use, is_over) = match &polled {
            Some(Ok(frame)) => {
                let is_of_use = copying.takes(frame);
                let is_over = frame.is_trailers() || copying.left == Some(0);
                (is_of_use, is_over || this.inner.is_end_stream())
            }
            Some(Err(_)) => (false, false),
            None => (true, true),
        };
        if is_over || !is_of_use {
            let copying = this.copying.take();
            if let Some(copying) = copying.filter(|_| is_of_use) {
                copying.finish();
            }
        }
        Poll::Ready(polled)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
