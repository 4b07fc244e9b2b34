//! A gateway whose upstream is itself would pass each request round and round.
//!
//! It happens: to try a gateway one changes the server in a kubeconfig, and the gateway reads the same file. While it serves, a mark in
//! each request stops the circle; here the obvious cases are refused before it starts.

use std::net::{IpAddr, SocketAddr};

use anyhow::bail;
use kubevigil_gateway::Gateway;
use url::{Host, Url};

/// Refuses a gateway whose upstream, or whom it asks about callers, is the address that it took, as far as its name shows it.
pub(super) fn refuse(gateway: &Gateway) -> anyhow::Result<()> {
    let mut servers = std::iter::once(gateway.upstream()).chain(gateway.delegates());
    let Some(server) = servers.find(|server| is_reached_at(server, gateway.address())) else {
        return Ok(());
    };
    bail!(
        "the API server's address, {}, is the gateway's own: requests would go round and round; if the kubeconfig is that of \
         the gateway's clients, give the gateway one that names the API server itself",
        server.origin().ascii_serialization()
    )
}

fn is_reached_at(server: &Url, taken: SocketAddr) -> bool {
    let ip = match server.host() {
        Some(Host::Domain("localhost")) => Some(taken.ip()),
        Some(Host::Ipv4(ip)) => Some(IpAddr::V4(ip)),
        Some(Host::Ipv6(ip)) => Some(IpAddr::V6(ip)),
        _ => None,
    };
    let is_here =
        ip.is_some_and(|ip| ip == taken.ip() || taken.ip().is_unspecified() && ip.is_loopback());
    is_here && server.port_or_known_default() == Some(taken.port())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_own_address_is_recognised() {
        let cases = [
            ("https://127.0.0.1:6443", "127.0.0.1:6443", true),
            ("https://localhost:6443/path", "127.0.0.1:6443", true),
            ("https://127.0.0.1:6443", "0.0.0.0:6443", true),
            ("https://[::1]:6443", "[::]:6443", true),
            ("https://192.0.2.1", "192.0.2.1:443", true),
            ("https://127.0.0.1:6444", "127.0.0.1:6443", false),
            ("https://192.0.2.1:6443", "0.0.0.0:6443", false),
            ("https://api.example:6443", "127.0.0.1:6443", false),
        ];
        for (server, taken, expected) in cases {
            let server = Url::parse(server).unwrap();
            let found = is_reached_at(&server, taken.parse().unwrap());
            assert_eq!(found, expected, "{server} {taken}");
        }
    }
}
