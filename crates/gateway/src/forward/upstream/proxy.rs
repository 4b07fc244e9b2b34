//! A proxy between here and the upstream (`proxy-url`), asked to open a tunnel (RFC 9110 9.3.6).

use std::future::poll_fn;
use std::pin::pin;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::{HOST, PROXY_AUTHORIZATION};
use http::{HeaderValue, Method, Request, Uri};
use http_body_util::Empty;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use percent_encoding::percent_decode_str;
use tokio::net::TcpStream;
use url::{Host, Url};

use super::{Unreachable, UpstreamError, bare};

/// Where the proxy is, and what it is told about us.
#[derive(Debug)]
pub(super) struct Proxy {
    host: String,
    port: u16,
    authorization: Option<HeaderValue>,
}

impl Proxy {
    pub(super) fn new(url: &Url) -> Result<Self, UpstreamError> {
        // The rest of the address may hold a password.
        let unsupported = || UpstreamError::Proxy(url.scheme().to_owned());
        let host = url.host().filter(|_| url.scheme() == "http");
        Ok(Self {
            host: bare(&host.ok_or_else(unsupported)?),
            port: url.port_or_known_default().ok_or_else(unsupported)?,
            authorization: authorization(url),
        })
    }

    /// Host and port of the proxy itself.
    pub(super) fn address(&self) -> (&str, u16) {
        (&self.host, self.port)
    }

    /// Makes a connection to the proxy one to `host`.
    pub(super) async fn tunnel(
        &self,
        stream: TcpStream,
        host: &str,
        port: u16,
    ) -> Result<TcpStream, Unreachable> {
        let (mut sender, mut connection) = http1::handshake(TokioIo::new(stream)).await?;
        let mut answer = pin!(sender.send_request(self.request(host, port)?));
        let answer = poll_fn(|context| {
            // What goes wrong is told to the one who waits for the answer.
            let _ = connection.poll_without_shutdown(context);
            answer.as_mut().poll(context)
        });
        let answer = answer.await?;
        if answer.status().is_success() {
            return Ok(connection.into_parts().io.into_inner());
        }
        Err(Unreachable::Proxy(answer.status()))
    }

    fn request(&self, host: &str, port: u16) -> Result<Request<Empty<Bytes>>, Unreachable> {
        let authority = match Host::parse(host) {
            Err(_) if host.contains(':') => format!("[{host}]:{port}"),
            _ => format!("{host}:{port}"),
        };
        let mut request = Request::new(Empty::new());
        *request.method_mut() = Method::CONNECT;
        let headers = request.headers_mut();
        if let Ok(host) = HeaderValue::from_str(&authority) {
            headers.insert(HOST, host);
        }
        if let Some(authorization) = &self.authorization {
            headers.insert(PROXY_AUTHORIZATION, authorization.clone());
        }
        *request.uri_mut() = Uri::try_from(authority).map_err(|_| Unreachable::Name)?;
        Ok(request)
    }
}

fn authorization(url: &Url) -> Option<HeaderValue> {
    if url.username().is_empty() && url.password().is_none() {
        return None;
    }
    let decode = |text: &str| percent_decode_str(text).collect::<Vec<u8>>();
    let mut pair = decode(url.username());
    pair.push(b':');
    pair.extend(decode(url.password().unwrap_or_default()));
    let mut value = HeaderValue::from_str(&format!("Basic {}", STANDARD.encode(pair))).ok()?;
    value.set_sensitive(true);
    Some(value)
}
