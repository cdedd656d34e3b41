//! From where a request came: the socket's peer, or the client that a trusted proxy names.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use axum::http::HeaderMap;
use ipnet::IpNet;

/// The other end of the connection, as the socket says. The accept loop puts it into every request's extensions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PeerAddr {
    /// A TCP connection's.
    Tcp(SocketAddr),
    /// A Unix socket's, which has no address. Whoever may open the socket is a trusted proxy: the file's permissions name
    /// it, as `TRUSTED_PROXIES` names addresses.
    Unix,
    /// A front proxy's that asks by gRPC, and is known for one by the port it asks at.
    Proxy(SocketAddr),
}

impl PeerAddr {
    /// Its address. Who comes by a Unix socket is on this machine.
    pub fn ip(self) -> IpAddr {
        match self {
            Self::Tcp(address) | Self::Proxy(address) => address.ip().to_canonical(),
            Self::Unix => IpAddr::V4(Ipv4Addr::LOCALHOST),
        }
    }

    /// Whether it is a proxy whose word about its clients is taken.
    pub fn is_trusted(self, trusted: &[IpNet]) -> bool {
        match self {
            Self::Tcp(address) => is_trusted(address.ip(), trusted),
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

/// The client's address, as [`client_address`] finds it. A layer puts it into every request's extensions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClientIp(pub IpAddr);

/// The client's address: the socket's peer, or, when the peer is a trusted proxy, the right-most entry of
/// `X-Forwarded-For` that no trusted proxy accounts for. Entries left of that one are the client's own words.
///
/// An entry that is no address ends the walk at the proxy that wrote it, for what stands further left is then in
/// doubt. When every entry is a trusted proxy, the left-most is the client.
pub fn client_address(peer: PeerAddr, headers: &HeaderMap, trusted: &[IpNet]) -> IpAddr {
    let mut address = peer.ip();
    let mut is_proxy = peer.is_trusted(trusted);
    // A proxy appends, to the last header or as a header of its own: together they are one list (RFC 9110 §5.3).
    let mut fields = headers.get_all("x-forwarded-for").into_iter().rev();
    let mut entries = fields
        .by_ref()
        .flat_map(|field| field.as_bytes().rsplit(|byte| *byte == b','));
    while is_proxy {
        let Some(named) = entries.next().and_then(entry) else {
            break;
        };
        address = named;
        is_proxy = is_trusted(address, trusted);
    }
    address
}

/// Whether an address is one of a trusted proxy. An IPv4 address mapped into IPv6 is the IPv4 address.
fn is_trusted(address: IpAddr, trusted: &[IpNet]) -> bool {
    let address = address.to_canonical();
    let mapped = match address {
        IpAddr::V4(address) => Some(IpAddr::V6(address.to_ipv6_mapped())),
        IpAddr::V6(_) => None,
    };
    trusted.iter().any(|network| {
        // `::/0` is every IPv6 address, which the mapped ones are only in spelling.
        let spelt_mapped = network.prefix_len() >= MAPPED_PREFIX;
        network.contains(&address) || (spelt_mapped && mapped.is_some_and(|mapped| network.contains(&mapped)))
    })
}

/// `::ffff:0:0/96` holds the IPv4 addresses (RFC 4291 §2.5.5.2).
const MAPPED_PREFIX: u8 = 96;

/// One entry: an address, with or without a port.
fn entry(text: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(text).ok()?.trim_matches([' ', '\t']);
    let bracketed = || {
        text.strip_prefix('[')?
            .strip_suffix(']')?
            .parse::<Ipv6Addr>()
            .ok()
    };
    let address = text
        .parse::<IpAddr>()
        .ok()
        .or_else(|| text.parse::<SocketAddr>().ok().map(|socket| socket.ip()))
        .or_else(|| bracketed().map(IpAddr::V6))?;
    Some(address.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(peer: &str, forwarded: &[&str], trusted: &[&str]) -> String {
        let peer = PeerAddr::Tcp(SocketAddr::new(peer.parse().unwrap(), 4711));
        found_behind(peer, forwarded, trusted)
    }

    fn found_behind(peer: PeerAddr, forwarded: &[&str], trusted: &[&str]) -> String {
        let mut headers = HeaderMap::new();
        for field in forwarded {
            headers.append("x-forwarded-for", field.parse().unwrap());
        }
        let trusted: Vec<IpNet> = trusted.iter().map(|network| network.parse().unwrap()).collect();
        client_address(peer, &headers, &trusted).to_string()
    }

    #[test]
    fn the_walk() {
        let proxies = &["10.0.0.0/8", "fd00::/8"][..];
        let table: &[(&str, &[&str], &[&str], &str)] = &[
            // Nobody is trusted: whatever the client says about itself is ignored.
            ("203.0.113.9", &["198.51.100.1"], &[], "203.0.113.9"),
            ("203.0.113.9", &["198.51.100.1"], proxies, "203.0.113.9"),
            // One proxy, and a chain of them.
            ("10.0.0.1", &["198.51.100.1"], proxies, "198.51.100.1"),
            (
                "10.0.0.1",
                &["198.51.100.1, 10.0.0.2, 10.0.0.3"],
                proxies,
                "198.51.100.1",
            ),
            // What the client itself sent stands left of what the proxy saw.
            (
                "10.0.0.1",
                &["1.1.1.1, 10.9.9.9, 198.51.100.1"],
                proxies,
                "198.51.100.1",
            ),
            // Several headers are one list.
            (
                "10.0.0.1",
                &["1.1.1.1", "198.51.100.1", "10.0.0.2"],
                proxies,
                "198.51.100.1",
            ),
            // No header, or an empty one: the proxy is all that is known.
            ("10.0.0.1", &[], proxies, "10.0.0.1"),
            ("10.0.0.1", &[""], proxies, "10.0.0.1"),
            // Junk ends the walk at whoever wrote it.
            ("10.0.0.1", &["198.51.100.1, unknown"], proxies, "10.0.0.1"),
            (
                "10.0.0.1",
                &["198.51.100.1, 10.0.0.2x, 10.0.0.3"],
                proxies,
                "10.0.0.3",
            ),
            ("10.0.0.1", &["198.51.100.1,, 10.0.0.3"], proxies, "10.0.0.3"),
            ("10.0.0.1", &["fe80::1%eth0"], proxies, "10.0.0.1"),
            ("10.0.0.1", &["010.1.1.1"], proxies, "10.0.0.1"),
            // Only proxies: the left-most.
            ("10.0.0.1", &["10.0.0.7, 10.0.0.2"], proxies, "10.0.0.7"),
            // Ports and brackets.
            ("10.0.0.1", &["198.51.100.1:4711"], proxies, "198.51.100.1"),
            ("10.0.0.1", &["[2001:db8::1]:4711"], proxies, "2001:db8::1"),
            ("fd00::1", &["[2001:db8::1]"], proxies, "2001:db8::1"),
            ("10.0.0.1", &["2001:db8::1"], proxies, "2001:db8::1"),
            // IPv4 within IPv6, on either side.
            (
                "::ffff:10.0.0.1",
                &["::ffff:198.51.100.1"],
                proxies,
                "198.51.100.1",
            ),
            (
                "10.0.0.1",
                &["198.51.100.1"],
                &["::ffff:10.0.0.0/104"],
                "198.51.100.1",
            ),
            ("::ffff:203.0.113.9", &["198.51.100.1"], proxies, "203.0.113.9"),
            ("10.0.0.1", &["198.51.100.1"], &["::/0"], "10.0.0.1"),
        ];
        for (peer, forwarded, trusted, expected) in table {
            assert_eq!(
                &found(peer, forwarded, trusted),
                expected,
                "{peer} {forwarded:?} {trusted:?}"
            );
        }
    }

    #[test]
    fn who_may_open_the_unix_socket_is_a_trusted_proxy() {
        let table: &[(&[&str], &[&str], &str)] = &[
            (&[], &[], "127.0.0.1"),
            (&["198.51.100.1"], &[], "198.51.100.1"),
            // Only the last entry is that proxy's; the one before is the word of whoever it names.
            (&["1.1.1.1, 198.51.100.1"], &[], "198.51.100.1"),
            (
                &["1.1.1.1, 198.51.100.1, 10.0.0.2"],
                &["10.0.0.0/8"],
                "198.51.100.1",
            ),
        ];
        for (forwarded, trusted, expected) in table {
            assert_eq!(
                &found_behind(PeerAddr::Unix, forwarded, trusted),
                expected,
                "{forwarded:?} {trusted:?}"
            );
        }
    }

    #[test]
    fn a_thousand_spoofed_hops_change_nothing() {
        let spoofed = format!("{}198.51.100.1", "10.0.0.2, ".repeat(1000));
        assert_eq!(found("10.0.0.1", &[&spoofed], &["10.0.0.0/8"]), "198.51.100.1");
    }
}
