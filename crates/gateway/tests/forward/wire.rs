//! Both ends of what is tested.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use kubevigil_gateway::Peer;
use kubevigil_gateway::arrival::TimeAllowed;
use kubevigil_gateway::forward::{Forward, ForwardLimits, Upstream, UpstreamIdentity};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tower_service::Service;

/// Nothing here takes that long; what does hangs.
pub(crate) const SOON: Duration = Duration::from_secs(10);

/// One end of a connection.
pub(crate) struct Wire {
    stream: TcpStream,
    read: Vec<u8>,
}

/// How a stream ended.
#[derive(Debug, Eq, PartialEq)]
pub(crate) enum End {
    Closed,
    Reset,
}

impl Wire {
    pub(crate) async fn to(address: SocketAddr) -> Self {
        Self::of(TcpStream::connect(address).await.unwrap())
    }

    pub(crate) fn of(stream: TcpStream) -> Self {
        stream.set_nodelay(true).unwrap();
        Self {
            stream,
            read: Vec::new(),
        }
    }

    pub(crate) async fn send(&mut self, text: &str) {
        let sent = self.stream.write_all(text.as_bytes());
        timeout(SOON, sent).await.unwrap().unwrap();
    }

    /// Everything up to the empty line behind a head, in lower case but for the first line.
    pub(crate) async fn head(&mut self) -> String {
        let head = self.until("\r\n\r\n").await;
        let (first, lines) = head
            .trim_end()
            .split_once("\r\n")
            .unwrap_or((head.trim_end(), ""));
        let mut lines: Vec<String> = lines.split("\r\n").map(str::to_owned).collect();
        let changes = ["date:", "via: 1.1 kubevigil-"];
        lines.retain(|line| !line.is_empty() && !changes.iter().any(|name| line.starts_with(name)));
        lines.sort();
        lines.insert(0, first.to_owned());
        lines.join("\n")
    }

    /// Everything up to and with `end`.
    pub(crate) async fn until(&mut self, end: &str) -> String {
        loop {
            let at = self
                .read
                .windows(end.len())
                .position(|part| part == end.as_bytes());
            if let Some(at) = at {
                let rest = self.read.split_off(at + end.len());
                let text = std::mem::replace(&mut self.read, rest);
                return String::from_utf8(text).unwrap();
            }
            let read = timeout(SOON, self.stream.read_buf(&mut self.read)).await;
            let read = read.unwrap_or_else(|_| panic!("no {end:?} in {:?}", self.text()));
            assert!(read.unwrap() > 0, "no {end:?} in {:?}", self.text());
        }
    }

    /// Everything up to the end, and how that was.
    pub(crate) async fn rest(&mut self) -> (String, End) {
        loop {
            let read = self.stream.read_buf(&mut self.read);
            let read = timeout(SOON, read).await;
            let end = match read.unwrap_or_else(|_| panic!("no end behind {:?}", self.text())) {
                Ok(0) => End::Closed,
                Ok(_) => continue,
                Err(_) => End::Reset,
            };
            return (
                std::mem::take(&mut self.read).escape_ascii().to_string(),
                end,
            );
        }
    }

    /// Whether nothing comes for a while.
    pub(crate) async fn is_silent(&mut self) -> bool {
        if !self.read.is_empty() {
            return false;
        }
        let read = self.stream.read_buf(&mut self.read);
        timeout(Duration::from_millis(150), read).await.is_err()
    }

    /// Sends the end of this direction.
    pub(crate) async fn finish(&mut self) {
        self.stream.shutdown().await.unwrap();
    }

    /// Ends both directions with a reset.
    pub(crate) fn reset(self) {
        socket2::SockRef::from(&self.stream)
            .set_linger(Some(Duration::ZERO))
            .unwrap();
    }

    fn text(&self) -> String {
        self.read.escape_ascii().to_string()
    }
}

/// The forwarding service behind a server, and the upstream's listener.
pub(crate) struct Between {
    pub(crate) address: SocketAddr,
    pub(crate) upstream: TcpListener,
    pub(crate) drain: CancellationToken,
}

/// What an outer service does to a request.
pub(crate) type Outer = Arc<dyn Fn(&mut Request<Incoming>) + Send + Sync>;

/// What a test wants otherwise than usual.
pub(crate) struct Wanted {
    pub(crate) identity: UpstreamIdentity,
    pub(crate) limits: ForwardLimits,
    /// How long requests whose target says nothing of a watch may take.
    pub(crate) allowed: Duration,
    pub(crate) outer: Outer,
    /// The path of the server's address.
    pub(crate) prefix: &'static str,
}

impl Default for Wanted {
    fn default() -> Self {
        Self {
            identity: UpstreamIdentity::Passthrough,
            limits: ForwardLimits::default(),
            allowed: SOON,
            outer: Arc::new(|_| ()),
            prefix: "",
        }
    }
}

impl Between {
    pub(crate) async fn usual() -> Self {
        Self::start(Wanted::default()).await
    }

    pub(crate) async fn start(wanted: Wanted) -> Self {
        Self::inside(wanted, |forward| forward).await
    }

    /// With something around the service.
    pub(crate) async fn inside<S, B>(wanted: Wanted, around: impl FnOnce(Forward) -> S) -> Self
    where
        S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible>,
        S: Clone + Send + 'static,
        S::Future: Send,
        B: Body<Data = Bytes> + Send + 'static,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let upstream = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let server = format!("http://{}{}", upstream.local_addr().unwrap(), wanted.prefix);
        let target = Upstream::new(&server.parse().unwrap(), None, None, None).unwrap();
        let drain = CancellationToken::new();
        let forward = Forward::new(target, wanted.identity, wanted.limits, drain.clone());
        let outer: Outer = Arc::new(move |request| {
            let target = request.uri().to_string();
            let is_long = ["watch", "/exec", "/proxy"]
                .iter()
                .any(|word| target.contains(word));
            let allowed = TimeAllowed((!is_long).then_some(wanted.allowed));
            request.extensions_mut().insert(allowed);
            (wanted.outer)(request);
        });
        let address = serve(around(forward), outer).await;
        Self {
            address,
            upstream,
            drain,
        }
    }

    /// A client's connection with this sent already.
    pub(crate) async fn client(&self, request: &str) -> Wire {
        let mut client = Wire::to(self.address).await;
        client.send(request).await;
        client
    }

    /// The next connection to the upstream.
    pub(crate) async fn accept(&self) -> Wire {
        let accepted = timeout(SOON, self.upstream.accept()).await;
        Wire::of(accepted.expect("no connection to the upstream").unwrap().0)
    }

    /// Whether no further connection to the upstream is made.
    pub(crate) async fn is_left_alone(&self) -> bool {
        let accepted = timeout(Duration::from_millis(150), self.upstream.accept());
        accepted.await.is_err()
    }
}

/// Serves HTTP/1.1 with the service on loopback.
pub(crate) async fn serve<S, B>(service: S, outer: Outer) -> SocketAddr
where
    S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible>,
    S: Clone + Send + 'static,
    S::Future: Send,
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, address)) = listener.accept().await {
            let (service, outer) = (service.clone(), Arc::clone(&outer));
            let peer = Peer {
                address,
                certificates: Arc::new([]),
            };
            let service = service_fn(move |mut request: Request<Incoming>| {
                request.extensions_mut().insert(peer.clone());
                outer(&mut request);
                service.clone().call(request)
            });
            let server = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
            tokio::spawn(server.with_upgrades());
        }
    });
    address
}
