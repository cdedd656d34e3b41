//! Canonical form of a request's host: lower case, without port and without a final dot.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};

/// Maximum length of a DNS name as text, in bytes (RFC 1035 §2.3.4: 255 on the wire).
const MAX_NAME_BYTES: usize = 253;
/// Maximum length of a label of a DNS name, in bytes (RFC 1035 §2.3.4).
const MAX_LABEL_BYTES: usize = 63;

/// Reason why a text is not one host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum HostFault {
    /// Empty, or longer than 253 bytes.
    #[error("the host is empty or longer than 253 characters")]
    Length,
    /// Port that is not a number up to 65535.
    #[error("the port of the host is not a number up to 65535")]
    Port,
    /// Label that is empty, longer than 63 bytes, or contains anything other than letters, digits, `-` and
    /// `_`. Two hosts separated by a comma, user information and names outside ASCII are examples.
    #[error("the host is neither one name nor one address")]
    Name,
    /// Name that ends in a number and is not an address in the usual form (`127.1`, `0x7f.0.0.1`).
    #[error("the host is an address in an unusual form")]
    Address,
}

/// Host in canonical form.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct CanonicalHost(String);

impl CanonicalHost {
    /// Reads a host as in a `Host` field (RFC 9110 §7.2). A port is checked and dropped.
    ///
    /// # Errors
    /// [`HostFault`] when the text is not exactly one host.
    pub fn parse(raw: &str) -> Result<Self, HostFault> {
        if let Some(rest) = raw.strip_prefix('[') {
            let (address, port) = rest.split_once(']').ok_or(HostFault::Name)?;
            let address: Ipv6Addr = address.parse().map_err(|_| HostFault::Name)?;
            match port.strip_prefix(':') {
                Some(port) => check_port(port)?,
                None if port.is_empty() => {}
                None => return Err(HostFault::Name),
            }
            // Formatting the parsed address makes one spelling out of `::1`, `0:0::1` and upper
            // case (RFC 5952).
            return Ok(Self(format!("[{address}]")));
        }
        let name = match raw.split_once(':') {
            Some((name, port)) => {
                check_port(port)?;
                name
            }
            None => raw,
        };
        // The final dot of an absolute DNS name: the same host, but another text to a proxy that compares.
        let name = name.strip_suffix('.').unwrap_or(name);
        check_name(name)?;
        Ok(Self(name.to_ascii_lowercase()))
    }

    /// Returns the text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for CanonicalHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Checks a port, which may be empty (RFC 3986 §3.2.3).
fn check_port(text: &str) -> Result<(), HostFault> {
    // `parse` alone would accept a sign: "+80".
    let is_digits = text.bytes().all(|byte| byte.is_ascii_digit());
    let is_port = text.is_empty() || (is_digits && text.parse::<u16>().is_ok());
    if is_port { Ok(()) } else { Err(HostFault::Port) }
}

/// Checks a DNS name, or an IPv4 address of four decimal numbers.
pub(super) fn check_name(name: &str) -> Result<(), HostFault> {
    if name.is_empty() || name.len() > MAX_NAME_BYTES {
        return Err(HostFault::Length);
    }
    let is_label = |label: &str| {
        (1..=MAX_LABEL_BYTES).contains(&label.len())
            && label
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
    };
    if !name.split('.').all(is_label) {
        return Err(HostFault::Name);
    }
    // Browsers take a host whose last label is a number for an IPv4 address (WHATWG URL §3.5),
    // in many spellings.
    let last = name.rsplit('.').next().unwrap_or_default();
    let is_number = last.bytes().all(|byte| byte.is_ascii_digit())
        || last
            .strip_prefix("0x")
            .or_else(|| last.strip_prefix("0X"))
            .is_some_and(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()));
    if is_number && name.parse::<Ipv4Addr>().is_err() {
        return Err(HostFault::Address);
    }
    Ok(())
}
