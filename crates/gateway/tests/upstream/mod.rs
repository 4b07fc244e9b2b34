//! An API server that answers as it is told, and keeps what it received: HTTP/1.1 on loopback, with TLS if wanted.
//!
//! A real server on a real socket, because framing, upgrades and half-closed connections are what a proxy gets wrong.

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::{HeaderMap, Request, Response, StatusCode, header};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

/// What an answer is made of.
pub(crate) type Body = UnsyncBoxBody<Bytes, io::Error>;
/// An answer on its way.
pub(crate) type Answer = Pin<Box<dyn Future<Output = Response<Body>> + Send>>;

/// A request as it came in, read to its end.
#[derive(Clone, Debug)]
pub(crate) struct Received {
    pub(crate) method: String,
    /// The target as it stood in the request line.
    pub(crate) target: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Received {
    /// The first value of a header, empty when there is none.
    pub(crate) fn header(&self, name: &str) -> &str {
        let value = self.headers.get(name);
        value.map_or("", |value| value.to_str().unwrap_or("not a text"))
    }

    /// The path without the query.
    pub(crate) fn path(&self) -> &str {
        self.target.split('?').next().unwrap_or_default()
    }

    /// The first value of a parameter of the query, as it stands.
    pub(crate) fn parameter(&self, name: &str) -> Option<&str> {
        let (_, query) = self.target.split_once('?')?;
        let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
        pairs.find(|(key, _)| *key == name).map(|(_, value)| value)
    }
}

/// A server that runs until it is dropped.
pub(crate) struct Upstream {
    pub(crate) address: SocketAddr,
    received: Arc<Mutex<Vec<Received>>>,
    accepting: JoinHandle<()>,
}

impl Drop for Upstream {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

impl Upstream {
    /// Starts a server that asks `answers` about every request. An answer of 101 takes the connection over by its second argument.
    pub(crate) async fn start<A>(tls: Option<Arc<rustls::ServerConfig>>, answers: A) -> Self
    where
        A: Fn(Received, OnUpgrade) -> Answer + Send + Sync + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let received = Arc::new(Mutex::new(Vec::new()));
        let shared = Arc::new(Shared {
            answers: Box::new(answers),
            received: received.clone(),
        });
        let acceptor = tls.map(TlsAcceptor::from);
        let accepting = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(connection(stream, acceptor.clone(), shared.clone()));
            }
        });
        Self {
            address,
            received,
            accepting,
        }
    }

    /// Everything that came in so far.
    pub(crate) fn received(&self) -> Vec<Received> {
        self.received.lock().unwrap().clone()
    }
}

struct Shared {
    answers: Box<dyn Fn(Received, OnUpgrade) -> Answer + Send + Sync>,
    received: Arc<Mutex<Vec<Received>>>,
}

async fn connection(stream: TcpStream, acceptor: Option<TlsAcceptor>, shared: Arc<Shared>) {
    let _ = stream.set_nodelay(true);
    let service = service_fn(|request| answer(request, shared.clone()));
    let server = hyper::server::conn::http1::Builder::new();
    // Whoever closes early is what some of the tests are about.
    let _ = match acceptor {
        None => {
            let io = TokioIo::new(stream);
            server.serve_connection(io, service).with_upgrades().await
        }
        Some(acceptor) => {
            let Ok(stream) = acceptor.accept(stream).await else {
                return;
            };
            let io = TokioIo::new(stream);
            server.serve_connection(io, service).with_upgrades().await
        }
    };
}

async fn answer(
    mut request: Request<Incoming>,
    shared: Arc<Shared>,
) -> Result<Response<Body>, Infallible> {
    let upgrade = hyper::upgrade::on(&mut request);
    let (parts, body) = request.into_parts();
    let body = body.collect().await.map(|body| body.to_bytes());
    let received = Received {
        method: parts.method.to_string(),
        target: parts.uri.to_string(),
        headers: parts.headers,
        body: body.unwrap_or_default(),
    };
    shared.received.lock().unwrap().push(received.clone());
    Ok((shared.answers)(received, upgrade).await)
}

/// A whole body.
pub(crate) fn whole(body: impl Into<Bytes>) -> Body {
    Full::new(body.into())
        .map_err(|never| match never {})
        .boxed_unsync()
}

/// An answer with a body in one piece.
pub(crate) fn answered(code: u16, content_type: &str, body: impl Into<Bytes>) -> Response<Body> {
    Response::builder()
        .status(code)
        .header(header::CONTENT_TYPE, content_type)
        .body(whole(body))
        .unwrap()
}

/// An answer in JSON.
pub(crate) fn json(code: u16, body: impl Into<Bytes>) -> Response<Body> {
    answered(code, "application/json", body)
}

/// An answer whose pieces come as they are sent.
pub(crate) fn streamed(
    content_type: &str,
    pieces: tokio::sync::mpsc::Receiver<Result<Bytes, io::Error>>,
) -> Response<Body> {
    Response::builder()
        .header(header::CONTENT_TYPE, content_type)
        .body(Pieces { pieces }.boxed_unsync())
        .unwrap()
}

/// An answer that takes the connection over.
pub(crate) fn switching(protocol: &str) -> Response<Body> {
    Response::builder()
        .status(StatusCode::SWITCHING_PROTOCOLS)
        .header(header::CONNECTION, "Upgrade")
        .header(header::UPGRADE, protocol)
        .body(whole(Bytes::new()))
        .unwrap()
}

struct Pieces {
    pieces: tokio::sync::mpsc::Receiver<Result<Bytes, io::Error>>,
}

impl http_body::Body for Pieces {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<http_body::Frame<Bytes>, io::Error>>> {
        let piece = self.pieces.poll_recv(context);
        piece.map(|piece| piece.map(|piece| piece.map(http_body::Frame::data)))
    }
}
