//! From PEM files to what rustls serves, with errors that name the file and the block.

use std::path::Path;
use std::sync::Arc;

use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{NoClientAuth, WebPkiClientVerifier};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{RootCertStore, ServerConfig};
use rustls_pki_types::pem::{PemObject, SectionKind};
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tracing::{info, warn};
use x509_parser::prelude::{FromDer, X509Certificate};

use super::config::TlsConfig;
use super::credentials::CredentialsError;

/// Makes the server's configuration from the contents of the certificate, the key and, if configured, the authorities.
pub(super) fn build(
    config: &TlsConfig,
    contents: &[Vec<u8>],
) -> Result<ServerConfig, CredentialsError> {
    let content = |index: usize| contents.get(index).map_or(&[][..], Vec::as_slice);
    let provider = Arc::new(aws_lc_rs::default_provider());
    let chain = certificates(&config.certificate, content(0))?;
    report_validity(&config.certificate, &chain);
    let key = private_key(&config.key, content(1))?;
    let certified = certified(config, chain, key, &provider)?;
    let verifier = match &config.client_ca {
        Some(path) => client_verifier(path, content(2), &provider)?,
        None => Arc::new(NoClientAuth),
    };
    let builder = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| key_error(&config.key, &error))?;
    let mut server = builder
        .with_client_cert_verifier(verifier)
        .with_cert_resolver(Arc::new(SingleCertAndKey::from(certified)));
    server.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(server)
}

fn certified(
    config: &TlsConfig,
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
    provider: &CryptoProvider,
) -> Result<CertifiedKey, CredentialsError> {
    let key = provider
        .key_provider
        .load_private_key(key)
        .map_err(|error| key_error(&config.key, &error))?;
    let certified = CertifiedKey::new(chain, key);
    match certified.keys_match() {
        Ok(()) | Err(rustls::Error::InconsistentKeys(rustls::InconsistentKeys::Unknown)) => {
            Ok(certified)
        }
        Err(rustls::Error::InconsistentKeys(_)) => Err(CredentialsError::Mismatch {
            certificate: config.certificate.clone(),
            key: config.key.clone(),
        }),
        Err(error) => Err(certificate_error(&config.certificate, 1, &error)),
    }
}

fn client_verifier(
    path: &Path,
    content: &[u8],
    provider: &Arc<CryptoProvider>,
) -> Result<Arc<dyn ClientCertVerifier>, CredentialsError> {
    let mut roots = RootCertStore::empty();
    for (index, authority) in certificates(path, content)?.into_iter().enumerate() {
        let added = roots.add(authority);
        added.map_err(|error| certificate_error(path, index + 1, &error))?;
    }
    WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider))
        .build()
        .map(|verifier| verifier as Arc<dyn ClientCertVerifier>)
        .map_err(|error| CredentialsError::Authorities {
            path: path.to_owned(),
            problem: error.to_string(),
        })
}

/// All certificates of a file, each checked to be one.
fn certificates(
    path: &Path,
    content: &[u8],
) -> Result<Vec<CertificateDer<'static>>, CredentialsError> {
    let blocks = blocks(path, content)?;
    let ders = blocks
        .into_iter()
        .filter(|(kind, _)| *kind == SectionKind::Certificate);
    let certificates: Vec<_> = ders.map(|(_, der)| CertificateDer::from(der)).collect();
    if certificates.is_empty() {
        return Err(no_block(path, content, "CERTIFICATE"));
    }
    for (index, certificate) in certificates.iter().enumerate() {
        let parsed = X509Certificate::from_der(certificate);
        parsed.map_err(|error| certificate_error(path, index + 1, &error))?;
    }
    Ok(certificates)
}

fn private_key(path: &Path, content: &[u8]) -> Result<PrivateKeyDer<'static>, CredentialsError> {
    if labels(content).any(|label| label == "ENCRYPTED PRIVATE KEY") {
        return Err(CredentialsError::EncryptedKey {
            path: path.to_owned(),
        });
    }
    let keys = blocks(path, content)?.into_iter();
    keys.filter_map(|(kind, der)| PrivateKeyDer::from_pem(kind, der))
        .next()
        .ok_or_else(|| no_block(path, content, "PRIVATE KEY"))
}

fn blocks(path: &Path, content: &[u8]) -> Result<Vec<(SectionKind, Vec<u8>)>, CredentialsError> {
    <(SectionKind, Vec<u8>)>::pem_slice_iter(content)
        .collect::<Result<_, _>>()
        .map_err(|error| CredentialsError::Pem {
            path: path.to_owned(),
            problem: error.to_string(),
        })
}

/// The names of the blocks in a file, also of unknown ones.
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

fn no_block(path: &Path, content: &[u8], expected: &'static str) -> CredentialsError {
    let found: Vec<_> = labels(content)
        .take(3)
        .map(|label| format!("{label:?}"))
        .collect();
    let swapped = labels(content).any(|label| {
        (expected == "CERTIFICATE" && label.ends_with("PRIVATE KEY"))
            || (expected == "PRIVATE KEY" && label == "CERTIFICATE")
    });
    let hint = if swapped {
        " (are certificate and key swapped?)"
    } else {
        ""
    };
    let found = if found.is_empty() {
        "no PEM at all".to_owned()
    } else {
        found.join(", ")
    };
    CredentialsError::NoBlock {
        path: path.to_owned(),
        expected,
        found,
        hint,
    }
}

fn certificate_error(
    path: &Path,
    number: usize,
    error: &impl std::fmt::Display,
) -> CredentialsError {
    CredentialsError::Certificate {
        path: path.to_owned(),
        number,
        problem: error.to_string(),
    }
}

fn key_error(path: &Path, error: &rustls::Error) -> CredentialsError {
    CredentialsError::Key {
        path: path.to_owned(),
        problem: error.to_string(),
    }
}

/// An expired certificate is served all the same: the client decides, and the log says why it refuses.
fn report_validity(path: &Path, chain: &[CertificateDer<'static>]) {
    let parsed = chain
        .first()
        .and_then(|first| X509Certificate::from_der(first).ok());
    let Some((_, certificate)) = parsed else {
        return;
    };
    let validity = certificate.validity();
    let (path, until) = (path.display(), validity.not_after);
    if validity.is_valid() {
        info!(certificate = %path, %until, "certificate loaded");
    } else {
        let from = validity.not_before;
        warn!(certificate = %path, %from, %until, "the certificate is not valid now: clients will refuse it");
    }
}

/// Whether a client certificate bears one of the allowed names: as a common name, DNS name, e-mail address, URI or IP
/// address. The certificate was verified before.
pub(super) fn bears_name(certificate: &CertificateDer<'_>, allowed: &[String]) -> bool {
    let Ok((_, parsed)) = X509Certificate::from_der(certificate) else {
        return false;
    };
    names(&parsed).iter().any(|name| allowed.contains(name))
}

fn names(certificate: &X509Certificate<'_>) -> Vec<String> {
    use x509_parser::extensions::GeneralName;
    let common = certificate.subject().iter_common_name();
    let mut names: Vec<_> = common
        .filter_map(|name| name.as_str().ok().map(str::to_owned))
        .collect();
    let Ok(Some(extension)) = certificate.subject_alternative_name() else {
        return names;
    };
    for name in &extension.value.general_names {
        match name {
            GeneralName::DNSName(text) | GeneralName::RFC822Name(text) | GeneralName::URI(text) => {
                names.push((*text).to_owned());
            }
            GeneralName::IPAddress(bytes) => names.extend(address(bytes)),
            _ => {}
        }
    }
    names
}

fn address(bytes: &[u8]) -> Option<String> {
    let four = <[u8; 4]>::try_from(bytes).map(std::net::IpAddr::from);
    let any = four.or_else(|_| <[u8; 16]>::try_from(bytes).map(std::net::IpAddr::from));
    any.ok().map(|address| address.to_string())
}
