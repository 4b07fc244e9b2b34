//! One connection, from the handshake to its end.
//!
//! Plain connections speak HTTP/1.1; over TLS the client chooses HTTP/1.1 or HTTP/2. HTTP/2 without TLS is not offered: no API
//! server speaks it, and telling it apart would mean waiting for bytes before any time-out of the protocol runs.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use kubevigil_connections::{
    Activity, Complaint, End, Overdue, Patience, Protocol, Watched, drive,
};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

use super::request::{Peer, Service};
use super::tls;

/// Bounds the memory of a connection and the size of a header.
const READ_BUFFER: usize = 128 * 1024;

/// HTTP/2 holds so many bytes of bodies that nobody reads.
const WINDOW: u32 = 1 << 20;

/// Serves a connection until it ends or, after `stop`, until its requests in flight are answered.
pub(super) async fn serve(
    service: Arc<Service>,
    stream: TcpStream,
    address: std::net::SocketAddr,
    stop: CancellationToken,
) {
    service.counters.connections.add(1);
    let peer = Peer {
        address,
        name_allowed: true,
    };
    let stream = Watched::new(stream);
    let connection = Connection {
        service,
        peer,
        activity: stream.activity(),
        stop,
    };
    match connection.service.credentials.tls() {
        None => connection.speak(stream, Protocol::Http1).await,
        Some(config) => connection.secure(stream, TlsAcceptor::from(config)).await,
    }
}

struct Connection {
    service: Arc<Service>,
    peer: Peer,
    activity: Activity,
    stop: CancellationToken,
}

impl Connection {
    async fn secure(mut self, stream: Watched, acceptor: TlsAcceptor) {
        let handshake = tokio::time::timeout(
            self.service.config.header_timeout(),
            acceptor.accept(stream),
        );
        let stream = tokio::select! {
            result = handshake => result,
            () = self.stop.cancelled() => return,
        };
        match stream {
            Ok(Ok(stream)) => {
                let (_, session) = stream.get_ref();
                self.peer.name_allowed = self.name_allowed(session);
                let protocol = Protocol::negotiated(session);
                self.speak(stream, protocol).await;
            }
            Ok(Err(error)) => self.report_handshake(&error),
            Err(_) => self.service.counters.slow_headers.add(1),
        }
    }

    fn name_allowed(&self, session: &rustls::ServerConnection) -> bool {
        let allowed = self
            .service
            .config
            .tls
            .as_ref()
            .map(|tls| tls.allowed_names.as_slice());
        let Some(allowed) = allowed.filter(|names| !names.is_empty()) else {
            return true;
        };
        let first = session.peer_certificates().and_then(<[_]>::first);
        first.is_some_and(|certificate| tls::bears_name(certificate, allowed))
    }

    async fn speak<S>(self, stream: S, protocol: Protocol)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let stream = TokioIo::new(stream);
        let service = Arc::clone(&self.service);
        let (peer, activity) = (self.peer, self.activity.clone());
        let answer = service_fn(move |request| {
            answer(Arc::clone(&service), peer, activity.clone(), request)
        });
        let (activity, patience) = (&self.activity, self.patience(protocol));
        let end = match protocol {
            Protocol::Http1 => {
                let connection = http1().serve_connection(stream, answer);
                drive(connection, activity, &patience, &self.stop).await
            }
            Protocol::Http2 => {
                let connection = http2().serve_connection(stream, answer);
                drive(connection, activity, &patience, &self.stop).await
            }
        };
        self.report_end(end);
    }

    fn patience(&self, protocol: Protocol) -> Patience {
        let config = &self.service.config;
        Patience {
            header: config.header_timeout(),
            idle: config.idle_timeout(),
            // Answers are so short that the system takes them whole.
            reader: Duration::MAX,
            whole_headers: protocol == Protocol::Http1,
        }
    }

    fn report_handshake(&self, error: &std::io::Error) {
        self.service.counters.handshake_failures.add(1);
        self.complaint().of_handshake(error);
    }

    fn report_end(&self, end: End) {
        let error = match end {
            End::Overdue(Overdue::Header) => return self.service.counters.slow_headers.add(1),
            End::Overdue(Overdue::Reader | Overdue::Idle) | End::Finished(Ok(())) => return,
            End::Finished(Err(error)) => error,
        };
        let is_plain = self.service.config.tls.is_none();
        match is_plain && self.activity.speaks_tls() == Some(true) {
            true => self.complaint().of_tls(),
            false => self.complaint().of_end(&error),
        }
    }

    fn complaint(&self) -> Complaint<'_> {
        Complaint {
            server: "webhook",
            peer: self.peer.address,
            activity: &self.activity,
            throttle: &self.service.throttle,
        }
    }
}

fn http1() -> http1::Builder {
    let mut http = http1::Builder::new();
    // Slow headers are this module's business, see `Activity`.
    http.timer(TokioTimer::new())
        .header_read_timeout(None)
        .max_buf_size(READ_BUFFER);
    http
}

fn http2() -> http2::Builder<TokioExecutor> {
    let mut http = http2::Builder::new(TokioExecutor::new());
    http.timer(TokioTimer::new())
        .initial_connection_window_size(WINDOW)
        .initial_stream_window_size(WINDOW)
        .max_concurrent_streams(64)
        .max_header_list_size(16 * 1024)
        .keep_alive_interval(Duration::from_secs(20))
        .keep_alive_timeout(Duration::from_secs(10));
    http
}

async fn answer(
    service: Arc<Service>,
    peer: Peer,
    activity: Activity,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let _in_flight = activity.begin();
    Ok(service.answer(peer, request).await)
}
