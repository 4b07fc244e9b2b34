//! What a connection is doing, so that slow and idle ones can be told apart.
//!
//! Hyper's own header time-out runs while a kept-alive connection waits for its next request, too. With it, 10 seconds for a
//! header would mean 10 seconds between batches, and the API server sends one only every 30 seconds when little happens. So
//! the time of a header is counted here, from its first byte.

use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Instant;

/// Follows one connection. Cheap to clone; all clones are the same.
#[derive(Clone)]
pub(super) struct Activity {
    state: Arc<Mutex<State>>,
}

struct State {
    in_flight: usize,
    served: bool,
    /// Since when no request is in flight.
    idle_since: Instant,
    /// When the first bytes of a header came, while no request is in flight.
    header_since: Option<Instant>,
    first_byte: Option<u8>,
}

/// Why a connection must be closed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Overdue {
    /// A header took too long, or the first one never came.
    Header,
    /// No request came for a long time.
    Idle,
}

impl Activity {
    pub(super) fn new() -> Self {
        let state = State {
            in_flight: 0,
            served: false,
            idle_since: Instant::now(),
            header_since: None,
            first_byte: None,
        };
        Self {
            state: Arc::new(Mutex::new(state)),
        }
    }

    /// A request has arrived; it is in flight until the guard is dropped.
    pub(super) fn begin(&self) -> InFlight {
        let mut state = self.lock();
        state.in_flight += 1;
        state.served = true;
        state.header_since = None;
        drop(state);
        InFlight {
            activity: self.clone(),
        }
    }

    /// Whether the connection has outstayed its welcome.
    ///
    /// `whole_headers` says that bytes between requests belong to a header. That is so in HTTP/1.1; in HTTP/2 they may be
    /// pings and window updates.
    pub(super) fn overdue(
        &self,
        header_timeout: Duration,
        idle_timeout: Duration,
        whole_headers: bool,
    ) -> Option<Overdue> {
        let state = self.lock();
        if state.in_flight > 0 {
            return None;
        }
        let slow_header = whole_headers
            && state
                .header_since
                .is_some_and(|since| since.elapsed() >= header_timeout);
        let silent_start = !state.served && state.idle_since.elapsed() >= header_timeout;
        if slow_header || silent_start {
            return Some(Overdue::Header);
        }
        (state.idle_since.elapsed() >= idle_timeout).then_some(Overdue::Idle)
    }

    /// The first byte that the client sent.
    pub(super) fn first_byte(&self) -> Option<u8> {
        self.lock().first_byte
    }

    fn read(&self, bytes: &[u8]) {
        let Some(first) = bytes.first() else { return };
        let mut state = self.lock();
        if state.first_byte.is_none() {
            state.first_byte = Some(*first);
        }
        if state.in_flight == 0 && state.header_since.is_none() {
            state.header_since = Some(Instant::now());
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A request in flight.
pub(super) struct InFlight {
    activity: Activity,
}

impl Drop for InFlight {
    fn drop(&mut self) {
        let mut state = self.activity.lock();
        state.in_flight = state.in_flight.saturating_sub(1);
        state.idle_since = Instant::now();
        state.header_since = None;
    }
}

/// A stream that reports what is read from it.
pub(super) struct Watched<S> {
    stream: S,
    activity: Activity,
}

impl<S> Watched<S> {
    pub(super) fn new(stream: S, activity: Activity) -> Self {
        Self { stream, activity }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Watched<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        let before = buffer.filled().len();
        let result = Pin::new(&mut self.stream).poll_read(context, buffer);
        if let Some(new) = buffer.filled().get(before..) {
            self.activity.read(new);
        }
        result
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Watched<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: Duration = Duration::from_secs(10);
    const IDLE: Duration = Duration::from_secs(120);

    async fn pass(seconds: u64) {
        tokio::time::advance(Duration::from_secs(seconds)).await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_silent_connection_is_overdue_like_a_slow_header() {
        let activity = Activity::new();
        pass(9).await;
        assert_eq!(activity.overdue(HEADER, IDLE, true), None);
        pass(1).await;
        assert_eq!(activity.overdue(HEADER, IDLE, true), Some(Overdue::Header));
    }

    #[tokio::test(start_paused = true)]
    async fn between_batches_a_connection_may_rest_longer_than_a_header_may_take() {
        let activity = Activity::new();
        drop(activity.begin());
        pass(60).await;
        assert_eq!(activity.overdue(HEADER, IDLE, true), None);
        activity.read(b"P");
        pass(10).await;
        assert_eq!(activity.overdue(HEADER, IDLE, true), Some(Overdue::Header));
        assert_eq!(
            activity.overdue(HEADER, IDLE, false),
            None,
            "a ping of HTTP/2"
        );
        pass(50).await;
        assert_eq!(activity.overdue(HEADER, IDLE, false), Some(Overdue::Idle));
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_in_flight_is_never_overdue() {
        let activity = Activity::new();
        let request = activity.begin();
        pass(1000).await;
        assert_eq!(activity.overdue(HEADER, IDLE, true), None);
        drop(request);
        assert_eq!(activity.overdue(HEADER, IDLE, true), None);
    }
}
