//! Where the event goes.

use std::fmt;

use anyhow::bail;
use kubevigil_setup::Address;
use kubevigil_setup::choice::Host;

/// A webhook.
pub(super) struct Target {
    pub(super) is_tls: bool,
    /// Host and port as they are shown.
    pub(super) authority: String,
    /// The host as sockets and certificates want it, without brackets.
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) path: String,
}

impl Target {
    pub(super) fn parse(url: &str) -> anyhow::Result<Self> {
        let (scheme, rest) = url.split_once("://").unwrap_or(("", url));
        let is_tls = match scheme {
            "https" => true,
            "http" => false,
            _ => bail!("`{url}` is no address: expected https://HOST:PORT or http://HOST:PORT"),
        };
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        if path.contains(|letter: char| {
            letter.is_whitespace() || letter.is_control() || "?#".contains(letter)
        }) {
            bail!(
                "`{url}` has more than a path behind the host: an API server takes off what follows `?` or `#`"
            );
        }
        let has_port = authority.ends_with(|letter: char| letter.is_ascii_digit())
            && authority
                .rsplit_once(':')
                .is_some_and(|(_, port)| !port.contains(']'));
        let mut address: Address = authority.parse()?;
        if !has_port {
            address.port = if is_tls { 443 } else { 80 };
        }
        Ok(Self {
            is_tls,
            authority: address.to_string(),
            host: match &address.host {
                Host::Ip(ip) => ip.to_string(),
                Host::Name(name) => name.clone(),
            },
            port: address.port,
            path: if path.is_empty() {
                "/k8s_audit".to_owned()
            } else {
                format!("/{path}")
            },
        })
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.authority)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_port_and_the_path_have_defaults() {
        for (url, expected) in [
            ("https://192.0.2.1:8765", "192.0.2.1:8765/k8s_audit"),
            ("https://192.0.2.1:8765/", "192.0.2.1:8765/k8s_audit"),
            (
                "http://audit.example.com/other",
                "audit.example.com:80/other",
            ),
            ("https://[::1]", "[::1]:443/k8s_audit"),
            ("https://[::1]:8765", "[::1]:8765/k8s_audit"),
        ] {
            let target = Target::parse(url).unwrap();
            assert_eq!(format!("{target}{}", target.path), expected, "{url}");
        }
        for url in [
            "192.0.2.1:8765",
            "ftp://a",
            "https://",
            "https://a:b",
            "https://a/b?c",
        ] {
            assert!(Target::parse(url).is_err(), "{url}");
        }
    }
}
