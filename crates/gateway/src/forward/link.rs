//! One connection to the upstream, driven by whoever uses it.
//!
//! Hyper splits a connection into a handle and a future that moves the bytes. Here that future is not spawned: the request's
//! own moves the bytes while it waits for the answer's head, and the answer's body does so while it is read. So a request
//! stays on one thread; a reader that stops reading stops the upstream; a client that goes away closes the upstream's
//! connection at once; and what was not sent comes back to be sent again. hyper-util's client takes as many instructions a
//! request (36,000 without the work on headers, 40,000 here with it), but spawns a task for each connection, wakes it across
//! threads, and decides by itself what is sent twice.

use std::future::poll_fn;
use std::pin::pin;
use std::task::{Context, Poll};
use std::time::Duration;

use http::{Request, Response};
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, Connection, Parts, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::time::timeout;

use super::upload::{Progress, Upload};
use super::upstream::Stream;

/// The longest header of an answer that is taken, in bytes, and the longest piece of a body.
const READ_BUFFER: usize = 256 * 1024;

/// A connection that carries one request at a time.
pub(super) struct Link {
    sender: SendRequest<Upload>,
    wire: Wire,
    version: Version,
    is_last: bool,
}

/// What a connection was made for; it carries nothing else.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Version {
    /// The number of the way to the upstream.
    pub(super) way: u64,
    /// The version of the client certificate that was shown.
    pub(super) certificate: u64,
}

/// The part that moves the bytes.
struct Wire {
    /// `None` once nobody needs what it still has.
    connection: Option<Connection<TokioIo<Stream>, Upload>>,
    /// It has nothing more to do: closed, broken, or no HTTP any more.
    has_ended: bool,
}

/// Why there was no answer.
pub(super) enum Broken {
    /// The request was not sent at all; here it is.
    Unsent(Box<Request<Upload>>),
    /// It may have been sent.
    Failed(hyper::Error),
    /// No answer in time.
    Late,
}

impl Link {
    /// Begins to speak HTTP.
    pub(super) async fn open(stream: Stream, version: Version) -> Result<Box<Self>, hyper::Error> {
        let mut builder = http1::Builder::new();
        builder.max_buf_size(READ_BUFFER);
        let (sender, connection) = builder.handshake(TokioIo::new(stream)).await?;
        Ok(Box::new(Self {
            sender,
            wire: Wire {
                connection: Some(connection),
                has_ended: false,
            },
            version,
            is_last: false,
        }))
    }

    /// Sends the request and waits for the head of its answer: up to `patience` if given, and then again that long as long as
    /// the request's body moves.
    pub(super) async fn send(
        &mut self,
        request: Request<Upload>,
        patience: Option<Duration>,
    ) -> Result<Response<Incoming>, Broken> {
        let progress = request.body().progress();
        let mut answer = pin!(self.sender.try_send_request(request));
        let wire = &mut self.wire;
        let mut head = poll_fn(move |context| {
            wire.drive(context);
            match answer.as_mut().poll(context) {
                Poll::Pending if wire.has_ended => {
                    // Dropping it gives back what it had not sent.
                    wire.connection = None;
                    answer.as_mut().poll(context)
                }
                answer => answer,
            }
        });
        let answer = match patience {
            None => head.await,
            Some(patience) => loop {
                match timeout(patience, &mut head).await {
                    Ok(answer) => break answer,
                    Err(_) if progress.as_ref().is_some_and(Progress::moved) => (),
                    Err(_) => return Err(Broken::Late),
                }
            },
        };
        answer.map_err(|mut broken| match broken.take_message() {
            Some(request) => Broken::Unsent(Box::new(request)),
            None => Broken::Failed(broken.into_error()),
        })
    }

    /// Moves bytes. Whoever waits for something of this connection calls it whenever it is woken.
    pub(super) fn drive(&mut self, context: &mut Context<'_>) {
        self.wire.drive(context);
    }

    /// Whether there is nothing more to drive.
    pub(super) fn has_ended(&self) -> bool {
        self.wire.has_ended
    }

    /// What the connection was made for.
    pub(super) fn version(&self) -> Version {
        self.version
    }

    /// No other request is to be sent.
    pub(super) fn retire(&mut self) {
        self.is_last = true;
    }

    /// Whether the last answer was read to its end, the request sent to its end, and the connection may be used again.
    pub(super) fn is_free(&self) -> bool {
        !self.is_last && !self.wire.has_ended && self.sender.is_ready()
    }

    /// The naked connection and what was read of it already, after the protocol was changed.
    pub(super) async fn into_parts(self) -> Result<Option<Parts<TokioIo<Stream>>>, hyper::Error> {
        let Some(mut connection) = self.wire.connection else {
            return Ok(None);
        };
        poll_fn(|context| connection.poll_without_shutdown(context)).await?;
        Ok(Some(connection.into_parts()))
    }
}

impl Wire {
    fn drive(&mut self, context: &mut Context<'_>) {
        if let Some(connection) = self.connection.as_mut().filter(|_| !self.has_ended) {
            // What goes wrong is told to the one who waits for the answer or its body.
            self.has_ended = connection.poll_without_shutdown(context).is_ready();
        }
    }
}
