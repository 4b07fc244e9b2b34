//! Who vouches for client certificates, asked at each request.
//!
//! kube-apiserver lets every client certificate through the handshake and decides later who it belongs to, because two sets
//! of authorities are asked, clients' and front proxies', and a connection may be older than the authorities of today.

use std::path::PathBuf;
use std::sync::Arc;

use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;
use rustls_pki_types::{CertificateDer, UnixTime};

use crate::error::CredentialsError;
use crate::pem::{Pem, PemSource};
use crate::reload::{Look, Reloadable};

/// Authorities of client certificates, from a PEM file that may change.
pub struct Authorities(Reloadable<Arc<dyn ClientCertVerifier>>);

impl Authorities {
    /// Reads the certificates of the authorities.
    pub fn load(path: PathBuf) -> Result<Self, CredentialsError> {
        let source = PemSource::File(path.clone());
        let build = move |contents: &[Vec<u8>]| client_verifier(&source, &contents.concat());
        Reloadable::open(vec![path], build).map(Self)
    }

    /// Whether one of the authorities vouches for a chain, its own certificate first, at a time. Purposes, if the certificate
    /// names any, must include that of a client. That the client has the key is the handshake's business.
    pub fn verify(&self, chain: &[CertificateDer<'_>], now: UnixTime) -> Result<(), rustls::Error> {
        let (own, intermediates) = chain
            .split_first()
            .ok_or(rustls::Error::NoCertificatesPresented)?;
        let verifier = self.0.current();
        verifier
            .verify_client_cert(own, intermediates, now)
            .map(drop)
    }

    /// Reads the file again; see [`Reloadable::reload`].
    pub fn reload(&self, insist: bool) -> Result<Look, CredentialsError> {
        self.0.reload(insist)
    }

    /// Changes when the authorities were replaced; see [`Reloadable::generation`].
    pub fn generation(&self) -> u64 {
        self.0.generation()
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
