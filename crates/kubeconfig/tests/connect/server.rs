//! A real server on loopback that notes who asked for what, and how.

use std::convert::Infallible;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::{Request, Response, Version};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use kubevigil_kubeconfig::{Access, AccessError, Client, ClientError};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use rustls::RootCertStore;
use rustls::server::WebPkiClientVerifier;
use rustls_pki_types::PrivateKeyDer;
use tempfile::TempDir;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use x509_parser::prelude::{FromDer as _, X509Certificate};

/// A request as the server saw it.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Seen {
    pub(crate) request: String,
    pub(crate) is_http2: bool,
    pub(crate) authorization: Option<String>,
    pub(crate) agent: String,
    /// The name that was asked for in the handshake.
    pub(crate) name: Option<String>,
    /// The common name of the client's certificate.
    pub(crate) client: Option<String>,
}

/// A server, its authority, and a folder for what kubeconfigs name.
pub(crate) struct Server {
    pub(crate) port: u16,
    pub(crate) folder: TempDir,
    pub(crate) authority: CertifiedIssuer<'static, KeyPair>,
    seen: Arc<Mutex<Vec<Seen>>>,
    /// The only `Authorization` that is not answered with 401, if there is one.
    pub(crate) wanted: Arc<Mutex<Option<String>>>,
}

impl Server {
    /// A server for some names; clients may present certificates of its authority.
    pub(crate) async fn start(names: &[&str]) -> Self {
        let authority = authority();
        let key = KeyPair::generate().unwrap();
        let names = names.iter().map(|name| (*name).to_owned());
        let params = CertificateParams::new(names.collect::<Vec<_>>()).unwrap();
        let certificate = params.signed_by(&key, &authority).unwrap();
        Self::with(authority, certificate.der().clone(), &key).await
    }

    pub(crate) async fn with(
        authority: CertifiedIssuer<'static, KeyPair>,
        certificate: rustls_pki_types::CertificateDer<'static>,
        key: &KeyPair,
    ) -> Self {
        let mut roots = RootCertStore::empty();
        roots.add(authority.der().clone()).unwrap();
        let provider = kubevigil_tls::provider();
        let clients =
            WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider.clone());
        let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        let mut config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_client_cert_verifier(clients.allow_unauthenticated().build().unwrap())
            .with_single_cert(vec![certificate], key)
            .unwrap();
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Self::listen(authority, Some(TlsAcceptor::from(Arc::new(config)))).await
    }

    /// A server without TLS.
    pub(crate) async fn plain() -> Self {
        Self::listen(authority(), None).await
    }

    async fn listen(
        authority: CertifiedIssuer<'static, KeyPair>,
        tls: Option<TlsAcceptor>,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let server = Self {
            port: listener.local_addr().unwrap().port(),
            folder: tempfile::tempdir().unwrap(),
            authority,
            seen: Arc::default(),
            wanted: Arc::default(),
        };
        server.write("ca.crt", &server.authority.pem());
        let (seen, wanted) = (Arc::clone(&server.seen), Arc::clone(&server.wanted));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (seen, wanted, tls) = (Arc::clone(&seen), Arc::clone(&wanted), tls.clone());
                tokio::spawn(async move {
                    let Some(tls) = tls else {
                        return serve(stream, Seen::default(), seen, wanted).await;
                    };
                    if let Ok(stream) = tls.accept(stream).await {
                        let (_, session) = stream.get_ref();
                        let chain = session.peer_certificates().unwrap_or_default();
                        let known = Seen {
                            name: session.server_name().map(str::to_owned),
                            client: chain.first().map(|first| common_name(first)),
                            ..Seen::default()
                        };
                        serve(stream, known, seen, wanted).await;
                    }
                });
            }
        });
        server
    }

    /// What was asked since the last look.
    pub(crate) fn seen(&self) -> Vec<Seen> {
        std::mem::take(&mut *self.seen.lock().unwrap())
    }

    /// Answers everything but this with 401.
    pub(crate) fn want(&self, authorization: &str) {
        *self.wanted.lock().unwrap() = Some(authorization.to_owned());
    }

    pub(crate) fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    }

    /// Writes a certificate of the authority and its key as NAME.crt and NAME.key.
    pub(crate) fn certify(&self, name: &str, common_name: &str) -> (String, String) {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec![]).unwrap();
        params
            .distinguished_name
            .push(DnType::CommonName, common_name);
        let certificate = params.signed_by(&key, &self.authority).unwrap();
        self.write(&format!("{name}.crt"), &certificate.pem());
        self.write(&format!("{name}.key"), &key.serialize_pem());
        (certificate.pem(), key.serialize_pem())
    }

    /// The way to this server by a kubeconfig with these fields of cluster and user, in YAML's flow style.
    pub(crate) fn access(&self, cluster: &str, user: &str) -> Result<Access, AccessError> {
        Access::load(&self.kubeconfig(cluster, user), None)
    }

    pub(crate) fn kubeconfig(&self, cluster: &str, user: &str) -> PathBuf {
        let scheme = if cluster.contains("server:") {
            ""
        } else {
            "server: https://127.0.0.1:PORT/base/, "
        };
        let cluster = format!("{scheme}{cluster}").replace("PORT", &self.port.to_string());
        let text = format!(
            "current-context: a\ncontexts: [{{name: a, context: {{cluster: c, user: u}}}}]\n\
             clusters: [{{name: c, cluster: {{{cluster}}}}}]\nusers: [{{name: u, user: {{{user}}}}}]\n"
        );
        self.write("config", &text)
    }

    pub(crate) fn client(&self, cluster: &str, user: &str) -> Client {
        self.access(cluster, user).unwrap().client().unwrap()
    }
}

/// Asks for `/healthz`: the status, or what went wrong with its causes.
pub(crate) async fn ask(client: &Client) -> Result<u16, String> {
    let request = Request::builder()
        .uri("/healthz?a=b")
        .body(Bytes::new())
        .unwrap();
    let answer = client.send(request).await.map_err(|error| causes(&error))?;
    let status = answer.status().as_u16();
    answer.bytes().await.unwrap();
    Ok(status)
}

fn causes(error: &ClientError) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

pub(crate) fn authority() -> CertifiedIssuer<'static, KeyPair> {
    let mut params = CertificateParams::new(vec![]).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

pub(crate) fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_default()
}

async fn serve(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    known: Seen,
    seen: Arc<Mutex<Vec<Seen>>>,
    wanted: Arc<Mutex<Option<String>>>,
) {
    let answer = service_fn(move |request: Request<Incoming>| {
        let text = |name: &str| {
            let value = request.headers().get(name)?;
            Some(value.to_str().unwrap().to_owned())
        };
        let authorization = text("authorization");
        let wanted = wanted.lock().unwrap().clone();
        let is_wanted = wanted.is_none() || wanted == authorization;
        seen.lock().unwrap().push(Seen {
            request: format!(
                "{} {}",
                request.method(),
                request.uri().path_and_query().unwrap()
            ),
            is_http2: request.version() == Version::HTTP_2,
            agent: text("user-agent").unwrap_or_default(),
            authorization,
            ..known.clone()
        });
        let status = if is_wanted { 200 } else { 401 };
        let answer = Response::builder().status(status);
        async move { Ok::<_, Infallible>(answer.body(Full::new(Bytes::from("ok"))).unwrap()) }
    });
    let _ = auto::Builder::new(TokioExecutor::new())
        .serve_connection(TokioIo::new(stream), answer)
        .await;
}

fn common_name(certificate: &[u8]) -> String {
    let (_, parsed) = X509Certificate::from_der(certificate).unwrap();
    let name = parsed.subject().iter_common_name().next().unwrap();
    name.as_str().unwrap().to_owned()
}
