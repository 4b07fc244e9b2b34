//! Blocks of addresses, and which addresses are in one.
//!
//! An IPv4 address that is written as IPv6 (`::ffff:10.0.0.1`) counts as IPv4: otherwise the way in which a client connects would
//! decide whether a rule about `10.0.0.0/8` sees it.

use std::net::IpAddr;

/// A block of addresses.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct Network {
    /// The first address.
    pub address: IpAddr,
    /// How many leading bits all addresses share.
    pub bits: u8,
}

impl Network {
    /// Whether the address is in the block.
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.address, address) {
            (IpAddr::V6(network), IpAddr::V6(address)) => {
                same_bits(network.to_bits(), address.to_bits(), self.bits, 128)
            }
            (IpAddr::V4(network), IpAddr::V4(address)) => same_bits(
                network.to_bits().into(),
                address.to_bits().into(),
                self.bits,
                32,
            ),
            (IpAddr::V4(_), IpAddr::V6(address)) => address
                .to_ipv4_mapped()
                .is_some_and(|address| self.contains(IpAddr::V4(address))),
            (IpAddr::V6(_), IpAddr::V4(_)) => false,
        }
    }

    /// Whether no address bit behind the shared ones is set.
    pub fn is_aligned(&self) -> bool {
        let (value, width) = match self.address {
            IpAddr::V4(address) => (address.to_bits().into(), 32),
            IpAddr::V6(address) => (address.to_bits(), 128),
        };
        let host = u32::from(width - self.bits.min(width));
        value.trailing_zeros() >= host || value == 0
    }
}

fn same_bits(one: u128, other: u128, bits: u8, width: u8) -> bool {
    let shift = u32::from(width - bits.min(width));
    one.checked_shr(shift).unwrap_or(0) == other.checked_shr(shift).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_contain_what_their_bits_say() {
        for (network, bits, address, expected) in [
            ("10.0.0.0", 8, "10.255.0.1", true),
            ("10.0.0.0", 8, "11.0.0.1", false),
            ("0.0.0.0", 0, "11.0.0.1", true),
            ("10.0.0.0", 8, "::ffff:10.2.3.4", true),
            ("fd00::", 8, "fd12:3456::1", true),
            ("::", 0, "10.0.0.1", false),
            ("10.0.0.1", 32, "10.0.0.1", true),
        ] {
            let network = Network {
                address: network.parse().unwrap(),
                bits,
            };
            assert_eq!(
                network.contains(address.parse().unwrap()),
                expected,
                "{network:?} {address}"
            );
        }
    }
}
