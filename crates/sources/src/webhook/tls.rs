//! The names in a client certificate.

use rustls_pki_types::CertificateDer;
use x509_parser::prelude::{FromDer, X509Certificate};

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
