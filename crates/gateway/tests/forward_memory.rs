//! Bodies of any size pass in constant memory, and slow readers make nobody buffer.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::net::SocketAddr;

use http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use kubevigil_gateway::forward::{Forward, ForwardLimits, Upstream, UpstreamIdentity};
use peak_alloc::PeakAlloc;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use tower_service::Service as _;

#[global_allocator]
static ALLOCATOR: PeakAlloc = PeakAlloc;

const BODY: usize = 100 * 1024 * 1024;
/// Everything: buffers of both connections, the test's own, the runtime.
const MOST: usize = 2 * 1024 * 1024;

async fn serve(forward: Forward) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let forward = forward.clone();
            let service =
                service_fn(move |request: Request<Incoming>| forward.clone().call(request));
            let server = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
            tokio::spawn(server);
        }
    });
    address
}

/// Reads heads without keeping bodies, and sends bodies without making them.
async fn read_head(stream: &mut TcpStream) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.unwrap());
    }
}

async fn send(stream: &mut TcpStream, bytes: usize) {
    let block = [b'x'; 16 * 1024];
    for _ in 0..bytes / block.len() {
        stream.write_all(&block).await.unwrap();
    }
}

async fn receive(stream: &mut TcpStream, bytes: usize) {
    let mut block = [0; 16 * 1024];
    let mut received = 0;
    while received < bytes {
        let read = stream.read(&mut block).await.unwrap();
        assert!(read > 0, "ended after {received} bytes");
        received += read;
    }
}

#[tokio::test]
async fn a_hundred_megabytes_pass_each_way_in_constant_memory() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let server = format!("http://{}", listener.local_addr().unwrap());
    let upstream = Upstream::new(&server.parse().unwrap(), None, None, None).unwrap();
    let forward = Forward::new(
        upstream,
        UpstreamIdentity::Passthrough,
        ForwardLimits::default(),
        CancellationToken::new(),
    );
    let address = serve(forward).await;
    let mut client = TcpStream::connect(address).await.unwrap();
    let head = format!("POST /x HTTP/1.1\r\nhost: g\r\ncontent-length: {BODY}\r\n\r\n");
    client.write_all(head.as_bytes()).await.unwrap();
    let (mut server, _) = listener.accept().await.unwrap();
    read_head(&mut server).await;

    ALLOCATOR.reset_peak_usage();
    let before = ALLOCATOR.current_usage();
    tokio::join!(send(&mut client, BODY), receive(&mut server, BODY));
    let upload = ALLOCATOR.peak_usage() - before;

    let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {BODY}\r\n\r\n");
    server.write_all(head.as_bytes()).await.unwrap();
    read_head(&mut client).await;
    ALLOCATOR.reset_peak_usage();
    let before = ALLOCATOR.current_usage();
    tokio::join!(send(&mut server, BODY), receive(&mut client, BODY));
    let download = ALLOCATOR.peak_usage() - before;

    println!("at most {upload} bytes for the upload, {download} for the download");
    assert!(upload < MOST && download < MOST, "{upload} {download}");
}
