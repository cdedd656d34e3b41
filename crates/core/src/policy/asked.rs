//! The request that a policy is asked about, in canonical form.

use super::host::{CanonicalHost, HostFault};
use super::path::{CanonicalPath, PathFault};

/// The longest method; RFC 9110 knows none longer than `OPTIONS`, WebDAV none longer than `VERSION-CONTROL`.
const LONGEST_METHOD: usize = 32;

/// Why a request has no canonical form. It is refused, whatever the policy says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AskedFault {
    /// Its method is not of capital letters, digits, `-` and `_`. Some servers take `delete` for `DELETE`.
    #[error("the method is not written in capital letters")]
    Method,
    /// Its host is no one host.
    #[error(transparent)]
    Host(#[from] HostFault),
    /// Its path has no one reading.
    #[error(transparent)]
    Path(#[from] PathFault),
    /// Its target names another host than the request does.
    #[error("the request names two hosts")]
    TwoHosts,
}

/// A request as far as it is known, in canonical form.
#[derive(Clone, Debug)]
pub struct Asked<'r> {
    pub(super) method: Option<&'r str>,
    pub(super) host: Option<CanonicalHost>,
    pub(super) path: Option<CanonicalPath<'r>>,
}

impl<'r> Asked<'r> {
    /// Reads what is known of a request: its method, its host, and its target, which is a path with or without a query,
    /// or a whole `http` or `https` URL (RFC 9112 §3.2).
    ///
    /// # Errors
    /// A part of it has more readings than one.
    pub fn read(
        method: Option<&'r str>,
        host: Option<&str>,
        target: Option<&'r [u8]>,
    ) -> Result<Self, AskedFault> {
        if !method.is_none_or(is_plain_method) {
            return Err(AskedFault::Method);
        }
        let mut host = host.map(CanonicalHost::parse).transpose()?;
        let path = match target {
            None => None,
            Some(target) => {
                let (named, path) = split_target(target)?;
                match (&host, named) {
                    (Some(host), Some(named)) if *host != named => return Err(AskedFault::TwoHosts),
                    (None, Some(named)) => host = Some(named),
                    _ => {}
                }
                Some(CanonicalPath::parse(path)?)
            }
        };
        Ok(Self { method, host, path })
    }

    /// The method, if it is known.
    pub fn method(&self) -> Option<&'r str> {
        self.method
    }

    /// The host, if it is known.
    pub fn host(&self) -> Option<&CanonicalHost> {
        self.host.as_ref()
    }

    /// The path, if it is known.
    pub fn path(&self) -> Option<&CanonicalPath<'r>> {
        self.path.as_ref()
    }
}

/// Whether the method is in the one spelling that no server reads as another method (RFC 9110 §9.1: case counts).
pub(super) fn is_plain_method(method: &str) -> bool {
    (1..=LONGEST_METHOD).contains(&method.len())
        && method
            .bytes()
            .all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'_'))
}

/// The host that a whole URL names, and the path without its query. A URL without a path has the path `/`.
fn split_target(target: &[u8]) -> Result<(Option<CanonicalHost>, &[u8]), AskedFault> {
    let without_query = target.split(|byte| *byte == b'?').next().unwrap_or(target);
    let scheme = [&b"http://"[..], b"https://"].into_iter().find(|scheme| {
        without_query
            .get(..scheme.len())
            .is_some_and(|head| head.eq_ignore_ascii_case(scheme))
    });
    let Some(rest) = scheme.and_then(|scheme| without_query.get(scheme.len()..)) else {
        return Ok((None, without_query));
    };
    let end = rest.iter().position(|byte| *byte == b'/').unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    let authority = std::str::from_utf8(authority).map_err(|_| HostFault::Name)?;
    let path = if path.is_empty() { b"/" } else { path };
    Ok((Some(CanonicalHost::parse(authority)?), path))
}
