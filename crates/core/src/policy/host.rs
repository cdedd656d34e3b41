//! The one form of a request's host: lower case, without port and without the dot at its end.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};

/// The longest name in the DNS (RFC 1035 §2.3.4), as text.
const LONGEST: usize = 253;
/// The longest label of one.
const LONGEST_LABEL: usize = 63;

/// Why a text names no one host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum HostFault {
    /// It is empty, or longer than 253 bytes.
    #[error("the host is empty or too long")]
    Length,
    /// Its port is not a number up to 65535.
    #[error("the host's port is not one")]
    Port,
    /// A label is empty, longer than 63 bytes, or holds something else than letters, digits, `-` and `_`. Two hosts with a
    /// comma between them, user information and names outside ASCII are among these.
    #[error("the host is neither a name nor an address")]
    Name,
    /// It ends in a number and is no address in its usual form (`127.1`, `0x7f.0.0.1`).
    #[error("the host is an address in an unusual form")]
    Address,
}

/// A host in its canonical form.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct CanonicalHost(String);

impl CanonicalHost {
    /// Reads a host as it stands in a `Host` header: with or without a port, which is dropped.
    ///
    /// # Errors
    /// It is no one host.
    pub fn parse(raw: &str) -> Result<Self, HostFault> {
        if let Some(rest) = raw.strip_prefix('[') {
            let (address, port) = rest.split_once(']').ok_or(HostFault::Name)?;
            let address: Ipv6Addr = address.parse().map_err(|_| HostFault::Name)?;
            match port.strip_prefix(':') {
                Some(port) => check_port(port)?,
                None if port.is_empty() => {}
                None => return Err(HostFault::Name),
            }
            return Ok(Self(format!("[{address}]")));
        }
        let name = match raw.split_once(':') {
            Some((name, port)) => {
                check_port(port)?;
                name
            }
            None => raw,
        };
        let name = name.strip_suffix('.').unwrap_or(name);
        check_name(name)?;
        Ok(Self(name.to_ascii_lowercase()))
    }

    /// Its text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for CanonicalHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A port may be empty (RFC 3986 §3.2.3).
fn check_port(text: &str) -> Result<(), HostFault> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    let good = text.is_empty() || (digits && text.parse::<u16>().is_ok());
    if good { Ok(()) } else { Err(HostFault::Port) }
}

/// A name, or an address of four decimal numbers. What ends in a number is an address to browsers.
pub(super) fn check_name(name: &str) -> Result<(), HostFault> {
    if name.is_empty() || name.len() > LONGEST {
        return Err(HostFault::Length);
    }
    let good = |label: &str| {
        (1..=LONGEST_LABEL).contains(&label.len())
            && label
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
    };
    if !name.split('.').all(good) {
        return Err(HostFault::Name);
    }
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
