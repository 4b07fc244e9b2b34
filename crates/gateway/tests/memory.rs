//! A body of a hundred megabytes passes through the whole gateway in constant memory: it is not copied at level Metadata.
//!
//! A program of its own, because it counts what all of it allocates.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use std::net::SocketAddr;

use kubevigil_audit::policy::PolicyFile;
use kubevigil_gateway::{Gateway, GatewayConfig};
use kubevigil_record::auditing::Auditing;
use kubevigil_record::sink::Union;
use peak_alloc::PeakAlloc;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

const ALL: usize = 100 << 20;
const PIECE: usize = 1 << 16;

/// Reads a request with a body as long as it says, and answers with as much.
async fn serve(mut stream: TcpStream) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.unwrap());
    }
    swallow(&mut stream, ALL).await;
    let head = format!(
        "HTTP/1.1 201 Created\r\nContent-Type: application/json\r\nContent-Length: {ALL}\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    pour(&mut stream).await;
}

async fn swallow<S: AsyncReadExt + Unpin>(stream: &mut S, mut left: usize) {
    let mut buffer = vec![0; PIECE];
    while left > 0 {
        let most = left.min(PIECE);
        let count = stream.read(&mut buffer[..most]).await.unwrap();
        assert!(count > 0, "{left} bytes are missing");
        left -= count;
    }
}

async fn pour<S: AsyncWriteExt + Unpin>(stream: &mut S) {
    let piece = vec![b' '; PIECE];
    for _ in 0..ALL / PIECE {
        stream.write_all(&piece).await.unwrap();
    }
}

async fn upstream() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(serve(stream));
        }
    });
    address
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_megabytes_each_way_take_a_few_of_memory() {
    let upstream = upstream().await;
    let rules = "apiVersion: audit.k8s.io/v1\nkind: Policy\nrules: [{level: Metadata}]\n";
    let policy = PolicyFile::read("policy.yaml", rules).policy.unwrap();
    let auditing = Auditing::new(policy, std::sync::Arc::new(Union(Vec::new())));
    let mut config = GatewayConfig {
        listen: "127.0.0.1:0".parse().unwrap(),
        ..GatewayConfig::default()
    };
    config.upstream.server = Some(format!("http://{upstream}").parse().unwrap());
    let gateway = Gateway::bind(config, auditing).await.unwrap();
    let address = gateway.address();
    tokio::spawn(gateway.serve(CancellationToken::new()));

    let stream = TcpStream::connect(address).await.unwrap();
    let (mut reader, mut writer) = stream.into_split();
    MEMORY.reset_peak_usage();
    let before = MEMORY.current_usage();
    let head = format!(
        "PATCH /api/v1/namespaces/dev/configmaps/big HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: {ALL}\r\n\r\n"
    );
    writer.write_all(head.as_bytes()).await.unwrap();
    pour(&mut writer).await;
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(reader.read_u8().await.unwrap());
    }
    assert!(
        head.starts_with(b"HTTP/1.1 201"),
        "{}",
        String::from_utf8_lossy(&head)
    );
    swallow(&mut reader, ALL).await;
    let grown = MEMORY.peak_usage() - before;
    eprintln!("{grown} bytes more at the peak");
    assert!(grown < 8 << 20, "{grown} bytes more at the peak");
}
