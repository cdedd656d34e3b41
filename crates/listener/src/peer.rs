//! Peers of connections.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use ipnet::IpNet;

/// Other end of the connection, according to the socket. The accept loop puts it into the extensions of every
/// request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PeerAddr {
    /// Peer of a TCP connection.
    Tcp(SocketAddr),
    /// Peer of a Unix socket, which has no address. A process that can open the socket is a trusted proxy:
    /// the permissions of the file name it, as `TRUSTED_PROXIES` names addresses.
    Unix,
    /// Front proxy that asks by gRPC. The port is only for proxies.
    Proxy(SocketAddr),
}

impl PeerAddr {
    /// Returns the address. The peer of a Unix socket is on this machine.
    #[inline]
    pub fn ip(self) -> IpAddr {
        match self {
            // Canonical: on a dual-stack socket an IPv4 peer is `::ffff:a.b.c.d`.
            Self::Tcp(address) | Self::Proxy(address) => address.ip().to_canonical(),
            Self::Unix => IpAddr::V4(Ipv4Addr::LOCALHOST),
        }
    }

    /// Returns `true` for a proxy whose `X-Forwarded-*` headers are believed.
    #[inline]
    pub fn is_trusted(self, trusted: &[IpNet]) -> bool {
        match self {
            Self::Tcp(address) => is_trusted_address(address.ip(), trusted),
            Self::Unix | Self::Proxy(_) => true,
        }
    }
}

impl fmt::Display for PeerAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) | Self::Proxy(address) => address.fmt(f),
            Self::Unix => f.write_str("unix"),
        }
    }
}

/// Returns `true` for the address of a trusted proxy. An IPv4-mapped IPv6 address counts as the IPv4 address.
#[inline]
pub fn is_trusted_address(address: IpAddr, trusted: &[IpNet]) -> bool {
    let address = address.to_canonical();
    let mapped = match address {
        IpAddr::V4(address) => Some(IpAddr::V6(address.to_ipv6_mapped())),
        IpAddr::V6(_) => None,
    };
    trusted.iter().any(|network| {
        // `::/0` means every IPv6 address. It must not cover all IPv4 addresses by way of their mapped form.
        let is_mapped_network = network.prefix_len() >= MAPPED_PREFIX;
        network.contains(&address)
            || (is_mapped_network && mapped.is_some_and(|mapped| network.contains(&mapped)))
    })
}

/// Prefix length of `::ffff:0:0/96`, the network of the IPv4-mapped addresses (RFC 4291 §2.5.5.2).
const MAPPED_PREFIX: u8 = 96;
