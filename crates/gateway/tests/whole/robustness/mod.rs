//! What goes wrong on the wire, through the whole gateway: it goes on, nobody waits for ever, and the events tell the truth.

mod crowds;
mod rough;
mod smuggling;

use std::future::Future;
use std::net::SocketAddr;
use std::time::Duration;

use kubevigil_gateway::GatewayConfig;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use crate::gateway::Running;

/// An upstream that does with each connection what it is told.
struct RawUpstream {
    address: SocketAddr,
    accepting: JoinHandle<()>,
}

impl Drop for RawUpstream {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

impl RawUpstream {
    async fn start<F, R>(serve: F) -> Self
    where
        F: Fn(TcpStream) -> R + Send + 'static,
        R: Future<Output = ()> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let accepting = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream));
            }
        });
        Self { address, accepting }
    }
}

/// A gateway for anybody, without TLS.
fn plain(upstream: SocketAddr) -> GatewayConfig {
    let mut config = GatewayConfig {
        listen: "127.0.0.1:0".parse().unwrap(),
        ..GatewayConfig::default()
    };
    config.upstream.server = Some(format!("http://{upstream}").parse().unwrap());
    config
}

async fn gateway(upstream: SocketAddr) -> Running {
    Running::start(plain(upstream), "rules: [{level: Metadata}]").await
}

/// Reads the head of a request; its first line.
async fn request_line(stream: &mut TcpStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read_u8().await {
            Ok(byte) => head.push(byte),
            Err(_) => return String::new(),
        }
    }
    let head = String::from_utf8_lossy(&head);
    head.lines().next().unwrap_or_default().to_owned()
}

/// Sends text over a new connection and reads until nothing comes any more.
async fn exchange(address: SocketAddr, sent: &[u8]) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    // Whoever is answered before it has sent everything may be cut off.
    let _ = stream.write_all(sent).await;
    rest(&mut stream).await
}

async fn rest(stream: &mut TcpStream) -> String {
    let mut read = Vec::new();
    let mut buffer = [0; 4096];
    let silence = Duration::from_secs(2);
    while let Ok(Ok(count)) = tokio::time::timeout(silence, stream.read(&mut buffer)).await {
        if count == 0 {
            break;
        }
        read.extend_from_slice(&buffer[..count]);
    }
    String::from_utf8_lossy(&read).into_owned()
}

/// Stage, path and code of each event.
fn told(lines: &[String]) -> Vec<(String, String, u64)> {
    let events = lines.iter().map(|line| {
        let event: Value = serde_json::from_str(line).unwrap();
        let text = |name: &str| event[name].as_str().unwrap().to_owned();
        let code = event["responseStatus"]["code"].as_u64();
        (text("stage"), text("requestURI"), code.unwrap_or_default())
    });
    events.collect()
}
