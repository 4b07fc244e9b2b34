//! One connection, from the handshake to its end.
//!
//! Plain connections speak HTTP/1.1; over TLS the client chooses HTTP/1.1 or HTTP/2. HTTP/2 without TLS is not offered: no API
//! server speaks it, and telling it apart would mean waiting for bytes before any time-out of the protocol runs.
//!
//! | who | is held to | by |
//! |---|---|---|
//! | handshake, header | `header_timeout_seconds`, from its first byte | [`Activity`] |
//! | reader of an answer to a short request | `stall_timeout_seconds` without taking more | [`in_flight`], [`Activity`] |
//! | nobody | `idle_timeout_seconds` without a request | [`Activity`] |
//! | header | bytes and lines | hyper, [`crate::arrival`] |
//! | HTTP/2 | streams at once, 20 resets of streams not yet looked at, 64 KiB of frames to answer, pings that must be answered | hyper |
//!
//! A connection that was upgraded leaves hyper, but not this module: its place stays taken until both ends are done with it, and
//! at the end of draining it is severed.

mod in_flight;
mod protocol;
mod refused;

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use kubevigil_connections::{
    Activity, Complaint, End, Overdue, Patience, Protocol, Throttle, Watched, drive,
};
use kubevigil_record::layer::BoxError;
use kubevigil_tls::ServerCredentials;
use rustls_pki_types::CertificateDer;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower_service::Service;

use self::in_flight::CountedBody;
use self::refused::refused;
use crate::arrival::TimeAllowed;
use crate::config::GatewayConfig;
use crate::counters::{GatewayCounters, Malformed};
use crate::peer::Peer;

/// What all connections share.
pub(crate) struct Server {
    pub(crate) config: Arc<GatewayConfig>,
    pub(crate) tls: Option<Arc<ServerCredentials>>,
    pub(crate) counters: Arc<GatewayCounters>,
    /// Keeps the log readable.
    pub(crate) throttle: Throttle,
    /// Every task of every connection.
    pub(crate) tasks: TaskTracker,
    /// No new requests; those in flight are answered.
    pub(crate) stop: CancellationToken,
    /// The end of patience.
    pub(crate) cut: CancellationToken,
}

/// What answers requests: the services of [`crate::stack`], whatever the innermost one is.
pub(crate) trait Answers:
    Service<
        Request<Incoming>,
        Response = Response<Self::Body>,
        Error = Infallible,
        Future: Send + 'static,
    > + Clone
    + Send
    + 'static
{
    /// What their answers carry.
    type Body: Body<Data = Bytes, Error = BoxError> + Send + 'static;
}

impl<S, B> Answers for S
where
    S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible>
        + Clone
        + Send
        + 'static,
    S::Future: Send + 'static,
    B: Body<Data = Bytes, Error = BoxError> + Send + 'static,
{
    type Body = B;
}

/// Serves a connection until it ends, `stop` asks it to, or the server's time is up.
pub(crate) async fn serve(
    server: Arc<Server>,
    stack: impl Answers,
    stream: Watched,
    address: SocketAddr,
    stop: CancellationToken,
) {
    server.counters.connections.add(1);
    let (activity, closed) = (stream.activity(), stream.closed());
    let connection = Connection {
        server: Arc::clone(&server),
        address,
        activity: activity.clone(),
        stop,
    };
    let serving = async {
        match &server.tls {
            None => {
                connection
                    .speak(stream, Protocol::Http1, stack, none())
                    .await
            }
            Some(tls) => {
                let acceptor = TlsAcceptor::from(tls.current());
                connection.secure(stream, acceptor, stack).await;
            }
        }
    };
    tokio::select! {
        () = serving => {}
        () = server.cut.cancelled() => {}
    }
    // An upgraded connection lives on in the hands of whoever joined it to the upstream.
    activity.hand_over();
    tokio::select! {
        () = closed.cancelled() => {}
        () = server.cut.cancelled() => {
            activity.sever();
            closed.cancelled().await;
        }
    }
}

struct Connection {
    server: Arc<Server>,
    address: SocketAddr,
    activity: Activity,
    stop: CancellationToken,
}

impl Connection {
    async fn secure(&self, stream: Watched, acceptor: TlsAcceptor, stack: impl Answers) {
        let limit = self.server.config.header_timeout();
        let handshake = tokio::time::timeout(limit, acceptor.accept(stream));
        let stream = tokio::select! {
            result = handshake => result,
            () = self.stop.cancelled() => return,
        };
        match stream {
            Ok(Ok(stream)) => {
                let (_, session) = stream.get_ref();
                let certificates = certificates(session);
                let protocol = Protocol::negotiated(session);
                self.speak(stream, protocol, stack, certificates).await;
            }
            Ok(Err(error)) => self.report_handshake(&error),
            Err(_) => self.server.counters.slow_headers.add(1),
        }
    }

    async fn speak<IO>(
        &self,
        stream: IO,
        protocol: Protocol,
        stack: impl Answers,
        certificates: Arc<[CertificateDer<'static>]>,
    ) where
        IO: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let stream = TokioIo::new(stream);
        let activity = self.activity.clone();
        let peer = Peer {
            address: self.address,
            certificates,
        };
        let answer = service_fn(move |mut request: Request<Incoming>| {
            request.extensions_mut().insert(peer.clone());
            answer(stack.clone(), request, activity.clone())
        });
        let config = &self.server.config;
        let (activity, patience) = (&self.activity, self.patience(protocol));
        let stop = &self.stop;
        let end = match protocol {
            Protocol::Http1 => {
                let connection = protocol::http1(config).serve_connection(stream, answer);
                drive(connection.with_upgrades(), activity, &patience, stop).await
            }
            Protocol::Http2 => {
                let builder = protocol::http2(config, self.server.tasks.clone());
                let connection = builder.serve_connection(stream, answer);
                drive(connection, activity, &patience, stop).await
            }
        };
        self.report_end(end, protocol);
    }

    fn patience(&self, protocol: Protocol) -> Patience {
        let config = &self.server.config;
        Patience {
            header: config.header_timeout(),
            idle: config.idle_timeout(),
            reader: config.stall_timeout(),
            whole_headers: protocol == Protocol::Http1,
        }
    }

    fn report_handshake(&self, error: &std::io::Error) {
        self.server.counters.handshake_failures.add(1);
        self.complaint().of_handshake(error);
    }

    fn report_end(&self, end: End, protocol: Protocol) {
        let counters = &self.server.counters;
        let error = match end {
            End::Overdue(Overdue::Header) => return counters.slow_headers.add(1),
            End::Overdue(Overdue::Reader) => return counters.slow_readers.add(1),
            End::Overdue(Overdue::Idle) | End::Finished(Ok(())) => return,
            End::Finished(Err(error)) => error,
        };
        let is_tls = self.server.tls.is_none() && self.activity.speaks_tls() == Some(true);
        let refused = refused(&error, protocol, is_tls);
        if let Some(reason) = refused {
            counters.malformed.count(reason);
        }
        match refused {
            Some(Malformed::Tls) => self.complaint().of_tls(),
            _ => self.complaint().of_end(&error),
        }
    }

    fn complaint(&self) -> Complaint<'_> {
        Complaint {
            server: "gateway",
            peer: self.address,
            activity: &self.activity,
            throttle: &self.server.throttle,
        }
    }
}

fn none() -> Arc<[CertificateDer<'static>]> {
    Arc::from([])
}

fn certificates(session: &rustls::ServerConnection) -> Arc<[CertificateDer<'static>]> {
    let chain = session.peer_certificates().unwrap_or_default();
    chain
        .iter()
        .cloned()
        .map(CertificateDer::into_owned)
        .collect()
}

async fn answer<S: Answers>(
    mut stack: S,
    request: Request<Incoming>,
    activity: Activity,
) -> Result<Response<CountedBody<S::Body>>, Infallible> {
    let in_flight = activity.begin();
    std::future::poll_fn(|context| stack.poll_ready(context)).await?;
    let answer = stack.call(request).await?;
    let allowed = answer.extensions().get::<TimeAllowed>();
    let may_rest = allowed.is_some_and(|allowed| allowed.0.is_none());
    Ok(answer.map(|body| CountedBody::new(body, in_flight, may_rest)))
}
