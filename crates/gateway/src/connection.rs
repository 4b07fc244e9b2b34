//! One connection, from the handshake to its end.
//!
//! Plain connections speak HTTP/1.1; over TLS the client chooses HTTP/1.1 or HTTP/2. HTTP/2 without TLS is not offered: no API
//! server speaks it, and telling it apart would mean waiting for bytes before any time-out of the protocol runs.
//!
//! | who | is held to | by |
//! |---|---|---|
//! | handshake, header | `header_timeout_seconds`, from its first byte | [`activity`] |
//! | reader of an answer to a short request | `stall_timeout_seconds` without taking more | [`in_flight`], [`activity`] |
//! | nobody | `idle_timeout_seconds` without a request | [`activity`] |
//! | header | bytes and lines | hyper, [`crate::arrival`] |
//! | HTTP/2 | streams at once, 20 resets of streams not yet looked at, 64 KiB of frames to answer, pings that must be answered | hyper |
//!
//! A connection that was upgraded leaves hyper, but not this module: its place stays taken until both ends are done with it, and
//! at the end of draining it is severed.

pub(crate) mod activity;
mod in_flight;
mod protocol;
mod stream;

use std::convert::Infallible;
use std::error::Error;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use kubevigil_record::layer::BoxError;
use kubevigil_tls::ServerCredentials;
use rustls_pki_types::CertificateDer;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::MissedTickBehavior;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower_service::Service;
use tracing::{debug, warn};

use self::activity::{Activity, Overdue};
use self::in_flight::CountedBody;
use self::protocol::{Drive, Protocol};
use self::stream::Watched;
use crate::arrival::TimeAllowed;
use crate::config::GatewayConfig;
use crate::counters::GatewayCounters;
use crate::peer::Peer;
use crate::stack::Stack;
use crate::throttle::Throttle;

/// How often a connection is looked at for being slow or idle.
const LOOK: Duration = Duration::from_millis(500);

/// The first byte of a TLS handshake.
const TLS_HANDSHAKE: u8 = 0x16;

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

/// Serves a connection until it ends, or its time is up.
pub(crate) async fn serve(
    server: Arc<Server>,
    stack: Stack,
    stream: TcpStream,
    address: SocketAddr,
) {
    server.counters.connections.add(1);
    stream::make_ready(&stream);
    let activity = Activity::new();
    let (stream, closed) = Watched::new(stream, activity.clone());
    let connection = Connection {
        server: Arc::clone(&server),
        address,
        activity: activity.clone(),
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
    tokio::select! {
        () = closed.clone().cancelled_owned() => {}
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
}

impl Connection {
    async fn secure(&self, stream: Watched<TcpStream>, acceptor: TlsAcceptor, stack: Stack) {
        let limit = self.server.config.header_timeout();
        let handshake = tokio::time::timeout(limit, acceptor.accept(stream));
        let stream = tokio::select! {
            result = handshake => result,
            () = self.server.stop.cancelled() => return,
        };
        match stream {
            Ok(Ok(stream)) => {
                let (_, session) = stream.get_ref();
                let certificates = certificates(session);
                let protocol = protocol::negotiated(session);
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
        stack: Stack,
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
        match protocol {
            Protocol::Http1 => {
                let connection = protocol::http1(config).serve_connection(stream, answer);
                self.drive(connection.with_upgrades(), protocol).await;
            }
            Protocol::Http2 => {
                let builder = protocol::http2(config, self.server.tasks.clone());
                self.drive(builder.serve_connection(stream, answer), protocol)
                    .await;
            }
        }
    }

    async fn drive<C: Drive>(&self, connection: C, protocol: Protocol) {
        let mut connection = pin!(connection);
        let mut look = tokio::time::interval(LOOK);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut closing = false;
        loop {
            tokio::select! {
                result = connection.as_mut() => return self.report_end(result.err()),
                () = self.server.stop.cancelled(), if !closing => {
                    closing = true;
                    connection.as_mut().finish();
                }
                _ = look.tick() => match self.overdue(protocol) {
                    None => {}
                    Some(Overdue::Idle) if !closing => {
                        closing = true;
                        connection.as_mut().finish();
                    }
                    Some(Overdue::Idle) => return,
                    Some(Overdue::Header) => return self.server.counters.slow_headers.add(1),
                    Some(Overdue::Reader) => return self.server.counters.slow_readers.add(1),
                },
            }
        }
    }

    fn overdue(&self, protocol: Protocol) -> Option<Overdue> {
        let config = &self.server.config;
        self.activity.overdue(&activity::Patience {
            header: config.header_timeout(),
            idle: config.idle_timeout(),
            reader: config.stall_timeout(),
            whole_headers: protocol == Protocol::Http1,
        })
    }

    fn report_handshake(&self, error: &std::io::Error) {
        self.server.counters.handshake_failures.add(1);
        let plain = self
            .activity
            .first_byte()
            .is_some_and(|byte| byte != TLS_HANDSHAKE);
        let advice = match plain {
            true => "the client speaks plain HTTP: its kubeconfig must say https",
            false => "",
        };
        if let Some(held_back) = self.server.throttle.pass() {
            let (peer, problem) = (self.address, error.to_string());
            warn!(%peer, ?problem, held_back, advice, "TLS handshake failed");
        }
    }

    fn report_end(&self, error: Option<hyper::Error>) {
        let Some(error) = error else { return };
        let peer = self.address;
        let plain = self.server.tls.is_none();
        if plain && self.activity.first_byte() == Some(TLS_HANDSHAKE) {
            if let Some(held_back) = self.server.throttle.pass() {
                let advice = "set gateway.tls, or say http in the client's kubeconfig";
                warn!(%peer, held_back, advice, "a client speaks TLS, but the gateway speaks plain HTTP");
            }
            return;
        }
        let cause = error.source().map(ToString::to_string);
        debug!(%peer, problem = ?error.to_string(), ?cause, "connection ended");
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

async fn answer(
    mut stack: Stack,
    request: Request<Incoming>,
    activity: Activity,
) -> Result<Response<CountedBody<impl Body<Data = Bytes, Error = BoxError>>>, Infallible> {
    let in_flight = activity.begin();
    std::future::poll_fn(|context| Service::<Request<Incoming>>::poll_ready(&mut stack, context))
        .await?;
    let answer = stack.call(request).await?;
    let allowed = answer.extensions().get::<TimeAllowed>();
    let may_rest = allowed.is_some_and(|allowed| allowed.0.is_none());
    Ok(answer.map(|body| CountedBody::new(body, in_flight, may_rest)))
}
