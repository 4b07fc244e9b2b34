//! Who vouches for client certificates, asked at each request.
//!
//! kube-apiserver lets every client certificate through the handshake and decides later who it belongs to, because two sets
//! of authorities are asked, clients' and front proxies', and a connection may be older than the authorities of today.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;
use rustls_pki_types::{CertificateDer, UnixTime};

use crate::error::CredentialsError;
use crate::pem::{Pem, PemSource};
use crate::reload::Reloadable;

/// Authorities of client certificates. They do not change; their file may, see [`follow`](Self::follow).
#[derive(Debug)]
pub struct Authorities {
    verifier: Arc<dyn ClientCertVerifier>,
    certificates: Vec<CertificateDer<'static>>,
}

impl Authorities {
    /// Reads the certificates of the authorities from a PEM file.
    pub fn load(path: impl AsRef<Path>) -> Result<Self, CredentialsError> {
        let source = PemSource::File(path.as_ref().to_owned());
        let content = source.read()?;
        Self::read(&source, &content)
    }

    /// The same from a file that may change. What is in force then is up to whoever looks.
    pub fn follow(path: PathBuf) -> Result<Reloadable<Self>, CredentialsError> {
        let source = PemSource::File(path.clone());
        let build = move |contents: &[Vec<u8>]| Self::read(&source, &contents.concat());
        Reloadable::open(vec![path], build)
    }

    /// Whether one of the authorities vouches for a chain, its own certificate first, at a time. Purposes, if the certificate
    /// names any, must include that of a client. That the client has the key is the handshake's business.
    pub fn verify(&self, chain: &[CertificateDer<'_>], now: UnixTime) -> Result<(), rustls::Error> {
        let (own, intermediates) = chain
            .split_first()
            .ok_or(rustls::Error::NoCertificatesPresented)?;
        self.verifier
            .verify_client_cert(own, intermediates, now)
            .map(drop)
    }

    /// The authorities' own certificates, in the order of the file.
    pub fn certificates(&self) -> &[CertificateDer<'static>] {
        &self.certificates
    }

    fn read(source: &PemSource, content: &[u8]) -> Result<Self, CredentialsError> {
        Ok(Self {
            verifier: client_verifier(source, content)?,
            certificates: Pem::new(source, content).certificates()?,
        })
    }
}

/// Demands certificates that the authorities in `content` signed.
pub(crate) fn client_verifier(
    source: &PemSource,
    content: &[u8],
) -> Result<Arc<dyn ClientCertVerifier>, CredentialsError> {
    let roots = Pem::new(source, content).root_store()?;
    WebPkiClientVerifier::builder_with_provider(Arc::new(roots), crate::provider())
        .build()
        .map(|verifier| verifier as Arc<dyn ClientCertVerifier>)
        .map_err(|error| CredentialsError::Authorities {
            name: source.name(),
            problem: error.to_string(),
        })
}
