//! HTTP/1.1 and HTTP/2: which was chosen, and how each is told to end.

use std::error::Error;
use std::pin::Pin;

use hyper::body::{Body, Incoming};
use hyper::rt::bounds::Http2ServerConnExec;
use hyper::rt::{Read, Write};
use hyper::server::conn::{http1, http2};
use hyper::service::HttpService;

/// A version of HTTP.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Protocol {
    /// HTTP/1.1 or 1.0.
    Http1,
    /// HTTP/2.
    Http2,
}

impl Protocol {
    /// What the client chose by ALPN during the handshake.
    pub fn negotiated(session: &rustls::ServerConnection) -> Self {
        match session.alpn_protocol() {
            Some(b"h2") => Self::Http2,
            _ => Self::Http1,
        }
    }
}

/// A connection of hyper's, of either protocol.
pub trait Connection: Future<Output = Result<(), hyper::Error>> {
    /// Answers what is in flight, takes nothing more, and ends.
    fn finish(self: Pin<&mut Self>);
}

type BoxError = Box<dyn Error + Send + Sync>;

impl<IO, S, B> Connection for http1::Connection<IO, S>
where
    IO: Read + Write + Unpin + 'static,
    S: HttpService<Incoming, ResBody = B>,
    S::Error: Into<BoxError>,
    B: Body + 'static,
    B::Error: Into<BoxError>,
{
    fn finish(self: Pin<&mut Self>) {
        self.graceful_shutdown();
    }
}

impl<IO, S, B> Connection for http1::UpgradeableConnection<IO, S>
where
    IO: Read + Write + Unpin + Send + 'static,
    S: HttpService<Incoming, ResBody = B>,
    S::Error: Into<BoxError>,
    B: Body + 'static,
    B::Error: Into<BoxError>,
{
    fn finish(self: Pin<&mut Self>) {
        self.graceful_shutdown();
    }
}

impl<IO, S, B, E> Connection for http2::Connection<IO, S, E>
where
    IO: Read + Write + Unpin + 'static,
    S: HttpService<Incoming, ResBody = B>,
    S::Error: Into<BoxError>,
    B: Body + 'static,
    B::Error: Into<BoxError>,
    E: Http2ServerConnExec<S::Future, B>,
{
    fn finish(self: Pin<&mut Self>) {
        self.graceful_shutdown();
    }
}
