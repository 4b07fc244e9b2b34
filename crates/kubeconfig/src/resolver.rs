//! Addresses for a host that is called by another name.

use std::net::SocketAddr;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};

/// Finds the addresses of one name under another, and of all others under their own.
pub(crate) struct Renamed {
    /// What is asked for.
    pub(crate) name: String,
    /// Whose addresses these are.
    pub(crate) host: String,
}

impl Resolve for Renamed {
    fn resolve(&self, name: Name) -> Resolving {
        let is_renamed = name.as_str().eq_ignore_ascii_case(&self.name);
        let host = if is_renamed {
            &self.host
        } else {
            name.as_str()
        }
        .to_owned();
        Box::pin(async move {
            let found: Vec<SocketAddr> = tokio::net::lookup_host((host, 0)).await?.collect();
            Ok(Box::new(found.into_iter()) as Addrs)
        })
    }
}
