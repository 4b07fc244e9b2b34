//! What the user decides.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use kubevigil_plan::KubernetesVersion;

/// The port of kubevigil's webhook where none is given.
pub const PORT: u16 = 8765;

/// Everything that decides what is generated, besides keys.
#[derive(Clone, Debug)]
pub struct Choice {
    /// How the API server is run.
    pub distribution: Distribution,
    /// Where the API server reaches kubevigil.
    pub address: Address,
    /// The address that the Service gets when `address` is a Service: API servers do not resolve names of Services.
    pub cluster_ip: Option<IpAddr>,
    /// The version of the API server.
    pub version: KubernetesVersion,
    /// How the API server shows who it is.
    pub authentication: Authentication,
    /// The audit policy.
    pub policy: String,
    /// The absolute path of the folder that the files go to.
    pub folder: String,
}

/// How an API server is run whose flags the user can set.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Distribution {
    /// A static pod that kubeadm writes.
    Kubeadm,
    /// Nodes in containers; kubeadm inside.
    Kind,
    /// Inside the process of k3s.
    K3s,
    /// A machine for development; kubeadm inside.
    Minikube,
    /// A static pod that RKE2 writes.
    Rke2,
}

/// How the API server shows who it is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Authentication {
    /// A client certificate.
    Certificate,
    /// A bearer token.
    Token,
}

/// Where something listens.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Address {
    /// An IP address or a name.
    pub host: Host,
    /// The port.
    pub port: u16,
}

/// A machine.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Host {
    /// By its address.
    Ip(IpAddr),
    /// By its name.
    Name(String),
}

/// The text is no address.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error(
    "`{0}` is no address: expected HOST:PORT, for example 192.0.2.10:8765, [2001:db8::1]:8765 or kubevigil.security.svc:8765"
)]
pub struct NotAnAddress(String);

impl Distribution {
    /// What people and commands call it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Kubeadm => "kubeadm",
            Self::Kind => "kind",
            Self::K3s => "k3s",
            Self::Minikube => "minikube",
            Self::Rke2 => "rke2",
        }
    }

    /// Where the API server reaches kubevigil if nobody says otherwise: on its own machine, or on the one that nodes in containers run on.
    pub fn default_address(self) -> Address {
        let host = match self {
            Self::Kubeadm | Self::K3s | Self::Rke2 => Host::Ip(IpAddr::from([127, 0, 0, 1])),
            Self::Kind => Host::Ip(IpAddr::from([172, 18, 0, 1])),
            Self::Minikube => Host::Name("host.minikube.internal".to_owned()),
        };
        Address { host, port: PORT }
    }
}

impl Address {
    /// The namespace and name of the Service that this is, if it is one.
    pub fn service(&self) -> Option<(&str, &str)> {
        let Host::Name(name) = &self.host else {
            return None;
        };
        let name = name.strip_suffix(".cluster.local").unwrap_or(name);
        let (service, namespace) = name.strip_suffix(".svc")?.split_once('.')?;
        Some((namespace, service)).filter(|(namespace, _)| !namespace.contains('.'))
    }
}

impl FromStr for Address {
    type Err = NotAnAddress;

    /// Reads `HOST:PORT`, or a host alone, which gets the port [`PORT`].
    fn from_str(text: &str) -> Result<Self, NotAnAddress> {
        let refused = || NotAnAddress(text.to_owned());
        let without_brackets = text
            .strip_prefix('[')
            .and_then(|text| text.strip_suffix(']'));
        if let Ok(ip) = without_brackets.unwrap_or(text).parse() {
            return Ok(Self {
                host: Host::Ip(ip),
                port: PORT,
            });
        }
        let (host, port) = match text.rsplit_once(':') {
            Some((host, port)) => (host, port.parse().map_err(|_| refused())?),
            None => (text, PORT),
        };
        if port == 0 {
            return Err(refused());
        }
        let bare = host
            .strip_prefix('[')
            .and_then(|host| host.strip_suffix(']'))
            .unwrap_or(host);
        let host = match bare.parse() {
            Ok(ip) => Host::Ip(ip),
            Err(_) if is_name(host) => Host::Name(host.to_ascii_lowercase()),
            Err(_) => return Err(refused()),
        };
        Ok(Self { host, port })
    }
}

fn is_name(text: &str) -> bool {
    let is_label = |label: &str| {
        let inner = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
        !label.is_empty()
            && label.len() <= 63
            && label.bytes().all(inner)
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    text.len() <= 253 && text.split('.').all(is_label)
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ip(IpAddr::V6(ip)) => write!(f, "[{ip}]"),
            Self::Ip(ip) => write!(f, "{ip}"),
            Self::Name(name) => f.write_str(name),
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_as_people_write_them() {
        for (text, shown) in [
            ("192.0.2.10:9000", "192.0.2.10:9000"),
            ("192.0.2.10", "192.0.2.10:8765"),
            ("[2001:db8::1]:9000", "[2001:db8::1]:9000"),
            ("[2001:db8::1]", "[2001:db8::1]:8765"),
            ("2001:db8::1", "[2001:db8::1]:8765"),
            ("Audit.Example.com:443", "audit.example.com:443"),
        ] {
            assert_eq!(text.parse::<Address>().unwrap().to_string(), shown);
        }
        for text in [
            "",
            ":80",
            "a b:80",
            "host:0",
            "host:99999",
            "https://host:80",
            "-a:1",
            "a\nb:1",
        ] {
            assert!(text.parse::<Address>().is_err(), "{text}");
        }
    }

    #[test]
    fn services_are_known_by_their_names() {
        let service = |text: &str| {
            let address: Address = text.parse().unwrap();
            address.service().map(|(n, s)| format!("{n}/{s}"))
        };
        assert_eq!(
            service("kubevigil.security.svc").as_deref(),
            Some("security/kubevigil")
        );
        assert_eq!(
            service("kubevigil.security.svc.cluster.local:1").as_deref(),
            Some("security/kubevigil")
        );
        assert_eq!(service("kubevigil.example.com"), None);
        assert_eq!(service("a.b.c.svc"), None);
    }
}
