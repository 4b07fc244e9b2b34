//! Where the upstream is and how to get a connection to it.
//!
//! Only HTTP/1.1 is offered: one HTTP/2 connection to a kube-apiserver carries a hundred streams, so that a hundred watches
//! would starve everything else, and upgrades need HTTP/1.1 anyway.

mod proxy;

use std::sync::Arc;
use std::time::Duration;

use http::uri::PathAndQuery;
use http::{HeaderValue, Uri};
use kubevigil_kubeconfig::{Access, AccessError, ClientTls};
use rustls::ClientConfig;
use rustls_pki_types::ServerName;
use socket2::{SockRef, TcpKeepalive};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_util::either::Either;
use url::{Host, Url};

use super::failure::{Failure, Unreachable};
use proxy::Proxy;

/// A connection to the upstream, encrypted or not.
pub(super) type Stream = Either<TcpStream, Box<TlsStream<TcpStream>>>;

/// How long nothing may come before the other end is asked whether it is still there. A watch or a tunnel may be silent for
/// hours, and a peer that lost its power sends no reset.
const PROBE_AFTER: Duration = Duration::from_secs(30);

/// An API server's address, with what is needed to speak to it.
#[derive(Debug)]
pub struct Upstream {
    host: String,
    port: u16,
    tls: Option<Tls>,
    proxy: Option<Proxy>,
    /// The server's path without a slash at its end; comes before every request's path.
    prefix: String,
    authority: HeaderValue,
}

#[derive(Debug)]
struct Tls {
    name: ServerName<'static>,
    config: Arc<ClientConfig>,
}

/// Why a server's address cannot be an upstream.
#[derive(Debug, thiserror::Error)]
pub enum UpstreamError {
    /// Neither `http` nor `https`.
    #[error("the server `{0}` is no http or https address")]
    Scheme(String),
    /// No host, or one that no certificate can name.
    #[error("the server `{0}` has no usable host name")]
    Host(String),
    /// An `https` address without a TLS configuration.
    #[error("the server `{0}` is to be reached by TLS, but there is no TLS configuration")]
    NoTls(String),
    /// The TLS configuration cannot be made.
    #[error(transparent)]
    Access(#[from] AccessError),
    /// A proxy that is not spoken to by `CONNECT`.
    #[error("a proxy by `{0}` is not supported, expected http://HOST:PORT (proxy-url)")]
    Proxy(String),
}

impl Upstream {
    /// The upstream that a kubeconfig or a pod gives access to. Whether it is shown the client certificate of that: never where
    /// clients' own credentials are passed through.
    ///
    /// # Errors
    ///
    /// When it cannot be used.
    pub fn of(access: &Access, with_certificate: bool) -> Result<Self, UpstreamError> {
        let name = access.tls.as_ref().and_then(ClientTls::server_name);
        let tls = access.tls.is_some();
        let tls = tls.then(|| access.client_config(with_certificate));
        Self::new(
            &access.server,
            tls.transpose()?,
            name,
            access.proxy.as_ref(),
        )
    }

    /// An upstream at `server` (its path comes before the path of each request). `https` needs a TLS configuration;
    /// `server_name` is the name that its certificate is checked for instead of the host. `proxy` is an `http` proxy that is
    /// asked to `CONNECT`, with basic credentials if its address has some.
    ///
    /// # Errors
    ///
    /// When the addresses cannot be used.
    pub fn new(
        server: &Url,
        tls: Option<ClientConfig>,
        server_name: Option<&ServerName<'static>>,
        proxy: Option<&Url>,
    ) -> Result<Self, UpstreamError> {
        let host = server
            .host()
            .ok_or_else(|| UpstreamError::Host(without_user(server)))?;
        let authority = match server.port() {
            Some(port) => format!("{host}:{port}"),
            None => host.to_string(),
        };
        Ok(Self {
            tls: match server.scheme() {
                "http" => None,
                "https" => Some(Tls::new(server, tls, server_name)?),
                _ => return Err(UpstreamError::Scheme(without_user(server))),
            },
            proxy: proxy.map(Proxy::new).transpose()?,
            port: server.port_or_known_default().unwrap_or(443),
            prefix: server.path().trim_end_matches('/').to_owned(),
            authority: HeaderValue::from_str(&authority)
                .map_err(|_| UpstreamError::Host(without_user(server)))?,
            host: bare(&host),
        })
    }

    /// The value of `Host`.
    pub(super) fn authority(&self) -> HeaderValue {
        self.authority.clone()
    }

    /// The target to send for what a client asked for: the bytes of its path and query behind the server's own path.
    pub(super) fn target(&self, asked: &Uri) -> Result<Uri, Failure> {
        let path = asked.path_and_query().ok_or(Failure::Target)?;
        if !path.as_str().starts_with('/') {
            return Err(Failure::Target);
        }
        if self.prefix.is_empty() {
            return Ok(Uri::from(path.clone()));
        }
        let target = format!("{}{path}", self.prefix);
        let target = PathAndQuery::try_from(target).map_err(|_| Failure::Target)?;
        Ok(Uri::from(target))
    }

    /// A new connection, by way of the proxy if there is one, with its TLS handshake done.
    pub(super) async fn connect(&self) -> Result<Stream, Unreachable> {
        let (host, port) = match &self.proxy {
            Some(proxy) => proxy.address(),
            None => (self.host.as_str(), self.port),
        };
        let mut stream = TcpStream::connect((host, port)).await?;
        stream.set_nodelay(true)?;
        let probes = TcpKeepalive::new()
            .with_time(PROBE_AFTER)
            .with_interval(PROBE_AFTER / 2);
        SockRef::from(&stream).set_tcp_keepalive(&probes)?;
        if let Some(proxy) = &self.proxy {
            stream = proxy.tunnel(stream, &self.host, self.port).await?;
        }
        let Some(tls) = &self.tls else {
            return Ok(Either::Left(stream));
        };
        let connector = TlsConnector::from(Arc::clone(&tls.config));
        let stream = connector.connect(tls.name.clone(), stream);
        Ok(Either::Right(Box::new(
            stream.await.map_err(Unreachable::Tls)?,
        )))
    }
}

impl Tls {
    fn new(
        server: &Url,
        config: Option<ClientConfig>,
        server_name: Option<&ServerName<'static>>,
    ) -> Result<Self, UpstreamError> {
        let mut config = config.ok_or_else(|| UpstreamError::NoTls(without_user(server)))?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        let host = server.host();
        let host = host.and_then(|host| ServerName::try_from(bare(&host)).ok());
        Ok(Self {
            name: server_name
                .cloned()
                .or(host)
                .ok_or_else(|| UpstreamError::Host(without_user(server)))?,
            config: Arc::new(config),
        })
    }
}

/// A host as resolvers and certificates have it: no brackets around IPv6.
fn bare(host: &Host<&str>) -> String {
    match host {
        Host::Domain(name) => (*name).to_owned(),
        Host::Ipv4(address) => address.to_string(),
        Host::Ipv6(address) => address.to_string(),
    }
}

/// An address as it may be shown.
fn without_user(server: &Url) -> String {
    let mut server = server.clone();
    // Addresses that cannot have a user have none.
    let _ = (server.set_username(""), server.set_password(None));
    server.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn upstream(server: &str) -> Upstream {
        Upstream::new(&server.parse().unwrap(), None, None, None).unwrap()
    }

    #[test]
    fn the_servers_path_comes_before_the_bytes_of_the_request() {
        // Server, asked for, sent.
        let cases = [
            ("http://a", "/api", "/api"),
            ("http://a/", "/api?x=%2F&y=a+b", "/api?x=%2F&y=a+b"),
            ("http://a/k8s/c-1", "/api/", "/k8s/c-1/api/"),
            ("http://a/k8s/c-1/", "//api/../x", "/k8s/c-1//api/../x"),
            ("http://a", "https://b:1/api?x", "/api?x"),
            ("http://a", "/%7e/\"{|}", "/%7e/\"{|}"),
            ("http://a", "/?", "/?"),
        ];
        for (server, asked, sent) in cases {
            let target = upstream(server).target(&asked.parse().unwrap()).unwrap();
            assert_eq!(target.to_string(), sent, "{server} {asked}");
        }
        for refused in ["*", "a:443"] {
            let target = upstream("http://a").target(&refused.parse().unwrap());
            assert!(target.is_err(), "{refused}");
        }
    }

    #[test]
    fn the_host_is_the_servers() {
        let cases = [
            ("http://a:80", "a", "a", 80),
            ("http://a:8080", "a:8080", "a", 8080),
            ("http://[::1]:8080", "[::1]:8080", "::1", 8080),
            ("http://10.0.0.1", "10.0.0.1", "10.0.0.1", 80),
        ];
        for (server, authority, host, port) in cases {
            let upstream = upstream(server);
            assert_eq!(upstream.authority(), authority);
            assert_eq!((upstream.host.as_str(), upstream.port), (host, port));
        }
    }

    #[test]
    fn addresses_that_cannot_be_used_are_refused() {
        let cases = [
            ("ftp://a", None, "no http or https"),
            ("unix:/run/a", None, "no usable host"),
            ("https://a", None, "no TLS configuration"),
            ("ftp://user:secret@a", None, "`ftp://a/` is no http"),
            (
                "http://a",
                Some("socks5://user:secret@b:1080"),
                "by `socks5` is not",
            ),
            ("http://a", Some("https://b:443"), "not supported"),
        ];
        for (server, proxy, expected) in cases {
            let proxy = proxy.map(|proxy| proxy.parse::<Url>().unwrap());
            let made = Upstream::new(&server.parse().unwrap(), None, None, proxy.as_ref());
            let problem = made.unwrap_err().to_string();
            assert!(problem.contains(expected), "{server}: {problem}");
        }
    }
}
