//! An upstream that keeps the bytes of its requests as they came, and believes the framing that they claim.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// One request as it came in, head and body.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl Seen {
    pub(crate) fn method(&self) -> &str {
        self.head.split(' ').next().unwrap()
    }

    pub(crate) fn target(&self) -> &str {
        self.head.split(' ').nth(1).unwrap()
    }

    /// All values of a header, in order.
    pub(crate) fn header(&self, name: &str) -> Vec<&str> {
        let lines = self.head.lines().skip(1);
        let pairs = lines.filter_map(|line| line.split_once(": "));
        let own = pairs.filter(|(key, _)| key.eq_ignore_ascii_case(name));
        own.map(|(_, value)| value).collect()
    }
}

#[derive(Clone)]
pub(crate) struct RawUpstream {
    pub(crate) address: SocketAddr,
    seen: Arc<Mutex<Vec<Seen>>>,
}

impl RawUpstream {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let upstream = Self {
            address,
            seen: Arc::default(),
        };
        let accepting = upstream.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(accepting.clone().serve(stream));
            }
        });
        upstream
    }

    /// All requests so far, in the order in which they came.
    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    async fn serve(self, mut stream: TcpStream) {
        let mut buffer = Vec::new();
        loop {
            let Some(seen) = read_request(&mut stream, &mut buffer).await else {
                return;
            };
            let target = seen.target().to_owned();
            let upgrades = !seen.header("upgrade").is_empty();
            self.seen.lock().unwrap().push(seen);
            if upgrades {
                return echo(stream).await;
            }
            let answer = if target.contains("watch=1") {
                "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n3\r\n{}\n\r\n"
            } else {
                "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 3\r\n\r\n{}\n"
            };
            if target.contains("slow=1") {
                tokio::time::sleep(std::time::Duration::from_millis(600)).await;
            }
            if stream.write_all(answer.as_bytes()).await.is_err() {
                return;
            }
            if target.contains("endless=1") {
                pour(&mut stream).await;
            }
        }
    }
}

/// Takes the protocol over and says everything back.
async fn echo(mut stream: TcpStream) {
    let answer =
        "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: SPDY/3.1\r\n\r\n";
    let _ = stream.write_all(answer.as_bytes()).await;
    let (mut reader, mut writer) = stream.split();
    let _ = tokio::io::copy(&mut reader, &mut writer).await;
}

/// Goes on with a chunked answer until nobody takes it.
async fn pour(stream: &mut TcpStream) {
    let chunk = format!("10000\r\n{}\r\n", "x".repeat(0x1_0000));
    while stream.write_all(chunk.as_bytes()).await.is_ok() {}
}

async fn read_request(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> Option<Seen> {
    let end = loop {
        if let Some(at) = find(buffer, b"\r\n\r\n") {
            break at + 4;
        }
        more(stream, buffer).await?;
    };
    let head = String::from_utf8_lossy(&buffer[..end]).into_owned();
    buffer.drain(..end);
    let mut seen = Seen {
        head,
        body: Vec::new(),
    };
    if !seen.header("expect").is_empty() {
        stream
            .write_all(b"HTTP/1.1 100 Continue\r\n\r\n")
            .await
            .ok()?;
    }
    if let Some(length) = seen.header("content-length").first() {
        let length: usize = length.parse().unwrap();
        while buffer.len() < length {
            more(stream, buffer).await?;
        }
        seen.body = buffer.drain(..length).collect();
    } else if !seen.header("transfer-encoding").is_empty() {
        while find(buffer, b"0\r\n\r\n").is_none() {
            more(stream, buffer).await?;
        }
        let end = find(buffer, b"0\r\n\r\n").unwrap() + 5;
        seen.body = buffer.drain(..end).collect();
    }
    Some(seen)
}

async fn more(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> Option<()> {
    let read = stream.read_buf(buffer).await.ok()?;
    (read > 0).then_some(())
}

fn find(bytes: &[u8], needle: &[u8]) -> Option<usize> {
    bytes.windows(needle.len()).position(|part| part == needle)
}
