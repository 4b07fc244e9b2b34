//! An API server that knows three tokens and a few paths, on a socket of its own.
//!
//! `jane`, `admin` and `gateway` are who their tokens say; TokenReview says so, too. It keeps what it was asked.

use std::io::{BufRead as _, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use serde_json::{Value, json};

use crate::authority::Authority;

/// A request as it came in.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) method: String,
    pub(crate) target: String,
    /// Header lines, names in lower case.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
}

impl Asked {
    /// The first value of a header; empty when there is none.
    pub(crate) fn header(&self, name: &str) -> &str {
        let mut lines = self.headers.iter();
        lines
            .find(|(known, _)| known == name)
            .map_or("", |(_, value)| value)
    }
}

/// A server that runs until the test ends.
pub(crate) struct Upstream {
    pub(crate) address: SocketAddr,
    asked: Arc<Mutex<Vec<Asked>>>,
}

/// A stream of bytes both ways.
trait Wire: Read + Write {}
impl<T: Read + Write> Wire for T {}

impl Upstream {
    /// Without TLS.
    pub(crate) fn start() -> Self {
        Self::listen(None)
    }

    /// With TLS and a certificate of this authority.
    pub(crate) fn start_tls(authority: &Authority) -> Self {
        let pair = authority.server();
        let certificate = CertificateDer::from_pem_slice(pair.certificate.as_bytes()).unwrap();
        let key = PrivateKeyDer::from_pem_slice(pair.key.as_bytes()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate], key);
        Self::listen(Some(Arc::new(config.unwrap())))
    }

    fn listen(tls: Option<Arc<rustls::ServerConfig>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let asked = Arc::<Mutex<Vec<Asked>>>::default();
        let keep = Arc::clone(&asked);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (keep, tls) = (Arc::clone(&keep), tls.clone());
                thread::spawn(move || {
                    stream.set_nodelay(true).ok()?;
                    match tls {
                        None => serve(Box::new(stream), &keep),
                        Some(config) => {
                            let session = rustls::ServerConnection::new(config).ok()?;
                            serve(Box::new(rustls::StreamOwned::new(session, stream)), &keep)
                        }
                    }
                });
            }
        });
        Self { address, asked }
    }

    /// What it was asked, questions about tokens left out.
    pub(crate) fn asked(&self) -> Vec<Asked> {
        let all = self.asked.lock().unwrap().clone();
        all.into_iter()
            .filter(|asked| !asked.target.contains("tokenreviews"))
            .collect()
    }

    /// The targets of all that it was asked.
    pub(crate) fn targets(&self) -> Vec<String> {
        let all = self.asked.lock().unwrap();
        all.iter().map(|asked| asked.target.clone()).collect()
    }
}

fn serve(stream: Box<dyn Wire>, keep: &Mutex<Vec<Asked>>) -> Option<()> {
    let mut reader = BufReader::new(stream);
    loop {
        let asked = read(&mut reader)?;
        keep.lock().unwrap().push(asked.clone());
        let (status, body) = answer(&asked);
        let body = body.to_string();
        let answer = format!(
            "HTTP/1.1 {status} Said\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        reader.get_mut().write_all(answer.as_bytes()).ok()?;
        reader.get_mut().flush().ok()?;
    }
}

fn read(reader: &mut BufReader<Box<dyn Wire>>) -> Option<Asked> {
    let mut line = String::new();
    reader.read_line(&mut line).ok().filter(|read| *read > 0)?;
    let mut words = line.split(' ').map(str::to_owned);
    let (method, target) = (words.next()?, words.next()?);
    let mut headers = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let Some((name, value)) = line.split_once(':') else {
            break;
        };
        headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
    let mut asked = Asked {
        method,
        target,
        headers,
        body: String::new(),
    };
    asked.body = body(reader, &asked)?;
    Some(asked)
}

fn body(reader: &mut BufReader<Box<dyn Wire>>, asked: &Asked) -> Option<String> {
    let mut body = Vec::new();
    if asked.header("transfer-encoding") == "chunked" {
        loop {
            let mut size = String::new();
            reader.read_line(&mut size).ok()?;
            let size = usize::from_str_radix(size.trim(), 16).ok()?;
            let mut chunk = vec![0; size + 2];
            reader.read_exact(&mut chunk).ok()?;
            body.extend(chunk.get(..size)?);
            if size == 0 {
                break;
            }
        }
    } else {
        body = vec![0; asked.header("content-length").parse().unwrap_or(0)];
        reader.read_exact(&mut body).ok()?;
    }
    String::from_utf8(body).ok()
}

fn answer(asked: &Asked) -> (u16, Value) {
    let path = asked.target.split('?').next().unwrap_or_default();
    match (asked.method.as_str(), path) {
        ("POST", "/apis/authentication.k8s.io/v1/tokenreviews") => (201, review(&asked.body)),
        (_, "/slow") => {
            thread::sleep(Duration::from_millis(1_500));
            (200, json!({"kind": "Slow"}))
        }
        ("POST" | "PUT", _) => (201, serde_json::from_str(&asked.body).unwrap_or_default()),
        (_, path) if path.ends_with("/forbidden") => (403, forbidden()),
        _ => (
            200,
            json!({"kind": "List", "apiVersion": "v1", "items": []}),
        ),
    }
}

fn forbidden() -> Value {
    json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
        "message": "no", "reason": "Forbidden", "code": 403})
}

/// Who a token belongs to: who it names.
fn review(body: &str) -> Value {
    let review: Value = serde_json::from_str(body).unwrap_or_default();
    let token = review["spec"]["token"].as_str().unwrap_or_default();
    let is_known = ["admin", "gateway", "jane"].contains(&token);
    let user = json!({"username": token, "groups": ["developers", "system:authenticated"]});
    let status = if is_known {
        json!({"authenticated": true, "user": user, "audiences": ["https://kubernetes.default.svc"]})
    } else {
        json!({"authenticated": false})
    };
    json!({"kind": "TokenReview", "apiVersion": "authentication.k8s.io/v1", "metadata": {}, "spec": {}, "status": status})
}
