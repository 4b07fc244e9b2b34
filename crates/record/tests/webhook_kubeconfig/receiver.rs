//! A receiver of audit events on loopback, with TLS or without, that notes what arrives.

use std::convert::Infallible;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::{Request, Response, Version};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::RootCertStore;
use rustls::server::WebPkiClientVerifier;
use rustls_pki_types::PrivateKeyDer;
use tempfile::TempDir;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

/// What arrived.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Arrived {
    /// Method and target.
    pub(crate) request: String,
    pub(crate) is_http2: bool,
    pub(crate) authorization: Option<String>,
    pub(crate) has_certificate: bool,
    pub(crate) content_type: Option<String>,
    pub(crate) body: String,
}

/// What is answered, by the request and its `Authorization`: a status, and where else to go.
type Answer = Box<dyn Fn(&str, Option<&str>) -> (u16, Option<String>) + Send + Sync>;

/// A receiver, and a folder for what kubeconfigs name.
pub(crate) struct Receiver {
    pub(crate) port: u16,
    pub(crate) folder: TempDir,
    shared: Arc<Shared>,
}

struct Shared {
    arrived: Mutex<Vec<Arrived>>,
    answer: Answer,
}

/// Takes everything.
pub(crate) fn takes_all() -> Answer {
    Box::new(|_, _| (200, None))
}

impl Receiver {
    /// A receiver whose certificate bears a name, or one without TLS. Client certificates of its authority are `client.crt` and `client.key`.
    pub(crate) async fn start(name: Option<&str>, answer: Answer) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let tls = name.map(|name| acceptor(name, &folder));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let arrived = Mutex::default();
        let shared = Arc::new(Shared { arrived, answer });
        let kept = Arc::clone(&shared);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (shared, tls) = (Arc::clone(&kept), tls.clone());
                tokio::spawn(async move {
                    let Some(tls) = tls else {
                        return serve(stream, false, shared).await;
                    };
                    if let Ok(stream) = tls.accept(stream).await {
                        let has_certificate = stream.get_ref().1.peer_certificates().is_some();
                        serve(stream, has_certificate, shared).await;
                    }
                });
            }
        });
        Self {
            port,
            folder,
            shared,
        }
    }

    /// What arrived since the last look.
    pub(crate) fn arrived(&self) -> Vec<Arrived> {
        std::mem::take(&mut *self.shared.arrived.lock().unwrap())
    }

    pub(crate) fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    }

    /// A kubeconfig with these fields, in YAML's flow style; `PORT` is the receiver's.
    pub(crate) fn kubeconfig(&self, cluster: &str, user: &str) -> PathBuf {
        let cluster = cluster.replace("PORT", &self.port.to_string());
        let text = format!(
            "current-context: a\ncontexts: [{{name: a, context: {{cluster: c, user: u}}}}]\n\
             clusters: [{{name: c, cluster: {{{cluster}}}}}]\nusers: [{{name: u, user: {{{user}}}}}]\n"
        );
        self.write("config", &text)
    }
}

fn acceptor(name: &str, folder: &TempDir) -> TlsAcceptor {
    let mut params = CertificateParams::new(vec![]).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    let certify = |name: &str| {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        (params.signed_by(&key, &authority).unwrap(), key)
    };
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    let (client, key) = certify("client");
    write("ca.crt", &authority.pem());
    write("client.crt", &client.pem());
    write("client.key", &key.serialize_pem());

    let provider = kubevigil_tls::provider();
    let mut roots = RootCertStore::empty();
    roots.add(authority.der().clone()).unwrap();
    let clients = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider.clone());
    let (own, key) = certify(name);
    let mut config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_client_cert_verifier(clients.allow_unauthenticated().build().unwrap())
        .with_single_cert(
            vec![own.der().clone()],
            PrivateKeyDer::try_from(key.serialize_der()).unwrap(),
        )
        .unwrap();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    TlsAcceptor::from(Arc::new(config))
}

async fn serve(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    has_certificate: bool,
    shared: Arc<Shared>,
) {
    let service = service_fn(move |request: Request<Incoming>| {
        let shared = Arc::clone(&shared);
        async move {
            let text = |name: &str| {
                let value = request.headers().get(name)?;
                Some(value.to_str().unwrap().to_owned())
            };
            let target = request.uri().path_and_query().unwrap();
            let mut arrived = Arrived {
                request: format!("{} {target}", request.method()),
                is_http2: request.version() == Version::HTTP_2,
                authorization: text("authorization"),
                has_certificate,
                content_type: text("content-type"),
                body: String::new(),
            };
            let body = request.into_body().collect().await.unwrap().to_bytes();
            arrived.body = String::from_utf8(body.to_vec()).unwrap();
            let (status, location) =
                (shared.answer)(&arrived.request, arrived.authorization.as_deref());
            shared.arrived.lock().unwrap().push(arrived);
            let mut answer = Response::builder().status(status);
            if let Some(location) = location {
                answer = answer.header("location", location);
            }
            Ok::<_, Infallible>(answer.body(Full::new(Bytes::new())).unwrap())
        }
    });
    let _ = auto::Builder::new(TokioExecutor::new())
        .serve_connection(TokioIo::new(stream), service)
        .await;
}
