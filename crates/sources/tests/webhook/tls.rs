//! HTTPS, client certificates, and their replacement while connections live.

use std::path::{Path, PathBuf};
use std::time::Duration;

use http::Version;
use kubevigil_sources::webhook::{TlsConfig, Webhook, WebhookConfig};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair,
};
use reqwest::{Client, ClientBuilder, Identity, StatusCode};
use tempfile::TempDir;

use crate::server::{Mode, Server, list};
use crate::wire::{Wire, post};

/// An authority that signs servers and clients.
struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
}

/// A certificate and its key as PEM.
struct Pair {
    certificate: String,
    key: String,
}

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new(vec![]).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        Self { issuer }
    }

    fn server(&self) -> Pair {
        let params = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
        self.sign(params)
    }

    fn client(&self, common_name: &str, names: &[&str]) -> Pair {
        let names: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut params = CertificateParams::new(names).unwrap();
        params
            .distinguished_name
            .push(DnType::CommonName, common_name);
        params
            .extended_key_usages
            .push(ExtendedKeyUsagePurpose::ClientAuth);
        self.sign(params)
    }

    fn sign(&self, params: CertificateParams) -> Pair {
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        Pair {
            certificate: certificate.pem(),
            key: key.serialize_pem(),
        }
    }

    fn pem(&self) -> String {
        self.issuer.pem()
    }

    /// A client that trusts this authority only.
    fn trusting(&self) -> ClientBuilder {
        let root = reqwest::Certificate::from_pem(self.pem().as_bytes()).unwrap();
        Client::builder().tls_certs_only([root])
    }
}

impl Pair {
    fn identity(&self) -> Identity {
        Identity::from_pem(format!("{}{}", self.key, self.certificate).as_bytes()).unwrap()
    }
}

/// A folder with the files of the server.
struct Files {
    folder: TempDir,
}

impl Files {
    fn new(pair: &Pair) -> Self {
        let files = Self {
            folder: tempfile::tempdir().unwrap(),
        };
        files.replace(pair);
        files
    }

    fn replace(&self, pair: &Pair) {
        self.write("tls.crt", &pair.certificate);
        self.write("tls.key", &pair.key);
    }

    fn write(&self, name: &str, content: &str) -> PathBuf {
        std::fs::write(self.path(name), content).unwrap();
        self.path(name)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn config(&self) -> TlsConfig {
        TlsConfig {
            certificate: self.path("tls.crt"),
            key: self.path("tls.key"),
            client_ca: None,
            allowed_names: vec![],
        }
    }

    async fn serve(&self, change: impl FnOnce(&mut TlsConfig)) -> Server {
        let mut tls = self.config();
        change(&mut tls);
        Server::with(|config| config.tls = Some(tls)).await
    }
}

async fn send(client: &Client, server: &Server) -> reqwest::Result<reqwest::Response> {
    let url = format!("https://{}/k8s_audit?timeout=30s", server.address);
    client
        .post(url)
        .header("content-type", "application/json")
        .body(list(2))
        .send()
        .await
}

#[tokio::test]
async fn both_versions_of_http_are_spoken_over_tls() {
    let authority = Authority::new();
    let server = Files::new(&authority.server()).serve(|_| {}).await;
    let two = authority.trusting().build().unwrap();
    let one = authority.trusting().http1_only().build().unwrap();
    for (client, version) in [(two, Version::HTTP_2), (one, Version::HTTP_11)] {
        let answer = send(&client, &server).await.unwrap();
        assert_eq!(
            (answer.status(), answer.version()),
            (StatusCode::OK, version)
        );
    }
    assert_eq!(server.intake.events().len(), 4);
}

#[tokio::test]
async fn requests_share_a_connection_of_http2() {
    let authority = Authority::new();
    let server = Files::new(&authority.server()).serve(|_| {}).await;
    server.intake.set(Mode::Take(Duration::from_millis(200)));
    let client = authority.trusting().build().unwrap();
    assert!(send(&client, &server).await.unwrap().status().is_success());
    let many = (0..20).map(|_| send(&client, &server));
    let answers: Vec<_> = many
        .map(|one| async { one.await.unwrap().status() })
        .collect();
    for status in join_all(answers).await {
        assert_eq!(status, StatusCode::OK);
    }
    assert_eq!(server.counters.connections.get(), 1);
}

async fn join_all<T>(futures: Vec<impl Future<Output = T>>) -> Vec<T> {
    let mut futures: Vec<_> = futures.into_iter().map(Box::pin).collect();
    let mut done: Vec<Option<T>> = futures.iter().map(|_| None).collect();
    std::future::poll_fn(|context| {
        for (future, result) in futures.iter_mut().zip(&mut done) {
            if result.is_none()
                && let std::task::Poll::Ready(value) = future.as_mut().poll(context)
            {
                *result = Some(value);
            }
        }
        match done.iter().all(Option::is_some) {
            true => std::task::Poll::Ready(()),
            false => std::task::Poll::Pending,
        }
    })
    .await;
    done.into_iter().flatten().collect()
}

#[tokio::test]
async fn a_body_beyond_the_limit_is_answered_over_http2_as_well() {
    let authority = Authority::new();
    let tls = Files::new(&authority.server());
    let config = tls.config();
    let server = Server::with(|all| {
        all.tls = Some(config);
        all.max_body_bytes = 500;
    })
    .await;
    let client = authority.trusting().build().unwrap();
    let answer = send(&client, &server).await.unwrap();
    assert_eq!(
        (answer.status().as_u16(), answer.version()),
        (413, Version::HTTP_2)
    );
    assert_eq!(send(&client, &server).await.unwrap().status().as_u16(), 413);
}

#[tokio::test]
async fn with_an_authority_only_clients_with_its_certificate_connect() {
    let (authority, stranger) = (Authority::new(), Authority::new());
    let files = Files::new(&authority.server());
    let ca = files.write("ca.crt", &authority.pem());
    let server = files.serve(|tls| tls.client_ca = Some(ca)).await;
    let with = |pair: &Pair| {
        authority
            .trusting()
            .identity(pair.identity())
            .build()
            .unwrap()
    };

    let good = send(&with(&authority.client("api-server", &[])), &server)
        .await
        .unwrap();
    assert_eq!(good.status(), StatusCode::OK);
    assert!(
        send(&with(&stranger.client("api-server", &[])), &server)
            .await
            .is_err()
    );
    assert!(
        send(&authority.trusting().build().unwrap(), &server)
            .await
            .is_err()
    );
    assert_eq!(server.intake.events().len(), 2);
    assert_eq!(server.counters.handshake_failures.get(), 2);
}

#[tokio::test]
async fn names_of_client_certificates_can_be_listed() {
    let authority = Authority::new();
    let files = Files::new(&authority.server());
    let ca = files.write("ca.crt", &authority.pem());
    let server = files
        .serve(|tls| {
            tls.client_ca = Some(ca);
            tls.allowed_names = vec![
                "api-server".into(),
                "audit.example.org".into(),
                "192.0.2.7".into(),
            ];
        })
        .await;
    let cases = [
        ("api-server", &[][..], 200),
        ("other", &[], 403),
        ("other", &["audit.example.org"], 200),
        ("other", &["192.0.2.7"], 200),
        ("other", &["x.audit.example.org", "192.0.2.8"], 403),
        ("API-SERVER", &[], 403),
    ];
    for (common_name, names, status) in cases {
        let identity = authority.client(common_name, names).identity();
        let client = authority.trusting().identity(identity).build().unwrap();
        let answer = send(&client, &server).await.unwrap();
        assert_eq!(answer.status().as_u16(), status, "{common_name} {names:?}");
    }
    assert_eq!(server.counters.auth_failures.get(), 3);
}

#[tokio::test]
async fn a_new_certificate_is_used_while_old_connections_live_on() {
    let (old, new) = (Authority::new(), Authority::new());
    let files = Files::new(&old.server());
    let server = files.serve(|_| {}).await;
    let early = old.trusting().build().unwrap();
    assert!(send(&early, &server).await.is_ok());

    files.replace(&new.server());
    assert!(server.handle.reload().is_empty());
    assert!(send(&early, &server).await.is_ok(), "the old connection");
    assert_eq!(server.counters.connections.get(), 1);
    assert!(
        send(&new.trusting().build().unwrap(), &server)
            .await
            .is_ok(),
        "a new connection"
    );
    assert!(
        send(&old.trusting().build().unwrap(), &server)
            .await
            .is_err()
    );
    assert_eq!(server.counters.reloads.get(), 1);
}

#[tokio::test]
async fn a_broken_new_certificate_leaves_the_old_one_in_use() {
    let authority = Authority::new();
    let pair = authority.server();
    let files = Files::new(&pair);
    let server = files.serve(|_| {}).await;
    for broken in [
        &pair.key,
        "",
        "-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n",
    ] {
        files.write("tls.crt", broken);
        assert_eq!(server.handle.reload().len(), 1);
        assert!(
            send(&authority.trusting().build().unwrap(), &server)
                .await
                .is_ok()
        );
    }
    files.write("tls.crt", &authority.server().certificate);
    let errors = server.handle.reload();
    assert!(
        errors[0].to_string().contains("does not belong to"),
        "half replaced: {}",
        errors[0]
    );
    assert_eq!(server.counters.failed_reloads.get(), 4);
}

#[tokio::test]
async fn plain_http_on_the_tls_port_fails_and_is_counted() {
    let server = Files::new(&Authority::new().server()).serve(|_| {}).await;
    let mut wire = Wire::connect(server.address).await;
    wire.send(&post(&[], list(1).as_bytes())).await;
    assert_eq!(wire.answer().await, None);
    assert_eq!(server.counters.handshake_failures.get(), 1);
}

#[tokio::test]
async fn a_slow_handshake_is_cut_off() {
    let config = Files::new(&Authority::new().server());
    let tls = config.config();
    let server = Server::with(|all| {
        all.tls = Some(tls);
        all.header_timeout_seconds = 1;
    })
    .await;
    let mut wire = Wire::connect(server.address).await;
    wire.send(&[0x16, 3, 1]).await;
    let end = tokio::time::timeout(Duration::from_secs(5), wire.answer()).await;
    assert_eq!(end.expect("was cut off"), None);
    assert_eq!(server.counters.slow_headers.get(), 1);
}

/// Content of the certificate, the key and the authorities, and what the error says of it.
type Broken<'a> = (&'a str, &'a str, &'a str, &'a [&'a str]);

#[tokio::test]
async fn files_that_cannot_be_used_are_explained() {
    let (pair, other) = (Authority::new().server(), Authority::new().server());
    let (certificate, key) = (pair.certificate.as_str(), pair.key.as_str());
    let no_certificate = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    let no_key = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n";
    let encrypted =
        "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n";
    let second = format!("{certificate}{no_certificate}");
    let cut = &certificate[..certificate.len() / 2];
    let cases: [Broken<'_>; 11] = [
        (
            "",
            key,
            "",
            &["tls.crt holds no CERTIFICATE block, but no PEM at all"],
        ),
        (
            key,
            key,
            "",
            &[
                "tls.crt holds no CERTIFICATE block, but \"PRIVATE KEY\"",
                "swapped?",
            ],
        ),
        (cut, key, "", &["tls.crt is not valid PEM"]),
        (
            no_certificate,
            key,
            "",
            &["certificate 1 in ", "tls.crt cannot be read"],
        ),
        (
            &second,
            key,
            "",
            &["certificate 2 in ", "tls.crt cannot be read"],
        ),
        (certificate, "", "", &["tls.key holds no PRIVATE KEY block"]),
        (
            certificate,
            certificate,
            "",
            &["tls.key holds no PRIVATE KEY block", "swapped?"],
        ),
        (
            certificate,
            no_key,
            "",
            &["the key in ", "tls.key cannot be used", "expected an RSA"],
        ),
        (
            certificate,
            encrypted,
            "",
            &["tls.key is encrypted", "openssl pkey -in"],
        ),
        (
            certificate,
            &other.key,
            "",
            &["tls.key does not belong to the first certificate in"],
        ),
        (
            certificate,
            key,
            "nonsense",
            &["ca.crt holds no CERTIFICATE block"],
        ),
    ];
    for (certificate, key, ca, expected) in cases {
        let error = refusal(certificate, key, ca).await;
        for part in expected {
            assert!(error.contains(part), "expected {part:?} in {error:?}");
        }
    }
}

async fn refusal(certificate: &str, key: &str, ca: &str) -> String {
    let files = Files::new(&Pair {
        certificate: certificate.into(),
        key: key.into(),
    });
    let mut tls = files.config();
    tls.client_ca = (!ca.is_empty()).then(|| files.write("ca.crt", ca));
    let config = WebhookConfig {
        listen: "127.0.0.1:0".parse().unwrap(),
        tls: Some(tls),
        ..WebhookConfig::default()
    };
    let error = Webhook::bind(config)
        .await
        .err()
        .expect("must not start")
        .to_string();
    assert!(
        error.contains(Path::new(files.folder.path()).to_str().unwrap()),
        "names the file: {error}"
    );
    error
}
