//! How a server is known, and how one makes oneself known to it.

use std::path::Path;
use std::sync::Arc;

use kubevigil_tls::{CredentialsError, Pem, PemSource};
use rustls::client::danger::ServerCertVerifier;
use rustls::client::{Resumption, WebPkiServerVerifier};
use rustls::{ClientConfig, ConfigBuilder, Error, RootCertStore, WantsVerifier};
use rustls_pki_types::{CertificateDer, ServerName};

use crate::certificate::Certificate;
use crate::seen::Seen;
use crate::verifier::{Anybody, Verifier};

/// How a server is known.
#[derive(Clone, Debug)]
pub struct ClientTls {
    verifier: Arc<dyn ServerCertVerifier>,
    server_name: Option<ServerName<'static>>,
}

/// By what a server is known.
pub(crate) enum KnownBy {
    /// By what the kubeconfig names.
    Authorities {
        roots: RootCertStore,
        /// The same, as they are compared with a server's own certificate.
        certificates: Vec<CertificateDer<'static>>,
    },
    /// By the machine's authorities.
    System,
    /// `insecure-skip-tls-verify`
    Nothing,
}

impl KnownBy {
    /// By the authorities of a PEM file, and what it held.
    pub(crate) fn file(path: &Path) -> Result<(Self, Seen), CredentialsError> {
        let source = PemSource::File(path.to_owned());
        let content = source.read()?;
        let known = Self::pem(&Pem::new(&source, &content))?;
        Ok((known, Seen::of(path, &content)))
    }

    /// By the authorities of a PEM text.
    pub(crate) fn pem(pem: &Pem<'_>) -> Result<Self, CredentialsError> {
        Ok(Self::Authorities {
            roots: pem.root_store()?,
            certificates: pem.certificates()?,
        })
    }
}

impl ClientTls {
    /// Fails with a sentence if the machine has no authorities.
    pub(crate) fn new(known: KnownBy, name: Option<ServerName<'static>>) -> Result<Self, String> {
        let verifier = verifier(known, name.clone()).map_err(|error| error.to_string())?;
        Ok(Self {
            verifier,
            server_name: name,
        })
    }

    /// `tls-server-name`: the name that the certificate must bear, and that the server is asked for, instead of the server's host.
    pub fn server_name(&self) -> Option<&ServerName<'static>> {
        self.server_name.as_ref()
    }

    pub(crate) fn verifier(&self) -> Arc<dyn ServerCertVerifier> {
        Arc::clone(&self.verifier)
    }
}

/// A configuration without ALPN.
pub(crate) fn client_config(
    verifier: Arc<dyn ServerCertVerifier>,
    certificate: Option<Arc<Certificate>>,
) -> ClientConfig {
    let builder = builder()
        .dangerous()
        .with_custom_certificate_verifier(verifier);
    match certificate {
        None => builder.with_no_client_auth(),
        Some(certificate) => {
            let mut config = builder.with_client_cert_resolver(certificate);
            config.resumption = Resumption::disabled();
            config
        }
    }
}

/// What to connect with to servers that nothing is said of: those that an http server redirects to.
pub(crate) fn config_for_any() -> ClientConfig {
    match rustls_platform_verifier::Verifier::new(kubevigil_tls::provider()) {
        Ok(system) => client_config(Arc::new(system), None),
        Err(_) => builder()
            .with_root_certificates(RootCertStore::empty())
            .with_no_client_auth(),
    }
}

fn builder() -> ConfigBuilder<ClientConfig, WantsVerifier> {
    let builder = ClientConfig::builder_with_provider(kubevigil_tls::provider());
    #[expect(
        clippy::expect_used,
        reason = "the provider has suites of both versions"
    )]
    builder
        .with_safe_default_protocol_versions()
        .expect("TLS 1.2 and 1.3")
}

fn verifier(
    known: KnownBy,
    name: Option<ServerName<'static>>,
) -> Result<Arc<dyn ServerCertVerifier>, Error> {
    let provider = kubevigil_tls::provider();
    let (inner, trusted): (Arc<dyn ServerCertVerifier>, _) = match known {
        KnownBy::Nothing => return Ok(Arc::new(Anybody(provider))),
        KnownBy::System => {
            let system = rustls_platform_verifier::Verifier::new(provider)?;
            (Arc::new(system), Vec::new())
        }
        KnownBy::Authorities {
            roots,
            certificates,
        } => {
            let webpki = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider);
            let webpki = webpki
                .build()
                .map_err(|error| Error::General(error.to_string()))?;
            (webpki, certificates)
        }
    };
    Ok(Arc::new(Verifier {
        inner,
        name,
        trusted,
    }))
}
