//! The bare way to the upstream, without auditing, to measure it: `cargo run --release --example forward -- 127.0.0.1:9001
//! http://127.0.0.1:9000`.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use kubevigil_gateway::Peer;
use kubevigil_gateway::arrival::TimeAllowed;
use kubevigil_gateway::forward::{Forward, ForwardLimits, Upstream, UpstreamIdentity};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tower_service::Service as _;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let usage = "usage: forward ADDRESS:PORT http://UPSTREAM:PORT";
    let listener = TcpListener::bind(arguments.next().ok_or(usage)?).await?;
    let server = arguments.next().ok_or(usage)?.parse()?;
    let forward = Forward::new(
        Upstream::new(&server, None, None, None)?,
        UpstreamIdentity::Passthrough,
        ForwardLimits::default(),
        CancellationToken::new(),
    );
    let allowed = TimeAllowed(Some(Duration::from_secs(60)));
    loop {
        let (stream, address) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let forward = forward.clone();
        let peer = Peer {
            address,
            certificates: Arc::new([]),
        };
        let service = service_fn(move |mut request: Request<Incoming>| {
            request.extensions_mut().insert(peer.clone());
            request.extensions_mut().insert(allowed);
            forward.clone().call(request)
        });
        let connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
        tokio::spawn(connection.with_upgrades());
    }
}
