//! A request's body on its way to the upstream.
//!
//! It is read as fast as the upstream takes it, frame by frame. Most requests have none, and those are kept apart: they cost no
//! allocation and can be sent a second time. Trailers end here: Kubernetes has none, and some servers merge them into the
//! headers, where they could say who asks.

use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, StatusCode};
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt as _;
use http_body_util::combinators::UnsyncBoxBody;
use tokio::sync::oneshot;
use tokio::time::{Sleep, sleep};

/// What may be wrong with a client's body.
pub(super) type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// How long a client that asked for `100 Continue` waits for an upstream that says nothing at all (RFC 9110 10.1.1 lets it wait
/// for ever, Go's client waits one second).
const PATIENCE: Duration = Duration::from_secs(1);

/// The body of a request to the upstream.
pub(super) enum Upload {
    /// Nothing.
    Empty,
    /// What the client sends.
    Streaming(Streaming),
}

/// A body on its way.
pub(super) struct Streaming {
    body: UnsyncBoxBody<Bytes, BoxError>,
    progress: Progress,
    gate: Option<Gate>,
}

/// Whether anything of a body passed since somebody last looked.
#[derive(Clone, Default)]
pub(super) struct Progress(Arc<AtomicBool>);

/// Closed until the upstream asks for the body with `100 Continue`.
struct Gate {
    asked: Option<oneshot::Receiver<()>>,
    patience: Pin<Box<Sleep>>,
}

impl Upload {
    /// A body that is sent on as it comes.
    pub(super) fn new<B>(body: B) -> Self
    where
        B: Body<Data = Bytes> + Send + 'static,
        B::Error: Into<BoxError>,
    {
        if body.is_end_stream() {
            return Self::Empty;
        }
        Self::Streaming(Streaming {
            body: body.map_err(Into::into).boxed_unsync(),
            progress: Progress::default(),
            gate: None,
        })
    }

    /// Whether there is nothing to send.
    pub(super) fn is_empty(&self) -> bool {
        matches!(self, Self::Empty)
    }

    /// Tells whether the body moves.
    pub(super) fn progress(&self) -> Option<Progress> {
        match self {
            Self::Empty => None,
            Self::Streaming(streaming) => Some(streaming.progress.clone()),
        }
    }
}

/// Keeps the body of a request back until the upstream asks for it, so that the client learns of a refusal before it sends.
pub(super) fn wait_to_be_asked(request: &mut Request<Upload>) {
    let Upload::Streaming(streaming) = request.body_mut() else {
        return;
    };
    let (ask, asked) = oneshot::channel();
    streaming.gate = Some(Gate {
        asked: Some(asked),
        patience: Box::pin(sleep(PATIENCE)),
    });
    let ask = Mutex::new(Some(ask));
    hyper::ext::on_informational(request, move |answer| {
        if answer.status() == StatusCode::CONTINUE
            && let Ok(mut ask) = ask.lock()
            && let Some(ask) = ask.take()
        {
            // Nobody waits any more when the client has gone.
            let _ = ask.send(());
        }
    });
}

impl Progress {
    /// Whether something passed since the last call.
    pub(super) fn moved(&self) -> bool {
        self.0.swap(false, Ordering::Relaxed)
    }
}

impl Gate {
    /// An upstream that answers finally without having asked leaves the gate closed: it does not want the body.
    fn poll_open(&mut self, context: &mut Context<'_>) -> Poll<()> {
        if let Some(asked) = &mut self.asked
            && let Poll::Ready(asked) = Pin::new(asked).poll(context)
        {
            self.asked = None;
            if asked.is_ok() {
                return Poll::Ready(());
            }
        }
        self.patience.as_mut().poll(context)
    }
}

impl Body for Upload {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let Self::Streaming(streaming) = self.get_mut() else {
            return Poll::Ready(None);
        };
        if let Some(gate) = &mut streaming.gate {
            ready!(gate.poll_open(context));
            streaming.gate = None;
        }
        let frame = ready!(Pin::new(&mut streaming.body).poll_frame(context));
        streaming.progress.0.store(true, Ordering::Relaxed);
        Poll::Ready(frame.filter(is_no_trailer))
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Empty => true,
            Self::Streaming(streaming) => streaming.body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Empty => SizeHint::with_exact(0),
            Self::Streaming(streaming) => streaming.body.size_hint(),
        }
    }
}

fn is_no_trailer(frame: &Result<Frame<Bytes>, BoxError>) -> bool {
    frame.as_ref().map_or(true, Frame::is_data)
}
