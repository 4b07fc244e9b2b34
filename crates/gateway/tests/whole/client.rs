//! A client that sends exactly what it is told to, over one connection at a time.

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, Request, header};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

/// A stream to a server, encrypted or not.
pub(crate) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

/// Opens a connection.
pub(crate) async fn connect(
    address: SocketAddr,
    tls: Option<&Arc<ClientConfig>>,
) -> Box<dyn Stream> {
    let stream = TcpStream::connect(address).await.unwrap();
    stream.set_nodelay(true).unwrap();
    let Some(tls) = tls else {
        return Box::new(stream);
    };
    let name = ServerName::from(address.ip());
    let connector = TlsConnector::from(tls.clone());
    Box::new(connector.connect(name, stream).await.unwrap())
}

/// An answer, read to its end.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) code: u16,
    pub(crate) headers: HeaderMap,
    /// What came of the body, and whether all of it came.
    pub(crate) body: Bytes,
    pub(crate) is_whole: bool,
}

impl Answer {
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// Sends requests one after the other and keeps the connection as long as it lasts.
pub(crate) struct Client {
    address: SocketAddr,
    tls: Option<Arc<ClientConfig>>,
    connection: Option<SendRequest<Full<Bytes>>>,
}

impl Client {
    pub(crate) fn new(address: SocketAddr, tls: Option<Arc<ClientConfig>>) -> Self {
        Self {
            address,
            tls,
            connection: None,
        }
    }

    /// An ordinary GET.
    pub(crate) async fn get(&mut self, target: &str) -> Answer {
        let request = Request::get(target).body(Vec::new()).unwrap();
        self.send(request).await
    }

    /// Sends a request and reads its answer. After 101 the connection is closed.
    pub(crate) async fn send(&mut self, request: Request<Vec<u8>>) -> Answer {
        let mut request = request.map(|body| Full::new(Bytes::from(body)));
        let host = self.address.to_string().parse().unwrap();
        request.headers_mut().insert(header::HOST, host);
        let mut connection = self.ready().await;
        let answer = connection.send_request(request).await.unwrap();
        let (parts, mut body) = answer.into_parts();
        let mut read = Vec::new();
        let mut is_whole = true;
        if parts.status != 101 {
            while let Some(frame) = body.frame().await {
                match frame {
                    Ok(frame) => read.extend(frame.into_data().unwrap_or_default()),
                    Err(_) => is_whole = false,
                }
            }
            self.connection = Some(connection);
        }
        Answer {
            code: parts.status.as_u16(),
            headers: parts.headers,
            body: read.into(),
            is_whole,
        }
    }

    async fn ready(&mut self) -> SendRequest<Full<Bytes>> {
        if let Some(mut connection) = self.connection.take()
            && connection.ready().await.is_ok()
        {
            return connection;
        }
        let stream = connect(self.address, self.tls.as_ref()).await;
        let (connection, driver) = handshake(TokioIo::new(stream)).await.unwrap();
        tokio::spawn(driver);
        connection
    }
}
