//! What a server proves itself with, and what it wants to see of its clients.

use std::path::PathBuf;
use std::sync::Arc;

use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::server::{NoClientAuth, ParsedCertificate};
use rustls::sign::SingleCertAndKey;
use rustls::{DigitallySignedStruct, DistinguishedName, ServerConfig, SignatureScheme};
use rustls_pki_types::{CertificateDer, UnixTime};

use crate::authorities::client_verifier;
use crate::error::CredentialsError;
use crate::pem::{Pem, PemSource, certified_key};
use crate::reload::{Look, Reloadable};

/// The PEM files of a server.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ServerFiles {
    /// The server's certificate, followed by the intermediate ones.
    pub certificate: PathBuf,
    /// The private key of the certificate.
    pub key: PathBuf,
}

/// What a server wants to see of its clients.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum ClientCertificates {
    /// No certificate is asked for.
    None,
    /// Only clients with a certificate that the authorities in this file signed can connect.
    Required(PathBuf),
    /// A certificate is asked for, but not demanded. Whoever presents one proves that they have its key; who vouches for it is
    /// decided later ([`crate::Authorities`]), and until then it means nothing.
    Asked,
}

/// A server's certificate and key, and its demands, from files that may change. HTTP/2 and HTTP/1.1 are offered by ALPN.
pub struct ServerCredentials(Reloadable<ServerConfig>);

impl ServerCredentials {
    /// Reads the files.
    pub fn load(files: ServerFiles, clients: ClientCertificates) -> Result<Self, CredentialsError> {
        let mut paths = vec![files.certificate.clone(), files.key.clone()];
        if let ClientCertificates::Required(path) = &clients {
            paths.push(path.clone());
        }
        let build = move |contents: &[Vec<u8>]| build(&files, &clients, contents);
        Reloadable::open(paths, build).map(Self)
    }

    /// What a new connection is accepted with. Sessions are resumed within one configuration only, so nobody who was let in
    /// under replaced authorities comes back under the new ones.
    pub fn current(&self) -> Arc<ServerConfig> {
        self.0.current()
    }

    /// Reads the files again; see [`Reloadable::reload`].
    pub fn reload(&self, insist: bool) -> Result<Look, CredentialsError> {
        self.0.reload(insist)
    }
}

fn build(
    files: &ServerFiles,
    clients: &ClientCertificates,
    contents: &[Vec<u8>],
) -> Result<ServerConfig, CredentialsError> {
    let content = |index: usize| contents.get(index).map_or(&[][..], Vec::as_slice);
    let certificate = PemSource::File(files.certificate.clone());
    let key = PemSource::File(files.key.clone());
    let certified = certified_key(
        &Pem::new(&certificate, content(0)),
        &Pem::new(&key, content(1)),
    )?;
    let verifier = match clients {
        ClientCertificates::None => Arc::new(NoClientAuth),
        ClientCertificates::Required(path) => {
            client_verifier(&PemSource::File(path.clone()), content(2))?
        }
        ClientCertificates::Asked => Arc::new(AnyCertificate(crate::provider())),
    };
    let builder = ServerConfig::builder_with_provider(crate::provider())
        .with_safe_default_protocol_versions()
        .map_err(|error| CredentialsError::Key {
            name: files.key.display().to_string(),
            problem: error.to_string(),
        })?;
    let mut server = builder
        .with_client_cert_verifier(verifier)
        .with_cert_resolver(Arc::new(SingleCertAndKey::from(certified)));
    server.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(server)
}

/// Accepts any certificate, or none, but none without its key.
#[derive(Debug)]
struct AnyCertificate(Arc<CryptoProvider>);

impl ClientCertVerifier for AnyCertificate {
    fn client_auth_mandatory(&self) -> bool {
        false
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        own: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        ParsedCertificate::try_from(own).map(|_| ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        let algorithms = &self.0.signature_verification_algorithms;
        algorithms.supported_schemes()
    }
}
