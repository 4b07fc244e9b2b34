//! The body of an answer, copied while it is sent, whose end waits for the events.
//!
//! The events are handed over, and waited for, before the last byte goes out: whoever has read an answer to its end can rely on its events
//! being where the sink keeps them. Only the frame that is known to be the last is held back, so that nothing else is delayed; where
//! the last is not known as such, it is the end of the stream that waits. Telling the events behind the last byte would be simpler and a
//! lie: a crash in between would leave an answer that nobody recorded.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::response::Parts;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

use crate::auditing::Auditing;
use crate::layer::BoxError;
use crate::layer::body_copy::{Tap, content_length};
use crate::layer::emission::Emission;
use crate::layer::panic::{Panicked, message_of};
use crate::layer::recording::{ABORTED, Unfinished};
use crate::sink::SinkError;

pin_project! {
    /// What the client gets for a body: `B`, frame by frame, trailers and errors included; or a text of the layer's own.
    ///
    /// Its errors are those of `B`, and a [`SinkError`] where a sink that must keep all events did not.
    pub struct AuditedBody<B> {
        #[pin]
        inner: Option<B>,
        own: Option<Bytes>,
        watch: Option<Watch>,
        waiting: Option<Waiting>,
    }
}

/// What is looked at while the body passes.
struct Watch {
    unfinished: Unfinished,
    tap: Tap,
    /// How much is still to come, if the service said it.
    left: Option<u64>,
}

/// Something that is held back until events are kept.
struct Waiting {
    emission: Option<Emission>,
    then: Then,
    auditing: Arc<Auditing>,
}

enum Then {
    Frame(Frame<Bytes>),
    End,
    Fail(BoxError),
    Unwind(Panicked),
}

type Polled = Option<Result<Frame<Bytes>, BoxError>>;

impl<B> AuditedBody<B> {
    /// A text of the layer's own.
    pub(super) fn own(text: &'static str) -> Self {
        Self {
            inner: None,
            own: Some(Bytes::from_static(text.as_bytes())),
            watch: None,
            waiting: None,
        }
    }

    /// A body that nobody looks at.
    pub(super) fn untouched(inner: B) -> Self {
        Self {
            inner: Some(inner),
            own: None,
            watch: None,
            waiting: None,
        }
    }
}

impl<B: Body<Data = Bytes>> AuditedBody<B> {
    /// The body of an answer with this head.
    pub(super) fn new(inner: B, parts: &Parts, unfinished: Unfinished) -> Self {
        let Unfinished(recording) = &unfinished;
        let wanted = recording.with(|audit| audit.response_body_limit());
        let tap = Tap::of_answer(recording, wanted.unwrap_or_default(), &parts.headers);
        let announced = content_length(&parts.headers).and_then(|length| length.try_into().ok());
        let watch = Watch {
            tap,
            left: announced.or_else(|| inner.size_hint().exact()),
            unfinished,
        };
        Self {
            watch: Some(watch),
            ..Self::untouched(inner)
        }
    }
}

impl Watch {
    /// Whether the frame is known to be the last.
    fn takes(&mut self, frame: &Frame<Bytes>, is_end_stream: bool) -> bool {
        if let Some(data) = frame.data_ref() {
            self.tap.copy(data, &self.unfinished.0);
            let length = u64::try_from(data.len()).unwrap_or(u64::MAX);
            self.left = self.left.map(|left| left.saturating_sub(length));
        }
        is_end_stream || frame.is_trailers() || self.left == Some(0)
    }

    /// The request is over; what the body does next has to wait for its last events, if they are due now.
    fn end(mut self, then: Then) -> Waiting {
        let Unfinished(recording) = &self.unfinished;
        match &then {
            Then::Fail(_) => recording.panicked(ABORTED),
            Then::Unwind(panicked) => recording.panicked(message_of(panicked)),
            Then::Frame(_) | Then::End => {
                if let Some(copy) = self.tap.take() {
                    recording.answered(copy);
                }
            }
        }
        Waiting {
            emission: recording.end(),
            then,
            auditing: Arc::clone(recording.auditing()),
        }
    }
}

impl Waiting {
    /// Whether nothing more comes out of the body behind this.
    fn breaks_off(&self, kept: &Result<(), SinkError>) -> bool {
        !matches!(self.then, Then::Frame(_)) || (kept.is_err() && self.auditing.must_keep())
    }

    /// What comes out of the body now that the events are kept, or are not.
    fn finish(self, kept: Result<(), SinkError>) -> Polled {
        match (self.then, kept) {
            (Then::Unwind(payload), _) => resume_unwind(payload),
            (Then::Fail(error), _) => Some(Err(error)),
            (_, Err(error)) if self.auditing.must_keep() => {
                self.auditing.counters().count_broken_off();
                Some(Err(error.into()))
            }
            (Then::Frame(frame), _) => Some(Ok(frame)),
            (Then::End, _) => None,
        }
    }
}

fn poll_inner<B>(
    inner: &mut Pin<&mut Option<B>>,
    context: &mut Context<'_>,
) -> Result<Poll<Polled>, Panicked>
where
    B: Body<Data = Bytes>,
    B::Error: Into<BoxError>,
{
    let Some(inner) = inner.as_mut().as_pin_mut() else {
        return Ok(Poll::Ready(None));
    };
    let polled = catch_unwind(AssertUnwindSafe(|| inner.poll_frame(context)))?;
    Ok(polled.map(|polled| polled.map(|frame| frame.map_err(Into::into))))
}

impl<B> Body for AuditedBody<B>
where
    B: Body<Data = Bytes>,
    B::Error: Into<BoxError>,
{
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Polled> {
        let mut this = self.project();
        if let Some(own) = this.own.take() {
            return Poll::Ready(Some(Ok(Frame::data(own))));
        }
        if this.waiting.is_none() {
            let polled = poll_inner(&mut this.inner, context);
            let Some(watch) = this.watch else {
                return polled.unwrap_or_else(|panicked| resume_unwind(panicked));
            };
            let then = match polled {
                Ok(Poll::Pending) => return Poll::Pending,
                Ok(Poll::Ready(Some(Ok(frame)))) => {
                    let is_end = this.inner.as_ref().get_ref().as_ref();
                    let is_end = is_end.is_none_or(Body::is_end_stream);
                    if !watch.takes(&frame, is_end) {
                        return Poll::Ready(Some(Ok(frame)));
                    }
                    Then::Frame(frame)
                }
                Ok(Poll::Ready(None)) => Then::End,
                Ok(Poll::Ready(Some(Err(error)))) => Then::Fail(error),
                Err(panicked) => Then::Unwind(panicked),
            };
            *this.waiting = this.watch.take().map(|watch| watch.end(then));
        }
        let Some(waiting) = this.waiting else {
            return Poll::Ready(None);
        };
        let kept = match &mut waiting.emission {
            Some(emission) => ready!(Pin::new(emission).poll(context)),
            None => Ok(()),
        };
        let Some(waiting) = this.waiting.take() else {
            return Poll::Ready(None);
        };
        if waiting.breaks_off(&kept) {
            this.inner.set(None);
        }
        Poll::Ready(waiting.finish(kept))
    }

    fn is_end_stream(&self) -> bool {
        let inner = self.inner.as_ref();
        let is_end = inner.is_none_or(Body::is_end_stream);
        is_end && self.own.is_none() && self.watch.is_none() && self.waiting.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        if let Some(own) = &self.own {
            return SizeHint::with_exact(own.len() as u64);
        }
        let mut hint = self.inner.as_ref().map(Body::size_hint).unwrap_or_default();
        if let Some(Then::Frame(frame)) = self.waiting.as_ref().map(|waiting| &waiting.then) {
            let held_back = frame.data_ref().map_or(0, |data| data.len() as u64);
            if let Some(upper) = hint.upper() {
                hint.set_upper(upper.saturating_add(held_back));
            }
            hint.set_lower(hint.lower().saturating_add(held_back));
        }
        hint
    }
}
