//! HTTP as the audit backend of a kube-apiserver speaks it: one kept-alive connection, `Content-Length`, JSON.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use crate::daemon::PATIENCE;

trait Wire: Read + Write + Send {}
impl<T: Read + Write + Send> Wire for T {}

/// A connection.
pub(crate) struct Sender {
    wire: BufReader<Box<dyn Wire>>,
    /// More header lines, each with its line break.
    pub(crate) headers: String,
}

/// An answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
}

impl Sender {
    /// Connects without TLS.
    pub(crate) fn connect(address: SocketAddr) -> Self {
        Self::over(Box::new(tcp(address)))
    }

    /// Connects with TLS.
    pub(crate) fn connect_tls(address: SocketAddr, config: rustls::ClientConfig) -> Self {
        let name = rustls::pki_types::ServerName::from(address.ip());
        let session = rustls::ClientConnection::new(Arc::new(config), name).unwrap();
        Self::over(Box::new(rustls::StreamOwned::new(session, tcp(address))))
    }

    fn over(wire: Box<dyn Wire>) -> Self {
        Self {
            wire: BufReader::new(wire),
            headers: String::new(),
        }
    }

    /// Posts a body as a kube-apiserver does; an error is a connection that broke.
    pub(crate) fn try_post(&mut self, body: &str) -> io::Result<Answer> {
        let head = format!(
            "POST /k8s_audit?timeout=30s HTTP/1.1\r\nHost: kubevigil\r\nUser-Agent: kube-apiserver-audit/v1.36.2\r\n\
             Content-Type: application/json\r\nAccept-Encoding: gzip\r\n{}Content-Length: {}\r\n\r\n",
            self.headers,
            body.len()
        );
        let wire = self.wire.get_mut();
        wire.write_all(head.as_bytes())?;
        wire.write_all(body.as_bytes())?;
        wire.flush()?;
        self.answer()
    }

    /// Posts a body.
    pub(crate) fn post(&mut self, body: &str) -> Answer {
        self.try_post(body).expect("the connection broke")
    }

    /// Posts a body that is accepted.
    pub(crate) fn deliver(&mut self, body: &str) {
        let answer = self.post(body);
        assert_eq!((answer.status, answer.body.as_str()), (200, ""));
    }

    /// Writes part of a request.
    pub(crate) fn write(&mut self, text: &str) {
        self.wire.get_mut().write_all(text.as_bytes()).unwrap();
        self.wire.get_mut().flush().unwrap();
    }

    /// Asks for a page.
    pub(crate) fn get(&mut self, path: &str) -> Answer {
        self.write(&format!("GET {path} HTTP/1.1\r\nHost: kubevigil\r\n\r\n"));
        self.answer().expect("the connection broke")
    }

    /// Reads an answer.
    pub(crate) fn answer(&mut self) -> io::Result<Answer> {
        let first = self.line()?;
        let status = first
            .split(' ')
            .nth(1)
            .and_then(|status| status.parse().ok());
        let status = status.ok_or(io::ErrorKind::UnexpectedEof)?;
        let mut headers = Vec::new();
        loop {
            let line = self.line()?;
            let Some((name, value)) = line.split_once(':') else {
                break;
            };
            headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
        }
        let mut answer = Answer {
            status,
            headers,
            body: String::new(),
        };
        let length = answer
            .header("content-length")
            .map_or(0, |length| length.parse().unwrap());
        let mut body = vec![0; length];
        self.wire.read_exact(&mut body)?;
        answer.body = String::from_utf8(body).unwrap();
        Ok(answer)
    }

    fn line(&mut self) -> io::Result<String> {
        let mut line = String::new();
        self.wire.read_line(&mut line)?;
        Ok(line.trim_end().to_owned())
    }
}

impl Answer {
    /// A header's value.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.as_str())
    }
}

fn tcp(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect_timeout(&address, Duration::from_secs(5)).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.set_nodelay(true).unwrap();
    stream
}
