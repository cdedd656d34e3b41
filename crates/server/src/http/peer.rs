//! Origin of a request: the socket's peer, or the client that a trusted proxy names.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use axum::http::HeaderMap;
use ipnet::IpNet;
use maxlab_auth_core::access::FORWARDED_FOR;
pub use maxlab_auth_listener::PeerAddr;
use maxlab_auth_listener::is_trusted_address;

/// Client address that [`client_address`] finds. `layers::observe` puts it into the extensions of every
/// request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClientIp(pub IpAddr);

/// Returns the client's address: the socket's peer, or, if the peer is a trusted proxy, the right-most entry
/// of `X-Forwarded-For` that is not a trusted proxy. Entries to the left of it may be made up by the client.
///
/// An entry that is no address ends the search at the proxy that wrote it, because the entries to its left
/// cannot be trusted. If every entry is a trusted proxy, the left-most is the client.
pub fn client_address(peer: PeerAddr, headers: &HeaderMap, trusted: &[IpNet]) -> IpAddr {
    let mut address = peer.ip();
    let mut is_proxy = peer.is_trusted(trusted);
    // A proxy appends to the last header or adds a header. All of them are one list (RFC 9110 §5.3), read
    // from its end.
    let mut fields = headers.get_all(FORWARDED_FOR).into_iter().rev();
    let mut entries = fields
        .by_ref()
        .flat_map(|field| field.as_bytes().rsplit(|byte| *byte == b','));
    while is_proxy {
        let Some(named) = entries.next().and_then(parse_forwarded_entry) else {
            break;
        };
        address = named;
        is_proxy = is_trusted_address(address, trusted);
    }
    address
}

/// Parses one entry: an address, with or without a port.
fn parse_forwarded_entry(text: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(text).ok()?.trim_matches([' ', '\t']);
    // Some proxies write an IPv6 address in brackets without a port.
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
            // No proxy is trusted: the header is ignored.
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
            // The client's own entries are to the left of the one that the proxy added.
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
            // Junk ends the search at the proxy that wrote it.
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
            // Only the last entry is from this proxy. The one before is from the client that it names.
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
