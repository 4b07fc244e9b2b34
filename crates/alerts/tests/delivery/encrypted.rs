//! Alerts over HTTPS, with an authority of our own.

use std::sync::Arc;

use kubevigil_alerts::Renderer;
use kubevigil_alerts::config::{HttpConfig, OutputConfig};
use kubevigil_alerts::output::http::HttpOutput;
use kubevigil_alerts::output::{FailureKind, Output};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::aws_lc_rs::default_provider;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;

use crate::alerts::alert;

/// A server that says 200 to whatever comes. Returns its address and its certificate in PEM form.
async fn start() -> (String, String) {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!(
        "https://localhost:{}/",
        listener.local_addr().unwrap().port()
    );
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let Ok(mut stream) = acceptor.accept(stream).await else {
                continue;
            };
            let _ = stream.read(&mut [0; 4096]).await;
            let _ = stream
                .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
                .await;
            let _ = stream.shutdown().await;
        }
    });
    (url, made.cert.pem())
}

fn output(url: &str, more: &str) -> HttpOutput {
    let yaml = format!("http:\n  url: {url}\n{more}");
    let OutputConfig::Http(config) = serde_saphyr::from_str(&yaml).unwrap() else {
        panic!("{yaml}")
    };
    let config: HttpConfig = config;
    HttpOutput::new(&config, Renderer::default()).unwrap()
}

#[tokio::test]
async fn a_trusted_authority_is_enough_and_nothing_else_is() {
    let (url, certificate) = start().await;
    let ca = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(ca.path(), certificate).unwrap();
    let trusting = format!("  ca_file: {}\n", ca.path().display());
    output(&url, &trusting).deliver(&[alert(1)]).await.unwrap();
    let error = output(&url, "").deliver(&[alert(1)]).await.unwrap_err();
    assert!(matches!(error.kind, FailureKind::Temporary { .. }));
    assert!(error.reason.contains("certificate"), "{}", error.reason);
}

#[tokio::test]
async fn a_certificate_file_without_a_certificate_is_refused() {
    let empty = tempfile::NamedTempFile::new().unwrap();
    let yaml = format!(
        "http:\n  url: https://localhost/\n  ca_file: {}\n",
        empty.path().display()
    );
    let OutputConfig::Http(config) = serde_saphyr::from_str(&yaml).unwrap() else {
        panic!("{yaml}")
    };
    let error = HttpOutput::new(&config, Renderer::default())
        .err()
        .unwrap()
        .to_string();
    assert!(
        error.ends_with("holds no certificate; expected certificates in PEM form"),
        "{error}"
    );
}
