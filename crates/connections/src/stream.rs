//! The bytes of a connection, watched.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;
use tracing::debug;

use crate::activity::Activity;

/// How long nothing may come before the other end is asked whether it is still there: as Go's servers do it, since a watch may
/// be silent for hours and a machine that lost its power says nothing.
const PROBE_AFTER: Duration = Duration::from_secs(15);

/// A TCP stream that reports what is done with it, and that can be severed from outside.
pub struct Watched {
    stream: TcpStream,
    activity: Activity,
    closed: CancellationToken,
}

impl Watched {
    /// Sends small answers at once from now on, and notices dead clients.
    pub fn new(stream: TcpStream) -> Self {
        let probes = TcpKeepalive::new()
            .with_time(PROBE_AFTER)
            .with_interval(PROBE_AFTER);
        let result = stream
            .set_nodelay(true)
            .and_then(|()| SockRef::from(&stream).set_tcp_keepalive(&probes));
        if let Err(problem) = result {
            debug!(%problem, "a connection keeps the system's settings");
        }
        Self {
            stream,
            activity: Activity::new(),
            closed: CancellationToken::new(),
        }
    }

    /// What is done with the stream.
    pub fn activity(&self) -> Activity {
        self.activity.clone()
    }

    /// Is cancelled when the stream is dropped, by whomever: after an upgrade it is in other hands.
    pub fn closed(&self) -> CancellationToken {
        self.closed.clone()
    }

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

impl Drop for Watched {
    fn drop(&mut self) {
        self.closed.cancel();
    }
}

fn severed() -> io::Error {
    io::Error::new(io::ErrorKind::ConnectionAborted, "the server stops")
}

impl AsyncRead for Watched {
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

impl AsyncWrite for Watched {
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
