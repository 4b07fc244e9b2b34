//! The bytes of a connection, watched.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_util::sync::{CancellationToken, DropGuard};
use tracing::debug;

use super::activity::Activity;

/// How long nothing may come before the other end is asked whether it is still there: as Go's servers do it, since a watch may
/// be silent for hours and a machine that lost its power says nothing.
const PROBE_AFTER: Duration = Duration::from_secs(15);

/// Sends small answers at once, and notices dead clients.
pub(super) fn make_ready(stream: &TcpStream) {
    let probes = TcpKeepalive::new()
        .with_time(PROBE_AFTER)
        .with_interval(PROBE_AFTER);
    let result = stream
        .set_nodelay(true)
        .and_then(|()| SockRef::from(stream).set_tcp_keepalive(&probes));
    if let Err(problem) = result {
        debug!(%problem, "a connection keeps the system's settings");
    }
}

/// A stream that reports what is done with it, and that can be severed from outside.
pub(super) struct Watched<S> {
    stream: S,
    activity: Activity,
    _closed: DropGuard,
}

impl<S> Watched<S> {
    /// The stream, and what is cancelled when it is dropped, by whomever.
    pub(super) fn new(stream: S, activity: Activity) -> (Self, CancellationToken) {
        let closed = CancellationToken::new();
        let watched = Self {
            stream,
            activity,
            _closed: closed.clone().drop_guard(),
        };
        (watched, closed)
    }
}

fn severed() -> io::Error {
    io::Error::new(io::ErrorKind::ConnectionAborted, "the gateway stops")
}

impl<S: AsyncRead + Unpin> AsyncRead for Watched<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let result = Pin::new(&mut self.stream).poll_read(context, buffer);
        if result.is_pending() {
            if self.activity.waits_to_read(context.waker()) {
                return Poll::Ready(Err(severed()));
            }
        } else if let Some(new) = buffer.filled().get(before..) {
            self.activity.read(new);
        }
        result
    }
}

impl<S: AsyncWrite + Unpin> Watched<S> {
    fn after_write<T>(
        &self,
        result: Poll<io::Result<T>>,
        context: &Context<'_>,
    ) -> Poll<io::Result<T>> {
        if result.is_pending() && self.activity.waits_to_write(context.waker()) {
            return Poll::Ready(Err(severed()));
        }
        result
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Watched<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.after_write(result, context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.stream).poll_write_vectored(context, slices);
        self.after_write(result, context)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
