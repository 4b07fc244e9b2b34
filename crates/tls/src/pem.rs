//! PEM text, from files or from within a kubeconfig, and what is made of it.

use std::fmt;
use std::path::{Path, PathBuf};

use rustls::RootCertStore;
use rustls::sign::CertifiedKey;
use rustls_pki_types::pem::{PemObject, SectionKind};
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tracing::{info, warn};
use x509_parser::prelude::{FromDer, X509Certificate};

use crate::error::{CredentialsError, ReadError};

/// Where PEM text comes from. Its `Debug` shows no text, which may be a key.
#[derive(Clone, Eq, PartialEq)]
pub enum PemSource {
    /// A file; read again when it changes.
    File(PathBuf),
    /// Text that is known already, such as `client-certificate-data` of a kubeconfig.
    Text {
        /// What errors call it: `client-certificate-data of user admin in config`.
        name: String,
        /// The PEM text.
        content: Vec<u8>,
    },
}

/// PEM text and what errors call it. Blocks of other kinds and text between blocks are skipped.
#[derive(Clone, Copy)]
pub struct Pem<'c> {
    source: &'c PemSource,
    content: &'c [u8],
}

impl fmt::Debug for PemSource {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_tuple("PemSource")
            .field(&self.name())
            .finish()
    }
}

impl PemSource {
    /// Reads the file, or gives the text.
    pub fn read(&self) -> Result<Vec<u8>, ReadError> {
        match self {
            Self::File(path) => read(path),
            Self::Text { content, .. } => Ok(content.clone()),
        }
    }

    /// What errors call it.
    pub(crate) fn name(&self) -> String {
        match self {
            Self::File(path) => path.display().to_string(),
            Self::Text { name, .. } => name.clone(),
        }
    }
}

pub(crate) fn read(path: &Path) -> Result<Vec<u8>, ReadError> {
    std::fs::read(path).map_err(|source| ReadError {
        path: path.to_owned(),
        source,
    })
}

impl<'c> Pem<'c> {
    /// The text `content`, which was read from `source`.
    pub fn new(source: &'c PemSource, content: &'c [u8]) -> Self {
        Self { source, content }
    }

    /// All certificates, each checked to be one; at least one.
    pub fn certificates(&self) -> Result<Vec<CertificateDer<'static>>, CredentialsError> {
        let blocks = self.blocks()?.into_iter();
        let ders = blocks.filter(|(kind, _)| *kind == SectionKind::Certificate);
        let certificates: Vec<_> = ders.map(|(_, der)| CertificateDer::from(der)).collect();
        if certificates.is_empty() {
            return Err(self.no_block("CERTIFICATE"));
        }
        for (index, certificate) in certificates.iter().enumerate() {
            let parsed = X509Certificate::from_der(certificate);
            parsed.map_err(|error| self.bad_certificate(index + 1, &error))?;
        }
        Ok(certificates)
    }

    /// The first private key: PKCS #8, PKCS #1 or SEC 1, not encrypted.
    pub fn private_key(&self) -> Result<PrivateKeyDer<'static>, CredentialsError> {
        if labels(self.content).any(|label| label == "ENCRYPTED PRIVATE KEY") {
            let name = self.source.name();
            return Err(CredentialsError::EncryptedKey { name });
        }
        let keys = self.blocks()?.into_iter();
        keys.filter_map(|(kind, der)| PrivateKeyDer::from_pem(kind, der))
            .next()
            .ok_or_else(|| self.no_block("PRIVATE KEY"))
    }

    /// All certificates as authorities.
    pub fn root_store(&self) -> Result<RootCertStore, CredentialsError> {
        let mut roots = RootCertStore::empty();
        for (index, authority) in self.certificates()?.into_iter().enumerate() {
            let added = roots.add(authority);
            added.map_err(|error| self.bad_certificate(index + 1, &error))?;
        }
        Ok(roots)
    }

    /// Says in the log until when the first certificate is valid. An expired one is used all the same: the other side decides,
    /// and the log says why it refuses.
    pub(crate) fn report_validity(&self, chain: &[CertificateDer<'static>]) {
        let first = chain.first().map(|first| X509Certificate::from_der(first));
        let Some(Ok((_, certificate))) = first else {
            return;
        };
        let validity = certificate.validity();
        let (name, until) = (self.source.name(), validity.not_after);
        if validity.is_valid() {
            info!(certificate = %name, %until, "certificate loaded");
        } else {
            let from = validity.not_before;
            warn!(certificate = %name, %from, %until, "the certificate is not valid now: the other side will refuse it");
        }
    }

    fn blocks(&self) -> Result<Vec<(SectionKind, Vec<u8>)>, CredentialsError> {
        <(SectionKind, Vec<u8>)>::pem_slice_iter(self.content)
            .collect::<Result<_, _>>()
            .map_err(|error| CredentialsError::Pem {
                name: self.source.name(),
                problem: error.to_string(),
            })
    }

    fn no_block(&self, expected: &'static str) -> CredentialsError {
        let quoted = labels(self.content)
            .take(3)
            .map(|label| format!("{label:?}"));
        let found: Vec<_> = quoted.collect();
        let swapped = labels(self.content).any(|label| {
            (expected == "CERTIFICATE" && label.ends_with("PRIVATE KEY"))
                || (expected == "PRIVATE KEY" && label == "CERTIFICATE")
        });
        CredentialsError::NoBlock {
            name: self.source.name(),
            expected,
            found: match found.as_slice() {
                [] => "no PEM at all".to_owned(),
                labels => labels.join(", "),
            },
            hint: match swapped {
                true => " (are certificate and key swapped?)",
                false => "",
            },
        }
    }

    fn bad_certificate(&self, number: usize, error: &dyn std::fmt::Display) -> CredentialsError {
        CredentialsError::Certificate {
            name: self.source.name(),
            number,
            problem: error.to_string(),
        }
    }
}

/// A chain and the key of its first certificate, checked to belong together as far as the key can tell.
pub fn certified_key(
    certificate: &Pem<'_>,
    key: &Pem<'_>,
) -> Result<CertifiedKey, CredentialsError> {
    let chain = certificate.certificates()?;
    certificate.report_validity(&chain);
    let signing = crate::provider()
        .key_provider
        .load_private_key(key.private_key()?)
        .map_err(|error| CredentialsError::Key {
            name: key.source.name(),
            problem: error.to_string(),
        })?;
    let certified = CertifiedKey::new(chain, signing);
    match certified.keys_match() {
        Ok(()) | Err(rustls::Error::InconsistentKeys(rustls::InconsistentKeys::Unknown)) => {
            Ok(certified)
        }
        Err(rustls::Error::InconsistentKeys(_)) => Err(CredentialsError::Mismatch {
            certificate: certificate.source.name(),
            key: key.source.name(),
        }),
        Err(error) => Err(certificate.bad_certificate(1, &error)),
    }
}

/// The names of the blocks, also of unknown ones.
fn labels(content: &[u8]) -> impl Iterator<Item = &str> {
    let lines = content.split(|byte| *byte == b'\n');
    lines.filter_map(|line| {
        let label = line
            .trim_ascii()
            .strip_prefix(b"-----BEGIN ")?
            .strip_suffix(b"-----")?;
        std::str::from_utf8(label).ok()
    })
}
