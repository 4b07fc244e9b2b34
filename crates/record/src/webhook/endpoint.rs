//! The URL that events go to (spec 11.1).

use reqwest::Url;

/// A kubeconfig's `server` that no events can be sent to.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum EndpointError {
    /// It is no URL of a web server.
    #[error("`{server}` is no URL of a receiver; write `https://HOST:PORT/PATH`")]
    NoUrl {
        /// The server as it stands in the kubeconfig.
        server: String,
    },
    /// It has a path but no scheme, which the server refuses.
    #[error("`{server}` has a path but no scheme; write `https://{server}`")]
    PathWithoutScheme {
        /// The server as it stands in the kubeconfig.
        server: String,
    },
}

/// The URL for the `server` of a kubeconfig's cluster: its path without a slash at the end, never its query, and the timeout
/// that the API server adds. Without a scheme it is `http://`.
///
/// # Errors
///
/// When the server is no URL, or has a path but no scheme.
pub fn endpoint_url(server: &str) -> Result<Url, EndpointError> {
    let no_url = || EndpointError::NoUrl {
        server: server.to_owned(),
    };
    let has_scheme = server.contains("://");
    if !has_scheme && server.trim_end_matches('/').contains('/') {
        return Err(EndpointError::PathWithoutScheme {
            server: server.to_owned(),
        });
    }
    let text = if has_scheme {
        server.to_owned()
    } else {
        format!("http://{server}")
    };
    let mut url = Url::parse(&text).map_err(|_| no_url())?;
    if !matches!(url.scheme(), "http" | "https") || url.host().is_none() {
        return Err(no_url());
    }
    let path = url.path().trim_end_matches('/').to_owned();
    url.set_path(&path);
    url.set_fragment(None);
    url.set_query(Some("timeout=30s"));
    Ok(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_become_urls_as_in_the_api_server() {
        let cases = [
            (
                "https://audit.example:8443/k8s_audit/",
                "https://audit.example:8443/k8s_audit?timeout=30s",
            ),
            (
                "https://audit.example",
                "https://audit.example/?timeout=30s",
            ),
            (
                "https://audit.example/a?token=x#y",
                "https://audit.example/a?timeout=30s",
            ),
            ("10.0.0.1:9765", "http://10.0.0.1:9765/?timeout=30s"),
        ];
        for (server, expected) in cases {
            assert_eq!(endpoint_url(server).unwrap().as_str(), expected, "{server}");
        }
        for server in ["", "audit.example/a", "ftp://audit.example", "https://"] {
            assert!(endpoint_url(server).is_err(), "{server}");
        }
    }
}
