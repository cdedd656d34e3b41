//! Request that a policy decides about, in canonical form.

use super::host::{CanonicalHost, HostFault};
use super::path::{CanonicalPath, PathFault};

/// Maximum length of a method, in bytes. The longest of RFC 9110 is `OPTIONS`, of WebDAV `VERSION-CONTROL`.
const MAX_METHOD_BYTES: usize = 32;

/// Reason why a request has no canonical form. Such a request is refused for every policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AmbiguousRequest {
    /// Method with other characters than capital letters, digits, `-` and `_`. Some servers treat
    /// `delete` as `DELETE`.
    #[error("the method is not written in capital letters")]
    Method,
    /// Host that is not exactly one host.
    #[error(transparent)]
    Host(#[from] HostFault),
    /// Path that could be read in more than one way.
    #[error(transparent)]
    Path(#[from] PathFault),
    /// Target with another host than that of the request.
    #[error("the request names two hosts")]
    ConflictingHosts,
}

/// Known attributes of a request, in canonical form.
#[derive(Clone, Debug)]
pub struct PolicyRequest<'r> {
    pub(super) method: Option<&'r str>,
    pub(super) host: Option<CanonicalHost>,
    pub(super) path: Option<CanonicalPath<'r>>,
}

impl<'r> PolicyRequest<'r> {
    /// Reads the known attributes of a request: method, host and target. The target is a path with or without
    /// a query, or a whole `http` or `https` URL (RFC 9112 §3.2).
    ///
    /// # Errors
    /// [`AmbiguousRequest`] when an attribute could be read in more than one way.
    pub fn parse(
        method: Option<&'r str>,
        host: Option<&str>,
        target: Option<&'r [u8]>,
    ) -> Result<Self, AmbiguousRequest> {
        if !method.is_none_or(is_canonical_method) {
            return Err(AmbiguousRequest::Method);
        }
        let mut host = host.map(CanonicalHost::parse).transpose()?;
        let path = match target {
            None => None,
            Some(target) => {
                let (target_host, path) = split_target(target)?;
                // RFC 9112 §3.2.2 prefers the URL's host, but a proxy may have used the other. So
                // both must agree.
                match (&host, target_host) {
                    (Some(host), Some(target_host)) if *host != target_host => {
                        return Err(AmbiguousRequest::ConflictingHosts);
                    }
                    (None, Some(target_host)) => host = Some(target_host),
                    _ => {}
                }
                Some(CanonicalPath::parse(path)?)
            }
        };
        Ok(Self { method, host, path })
    }

    /// Returns the method, if it is known.
    pub fn method(&self) -> Option<&'r str> {
        self.method
    }

    /// Returns the host, if it is known.
    pub fn host(&self) -> Option<&CanonicalHost> {
        self.host.as_ref()
    }

    /// Returns the path, if it is known.
    pub fn path(&self) -> Option<&CanonicalPath<'r>> {
        self.path.as_ref()
    }
}

/// Checks that a method has the spelling that no server reads as another method (RFC 9110 §9.1: case counts).
pub(super) fn is_canonical_method(method: &str) -> bool {
    // RFC 9110 allows other characters in a method too, but no registered method has one.
    (1..=MAX_METHOD_BYTES).contains(&method.len())
        && method
            .bytes()
            .all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'_'))
}

/// Whole `http` or `https` URL in the place of a request target (RFC 9112 §3.2.2), split.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TargetUrl<'r> {
    /// `http` or `https`.
    pub scheme: &'static str,
    /// Host, with its port if it has one. Not checked.
    pub authority: &'r str,
    /// The rest: path and query. It may be empty, or begin with `?`.
    pub rest: &'r [u8],
}

impl<'r> TargetUrl<'r> {
    /// Splits a target; `None` if it is not a whole URL. Other schemes are not split off: such a target does
    /// not begin with `/` and is refused as a path.
    ///
    /// # Errors
    /// [`HostFault`] if the host is not text.
    pub fn split(target: &'r [u8]) -> Result<Option<Self>, HostFault> {
        let schemes = [("http", &b"http://"[..]), ("https", b"https://")];
        let found = schemes.into_iter().find_map(|(scheme, prefix)| {
            let (head, rest) = target.split_at_checked(prefix.len())?;
            head.eq_ignore_ascii_case(prefix).then_some((scheme, rest))
        });
        let Some((scheme, rest)) = found else {
            return Ok(None);
        };
        let end = rest.iter().position(|byte| matches!(byte, b'/' | b'?'));
        let (authority, rest) = rest.split_at(end.unwrap_or(rest.len()));
        let authority = std::str::from_utf8(authority).map_err(|_| HostFault::Name)?;
        Ok(Some(Self {
            scheme,
            authority,
            rest,
        }))
    }
}

/// Splits a target into the host, if it is a whole URL, and the path without its query. A URL without a path
/// has the path `/` (RFC 9110 §4.2.3). The query decides nothing, so any bytes may be in it.
fn split_target(target: &[u8]) -> Result<(Option<CanonicalHost>, &[u8]), AmbiguousRequest> {
    let without_query = |text: &'_ [u8]| text.iter().position(|byte| *byte == b'?').unwrap_or(text.len());
    let Some(url) = TargetUrl::split(target)? else {
        return Ok((None, target.split_at(without_query(target)).0));
    };
    let path = url.rest.split_at(without_query(url.rest)).0;
    let path = if path.is_empty() { b"/" } else { path };
    Ok((Some(CanonicalHost::parse(url.authority)?), path))
}
