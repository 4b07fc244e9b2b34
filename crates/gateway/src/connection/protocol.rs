//! HTTP/1.1 and HTTP/2, with the limits that hyper can be told.

use std::time::Duration;

use hyper::rt::Executor;
use hyper::server::conn::{http1, http2};
use hyper_util::rt::TokioTimer;
use tokio_util::task::TaskTracker;

use crate::config::GatewayConfig;

/// How much of one request's body HTTP/2 holds while the upstream is busy; a connection holds sixteen times as much, so
/// that a few uploads that stand still do not stop the others.
const STREAM_WINDOW: u32 = 256 * 1024;
const CONNECTION_WINDOW: u32 = 16 * STREAM_WINDOW;

/// How much of one answer is held for a client that reads slowly.
const SEND_BUFFER: usize = 256 * 1024;

/// How much HTTP/1.1 reads at once.
const READ_BUFFER: usize = 128 * 1024;

pub(super) fn http1(config: &GatewayConfig) -> http1::Builder {
    let most = usize::try_from(config.max_header_bytes).unwrap_or(usize::MAX);
    let mut http = http1::Builder::new();
    // Slow headers are the business of `Activity`.
    http.timer(TokioTimer::new())
        .header_read_timeout(None)
        .max_headers(config.max_headers)
        .max_header_size(most)
        .max_buf_size(most.max(READ_BUFFER));
    http
}

pub(super) fn http2(config: &GatewayConfig, tasks: TaskTracker) -> http2::Builder<Tracked> {
    let mut http = http2::Builder::new(Tracked(tasks));
    http.timer(TokioTimer::new())
        .initial_connection_window_size(CONNECTION_WINDOW)
        .initial_stream_window_size(STREAM_WINDOW)
        .max_send_buf_size(SEND_BUFFER)
        .max_concurrent_streams(config.max_streams)
        .max_header_list_size(config.max_header_bytes)
        .keep_alive_interval(Duration::from_secs(20))
        .keep_alive_timeout(Duration::from_secs(10));
    http
}

/// Runs the requests of HTTP/2 where draining waits for them.
#[derive(Clone)]
pub(super) struct Tracked(TaskTracker);

impl<F> Executor<F> for Tracked
where
    F: Future + Send + 'static,
    F::Output: Send,
{
    fn execute(&self, future: F) {
        self.0.spawn(future);
    }
}
