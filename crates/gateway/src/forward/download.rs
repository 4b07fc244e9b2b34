//! An answer's body on its way to the client.
//!
//! It drives the upstream's connection while it is read and gives it back to the pool after the last frame. An upstream that
//! breaks off makes an error of it, never an end: the server then breaks the client's answer off, too, and the events say so.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;

use super::link::Link;
use super::pool::Pool;
use crate::answer::OwnBody;

/// The body of an answer: the upstream's, or the gateway's own.
pub struct ForwardBody(Kind);

enum Kind {
    Own(OwnBody),
    /// Everything was read already; the connection is in use elsewhere.
    Whole(Incoming),
    Streaming {
        body: Incoming,
        /// `None` when the body has ended.
        link: Option<Box<Link>>,
        pool: Arc<Pool>,
    },
}

/// The upstream broke its answer off.
#[derive(Debug, thiserror::Error)]
#[error("the upstream broke its answer off: {0}")]
pub struct BrokenOff(#[from] hyper::Error);

impl ForwardBody {
    /// The upstream's. A connection that is free already goes back to the pool at once: most answers are read with their head.
    pub(super) fn of(body: Incoming, link: Box<Link>, pool: &Arc<Pool>) -> Self {
        if link.is_free() {
            pool.put(link);
            return Self(Kind::Whole(body));
        }
        Self(Kind::Streaming {
            body,
            link: Some(link),
            pool: Arc::clone(pool),
        })
    }
}

impl From<OwnBody> for ForwardBody {
    fn from(body: OwnBody) -> Self {
        Self(Kind::Own(body))
    }
}

impl Body for ForwardBody {
    type Data = Bytes;
    type Error = BrokenOff;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BrokenOff>>> {
        let frame = match &mut self.get_mut().0 {
            Kind::Own(body) => {
                let frame = Pin::new(body).poll_frame(context);
                return frame.map_err(|never| match never {});
            }
            Kind::Whole(body) => Pin::new(body).poll_frame(context),
            Kind::Streaming { body, link, pool } => stream(body, link, pool, context),
        };
        frame.map_err(BrokenOff)
    }

    fn is_end_stream(&self) -> bool {
        match &self.0 {
            Kind::Own(body) => body.is_end_stream(),
            Kind::Whole(body) | Kind::Streaming { body, .. } => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            Kind::Own(body) => body.size_hint(),
            Kind::Whole(body) | Kind::Streaming { body, .. } => body.size_hint(),
        }
    }
}

fn stream(
    body: &mut Incoming,
    link: &mut Option<Box<Link>>,
    pool: &Arc<Pool>,
    context: &mut Context<'_>,
) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
    let mut frame = Pin::new(&mut *body).poll_frame(context);
    if frame.is_pending()
        && let Some(driven) = link
    {
        driven.drive(context);
        if driven.has_ended() {
            // Dropping it ends a body that has no end yet.
            *link = None;
        }
        frame = Pin::new(&mut *body).poll_frame(context);
    }
    match &frame {
        Poll::Ready(Some(Ok(_))) if !body.is_end_stream() => (),
        Poll::Pending => (),
        Poll::Ready(Some(Err(_))) => *link = None,
        Poll::Ready(Some(Ok(_)) | None) => give_back(link, pool, context),
    }
    frame
}

/// Behind the last byte of a body: the connection is of use again unless the request is still being sent.
fn give_back(link: &mut Option<Box<Link>>, pool: &Arc<Pool>, context: &mut Context<'_>) {
    if let Some(mut link) = link.take() {
        if !link.is_free() {
            link.drive(context);
        }
        pool.put(link);
    }
}
