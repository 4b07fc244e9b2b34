//! The connection: TCP, TLS, one request.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{TcpStream, ToSocketAddrs as _};
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::ServerName;
use rustls::{ClientConnection, ProtocolVersion, StreamOwned};

use super::target::Target;

/// How long each step may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// The most of an answer that is read.
const LONGEST_ANSWER: u64 = 64 << 10;

/// An open connection.
pub(super) enum Wire {
    Plain(TcpStream),
    Tls(Box<StreamOwned<ClientConnection, TcpStream>>),
}

/// What came back.
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) body: String,
}

/// Tries the addresses of the host, one after the other.
pub(super) fn connect(target: &Target) -> io::Result<TcpStream> {
    let mut last = io::Error::new(ErrorKind::NotFound, "the name has no address");
    for address in (target.host.as_str(), target.port).to_socket_addrs()? {
        match TcpStream::connect_timeout(&address, PATIENCE) {
            Ok(stream) => {
                stream.set_read_timeout(Some(PATIENCE))?;
                stream.set_write_timeout(Some(PATIENCE))?;
                return Ok(stream);
            }
            Err(error) => last = error,
        }
    }
    Err(last)
}

impl Wire {
    pub(super) fn plain(stream: TcpStream) -> Self {
        Self::Plain(stream)
    }

    /// Shakes hands.
    pub(super) fn tls(
        mut stream: TcpStream,
        config: rustls::ClientConfig,
        target: &Target,
    ) -> io::Result<Self> {
        let name = ServerName::try_from(target.host.clone()).map_err(io::Error::other)?;
        let mut session =
            ClientConnection::new(Arc::new(config), name).map_err(io::Error::other)?;
        while session.is_handshaking() {
            session.complete_io(&mut stream)?;
        }
        Ok(Self::Tls(Box::new(StreamOwned::new(session, stream))))
    }

    pub(super) fn protocol(&self) -> &'static str {
        match self {
            Self::Plain(_) => "no TLS",
            Self::Tls(stream) => match stream.conn.protocol_version() {
                Some(ProtocolVersion::TLSv1_3) => "TLS 1.3",
                _ => "TLS 1.2",
            },
        }
    }

    /// Posts a body as the audit backend does and reads the answer.
    pub(super) fn post(
        mut self,
        target: &Target,
        token: Option<&str>,
        agent: &str,
        body: &str,
    ) -> io::Result<Answer> {
        let authorization = token.map(|token| format!("Authorization: Bearer {token}\r\n"));
        let request = format!(
            "POST {}?timeout=30s HTTP/1.1\r\nHost: {target}\r\nUser-Agent: {agent}\r\nContent-Type: application/json\r\n\
             Accept: application/json, */*\r\n{}Content-Length: {}\r\nConnection: close\r\n\r\n{body}",
            target.path,
            authorization.unwrap_or_default(),
            body.len(),
        );
        let written = self
            .stream()
            .write_all(request.as_bytes())
            .and_then(|()| self.stream().flush());
        // Why a server hangs up is in what it sent before, so that is read even after a failed write.
        let mut answer = Vec::new();
        let read = Read::take(self.stream(), LONGEST_ANSWER).read_to_end(&mut answer);
        match parse(&String::from_utf8_lossy(&answer)) {
            Some(answer) => Ok(answer),
            None => {
                read?;
                written?;
                let problem = if answer.is_empty() {
                    io::Error::from(ErrorKind::UnexpectedEof)
                } else {
                    io::Error::new(ErrorKind::InvalidData, "the answer is no HTTP")
                };
                Err(problem)
            }
        }
    }

    fn stream(&mut self) -> &mut dyn Stream {
        match self {
            Self::Plain(stream) => stream,
            Self::Tls(stream) => &mut **stream,
        }
    }
}

trait Stream: Read + Write {}
impl<T: Read + Write> Stream for T {}

fn parse(text: &str) -> Option<Answer> {
    let (head, body) = text.split_once("\r\n\r\n")?;
    let mut first = head.lines().next()?.split(' ');
    let version = first.next()?;
    let status = first.next()?.parse().ok()?;
    version.starts_with("HTTP/1.").then(|| Answer {
        status,
        body: body.to_owned(),
    })
}
