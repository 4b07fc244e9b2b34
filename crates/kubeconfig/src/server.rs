//! The server that a cluster names, as client-go makes a URL of it.

use url::{Host, Url};

/// A kubeconfig's `server` that nothing can be sent to.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum ServerError {
    /// It is no URL of a web server.
    #[error("`{server}` is no URL of a server; write `https://HOST:PORT/PATH`")]
    NoUrl {
        /// The server as it stands in the kubeconfig.
        server: String,
    },
    /// It has a path but no scheme, which client-go refuses.
    #[error("`{server}` has a path but no scheme; write `https://{server}`")]
    PathWithoutScheme {
        /// The server as it stands in the kubeconfig.
        server: String,
    },
    /// It holds credentials, which would end up in logs, and would be sent over http too.
    #[error(
        "the server's URL holds a user or a password; move them to `username` and `password` of the user"
    )]
    Credentials,
}

/// The URL for the `server` of a kubeconfig's cluster: its path without a slash at the end, never its query or fragment. Without a scheme
/// it is `http://`.
///
/// # Errors
///
/// When the server is no URL, has a path but no scheme, or holds credentials.
pub fn server_url(server: &str) -> Result<Url, ServerError> {
    let has_scheme = server.contains("://");
    let text = if has_scheme {
        server.to_owned()
    } else {
        format!("http://{server}")
    };
    let url = Url::parse(&text).ok();
    if url
        .as_ref()
        .is_some_and(|url| !url.username().is_empty() || url.password().is_some())
    {
        return Err(ServerError::Credentials);
    }
    if !has_scheme && server.trim_end_matches('/').contains('/') {
        return Err(ServerError::PathWithoutScheme {
            server: server.to_owned(),
        });
    }
    let is_web = |url: &Url| matches!(url.scheme(), "http" | "https") && url.host().is_some();
    let mut url = url.filter(is_web).ok_or_else(|| ServerError::NoUrl {
        server: server.to_owned(),
    })?;
    let path = url.path().trim_end_matches('/').to_owned();
    url.set_path(&path);
    url.set_fragment(None);
    url.set_query(None);
    Ok(url)
}

/// Whether a URL names the machine that this runs on, so that nobody is on the way to it.
pub fn is_this_machine(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_become_urls_as_in_client_go() {
        let cases = [
            (
                "https://audit.example:8443/k8s_audit/",
                "https://audit.example:8443/k8s_audit",
            ),
            ("https://audit.example", "https://audit.example/"),
            (
                "https://audit.example/a?token=x#y",
                "https://audit.example/a",
            ),
            ("10.0.0.1:9765", "http://10.0.0.1:9765/"),
        ];
        for (server, expected) in cases {
            assert_eq!(server_url(server).unwrap().as_str(), expected, "{server}");
        }
        for server in [
            "",
            "audit.example/a",
            "ftp://audit.example",
            "https://",
            "https://a:b@c",
            "a:b@c",
        ] {
            assert!(server_url(server).is_err(), "{server}");
        }
    }
}
