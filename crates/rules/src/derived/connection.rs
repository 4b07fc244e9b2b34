//! Where a request came from.

use std::borrow::Cow;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::derived::agent::family;
use crate::derived::values::{input, made, text};
use crate::falco::fields::{Entry, Path};
use crate::field::{Inputs, Values};

const SOURCES: &[Path] = &[&["sourceIPs"]];

pub(super) const ENTRIES: &[Entry] = &[
    Entry::made(
        "kv.address",
        address,
        SOURCES,
        "The address that connected to the API server: the last entry of `sourceIPs`, the only one that a client cannot choose.",
    )
    .note("Behind a load balancer or proxy that hides its clients this is the address of that."),
    Entry::made(
        "kv.network",
        |inputs| made(last_hop(inputs).and_then(|address| network(&address))),
        SOURCES,
        "The network of kv.address: its /24, such as `10.0.3.0/24`, or its /64.",
    ),
    Entry::made(
        "kv.agent",
        |inputs| made(input(inputs, 0).and_then(|agent| family(&agent))),
        &[&["userAgent"]],
        "The family of the client by what it calls itself, in lower case: `kubectl`, `kubelet`, `helm`, `curl`, `python`, `java`, \
         `go-http-client`, `browser`, …; otherwise the name of its first product.",
    )
    .note("Clients choose it. A strange one tells something, a usual one nothing."),
];

fn address<'e>(inputs: &Inputs<'_, 'e>) -> Values<'e> {
    Values::text(last_hop(inputs))
}

fn last_hop<'e>(inputs: &Inputs<'_, 'e>) -> Option<Cow<'e, [u8]>> {
    text(inputs.first(0)?.elements().last())
}

/// The block that an address stands in. Addresses of one host change within it, those of two hosts seldom share it.
fn network(address: &[u8]) -> Option<Vec<u8>> {
    let address: IpAddr = std::str::from_utf8(address).ok()?.parse().ok()?;
    let block = match address.to_canonical() {
        IpAddr::V4(address) => return Some(block_of_v4(address)),
        IpAddr::V6(address) => {
            let block = address.to_bits() & !u128::from(u64::MAX);
            format!("{}/64", Ipv6Addr::from_bits(block))
        }
    };
    Some(block.into_bytes())
}

/// Written digit by digit: `format!` took longer than reading the address, and this is asked of many events.
fn block_of_v4(address: Ipv4Addr) -> Vec<u8> {
    let mut block = Vec::with_capacity("255.255.255.0/24".len());
    let [octets @ .., _] = address.octets();
    for octet in octets {
        for (power, least) in [(100, 100), (10, 10), (1, 0)] {
            if octet >= least {
                block.push(b'0' + octet / power % 10);
            }
        }
        block.push(b'.');
    }
    block.extend_from_slice(b"0/24");
    block
}
