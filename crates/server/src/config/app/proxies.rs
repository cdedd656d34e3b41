//! Networks of trusted proxies: their form, and how wide they may be.

use std::net::{IpAddr, Ipv4Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

use super::super::address::without_credentials;
use super::super::faults::InvalidValue;

/// Networks that are not routed on the internet (RFC 1918, 1122, 3927, 4193, 4291, 6598). Any part of them
/// may be trusted.
const PRIVATE_NETWORKS: [&str; 9] = [
    "10.0.0.0/8",
    "172.16.0.0/12",
    "192.168.0.0/16",
    "127.0.0.0/8",
    "169.254.0.0/16",
    "100.64.0.0/10",
    "fc00::/7",
    "fe80::/10",
    "::1/128",
];

/// Shortest prefix of a public network that one operator's proxies may fill, by family. Content delivery
/// networks publish ranges up to /13 and /28.
const MIN_PREFIX_V4: u8 = 9;
const MIN_PREFIX_V6: u8 = 20;

/// Prefix of the IPv4 addresses within IPv6, `::ffff:0:0/96` (RFC 4291 §2.5.5.2).
const MAPPED_PREFIX: u8 = 96;

/// Parses an address or a network. A single address becomes a network of one.
pub(super) fn network(text: &str) -> Result<IpNet, InvalidValue> {
    // `trunc`: 10.1.2.3/8 means 10.0.0.0/8.
    text.parse::<IpNet>()
        .map(|network| network.trunc())
        .or_else(|_| text.parse::<IpAddr>().map(IpNet::from))
        .map_err(|_| {
            InvalidValue::new(
                format!(
                    "contains {:?}, which is neither an IP address nor a network",
                    without_credentials(text)
                ),
                "write addresses like 10.0.0.7 and networks like 10.0.0.0/8",
            )
        })
}

/// Returns whether the network contains public addresses wholesale.
pub(super) fn is_too_wide(network: &IpNet) -> bool {
    // First: `::ffff:12.0.0.0/104` is as wide as 12.0.0.0/8.
    let network = canonical(network);
    // All of them parse: config/tests/production.rs uses each.
    let is_private = PRIVATE_NETWORKS
        .iter()
        .filter_map(|private| private.parse::<IpNet>().ok())
        .any(|private| private.contains(&network));
    let widest = match network {
        IpNet::V4(_) => MIN_PREFIX_V4,
        IpNet::V6(_) => MIN_PREFIX_V6,
    };
    !is_private && network.prefix_len() < widest
}

/// Returns an IPv4 network that is written as IPv6 as IPv4. Returns any other network unchanged.
fn canonical(network: &IpNet) -> IpNet {
    let mapped = |v6: &Ipv6Net| {
        let prefix = v6.prefix_len().checked_sub(MAPPED_PREFIX)?;
        let address: Ipv4Addr = v6.network().to_ipv4_mapped()?;
        Ipv4Net::new(address, prefix).ok().map(IpNet::V4)
    };
    match network {
        IpNet::V4(_) => *network,
        IpNet::V6(v6) => mapped(v6).unwrap_or(*network),
    }
}
