//! HTTP/1.1 by hand: tests see every byte, and may send what no client library would.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// What came back.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// Names in lower case.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(found, _)| found == name)
            .map(|(_, value)| value.as_str())
    }
}

/// A connection that may carry several requests.
pub(crate) struct Wire {
    pub(crate) stream: TcpStream,
    unread: Vec<u8>,
    /// Whether the last request was a HEAD, whose answer has no body whatever its length says.
    head: bool,
}

impl Wire {
    pub(crate) async fn connect(address: SocketAddr) -> Self {
        Self {
            stream: TcpStream::connect(address).await.unwrap(),
            unread: Vec::new(),
            head: false,
        }
    }

    pub(crate) async fn send(&mut self, bytes: &[u8]) {
        self.head = bytes.starts_with(b"HEAD ");
        self.stream.write_all(bytes).await.unwrap();
    }

    /// Posts events.
    pub(crate) async fn post(&mut self, body: &[u8]) -> Answer {
        self.send(&post(&[], body)).await;
        self.answer().await.expect("an answer")
    }

    /// The next answer, or nothing if the server closes the connection.
    pub(crate) async fn answer(&mut self) -> Option<Answer> {
        loop {
            if let Some((answer, length)) = parse(&self.unread, self.head) {
                self.unread.drain(..length);
                return Some(answer);
            }
            let mut buffer = [0; 4096];
            match self.stream.read(&mut buffer).await {
                Ok(0) | Err(_) => return None,
                Ok(read) => self.unread.extend_from_slice(&buffer[..read]),
            }
        }
    }
}

/// One request on a connection of its own.
pub(crate) async fn exchange(address: SocketAddr, request: &[u8]) -> Answer {
    let mut wire = Wire::connect(address).await;
    wire.send(request).await;
    wire.answer().await.expect("an answer")
}

/// A POST of events with more headers.
pub(crate) fn post(headers: &[&str], body: &[u8]) -> Vec<u8> {
    let mut request = b"POST /k8s_audit?timeout=30s HTTP/1.1\r\nHost: audit\r\nContent-Type: application/json\r\n".to_vec();
    for header in headers {
        request.extend_from_slice(format!("{header}\r\n").as_bytes());
    }
    request.extend_from_slice(format!("Content-Length: {}\r\n\r\n", body.len()).as_bytes());
    request.extend_from_slice(body);
    request
}

fn parse(bytes: &[u8], head: bool) -> Option<(Answer, usize)> {
    let head_length = bytes.windows(4).position(|four| four == b"\r\n\r\n")? + 4;
    let text = String::from_utf8_lossy(&bytes[..head_length]);
    let mut lines = text.lines();
    let status: u16 = lines.next()?.split(' ').nth(1)?.parse().ok()?;
    let split = |line: &str| {
        line.split_once(": ")
            .map(|(name, value)| (name.to_lowercase(), value.to_owned()))
    };
    let mut answer = Answer {
        status,
        headers: lines.filter_map(split).collect(),
        body: String::new(),
    };
    let length = answer
        .header("content-length")
        .filter(|_| !head)
        .unwrap_or("0");
    let length: usize = length.parse().unwrap();
    let body = bytes.get(head_length..head_length + length)?;
    answer.body = String::from_utf8_lossy(body).into_owned();
    Some((answer, head_length + length))
}
