//! Parts of a request that the answer depends on. A part is read exactly as the router's handler reads it, or
//! the request is left to the router.

use std::net::IpAddr;

use axum::http::{HeaderMap, HeaderValue, header};
use ipnet::IpNet;
use maxlab_auth_core::access::{FORWARDED_FOR, ForwardedAttribute};
use maxlab_auth_core::credential::SessionId;
use maxlab_auth_listener::{HeadField, RequestHead, is_framing_header};

use super::VERIFY_ROUTE;
use crate::http::forward_auth::ForwardedRequest;
use crate::http::peer::{PeerAddr, client_address};
use crate::http::request_id::RequestId;

/// Longest query or host, in bytes. A longer one is left to the router.
const MAX_VALUE_LEN: usize = 512;
/// Longest DNS name as text, in bytes (RFC 1035 §2.3.4).
const MAX_DNS_NAME_LEN: usize = 253;
/// Longest label of a DNS name, in bytes (RFC 1035 §2.3.4).
const MAX_DNS_LABEL_LEN: usize = 63;

/// Values of the forwarded attributes, by discriminant. The scheme is only checked: nothing here depends on
/// it.
type ForwardedValues<'b> = [Option<&'b str>; ForwardedAttribute::ALL.len()];

/// Credential in the plain form.
// No `Debug`: it would print the token.
pub(super) enum PlainCredential<'b> {
    /// Bearer token.
    Token(&'b str),
    /// Session id of the cookie. The request is safe, so it needs no proof of where it comes from.
    Session(SessionId),
}

/// Request to `/auth/verify` in the plain form.
// No `Debug`: it would print the token.
pub(super) struct VerifyRequest<'b> {
    /// Credential that authenticates the request: the token, else the session cookie.
    pub(super) credential: Option<PlainCredential<'b>>,
    pub(super) query: &'b str,
    /// Request id from a trusted proxy.
    pub(super) request_id: Option<&'b [u8]>,
    /// Original request, as a trusted proxy forwards it.
    pub(super) forwarded: ForwardedRequest<'b>,
}

impl<'b> VerifyRequest<'b> {
    /// Parses a `GET` with a complete head. `None` if anything about it is not in the plain form.
    pub(super) fn parse(request: &RequestHead<'_, 'b>, cookie: &str, trusted: bool) -> Option<Self> {
        if !request.is_http_1_1 || request.method != "GET" {
            return None;
        }
        let query = verify_query(request.target)?;
        let (mut host, mut token, mut session, mut request_id) = (None, None, None, None);
        let mut forwarded = ForwardedValues::default();
        for field in request.fields {
            // By length first: most fields then need no comparison of names.
            match field.name.len() {
                4 if has_name(field, "host") => set_once(&mut host, field.value)?,
                13 if has_name(field, "authorization") => set_once(&mut token, field.value)?,
                6 if has_name(field, "cookie") => read_cookies(field.value, cookie, &mut session)?,
                // `close` ends the connection, which is hyper's to do.
                10 if has_name(field, "connection") => {
                    field.value.eq_ignore_ascii_case(b"keep-alive").then_some(())?;
                }
                12 if trusted && has_name(field, "x-request-id") => set_once(&mut request_id, field.value)?,
                _ if is_framing_header(field.name) => return None,
                _ if trusted => record_forwarded(field, &mut forwarded)?,
                _ => {}
            }
        }
        is_plain_host(host?).then_some(())?;
        forwarded[ForwardedAttribute::Host as usize]
            .is_none_or(is_common_host)
            .then_some(())?;
        let method = forwarded[ForwardedAttribute::Method as usize];
        Some(Self {
            credential: plain_credential(token, session, method)?,
            query,
            request_id,
            forwarded: ForwardedRequest {
                method,
                scheme: None,
                host: forwarded[ForwardedAttribute::Host as usize],
                uri: forwarded[ForwardedAttribute::Uri as usize].map(str::as_bytes),
            }
            .with_split_url()
            .ok()?,
        })
    }
}

impl VerifyRequest<'_> {
    /// Returns the request id from the proxy, or a new one.
    pub(super) fn effective_request_id(&self) -> RequestId {
        let received = self.request_id.and_then(RequestId::parse);
        received.unwrap_or_else(RequestId::generate)
    }
}

/// Returns the client's address for the access log.
pub(super) fn client_ip(request: &RequestHead<'_, '_>, peer: PeerAddr, trusted: &[IpNet]) -> IpAddr {
    let mut headers = HeaderMap::new();
    let named = request
        .fields
        .iter()
        .filter(|field| has_name(field, FORWARDED_FOR));
    for value in named.filter_map(|field| HeaderValue::from_bytes(field.value).ok()) {
        headers.append(header::HeaderName::from_static(FORWARDED_FOR), value);
    }
    client_address(peer, &headers, trusted)
}

fn has_name(field: &HeadField<'_>, name: &str) -> bool {
    field.name.eq_ignore_ascii_case(name)
}

/// Stores a value. `None` if there is one already: a repeated header is left to the router.
pub(super) fn set_once<'b>(slot: &mut Option<&'b [u8]>, value: &'b [u8]) -> Option<()> {
    slot.replace(value).is_none().then_some(())
}

/// Returns the credential that authenticates a request with this `Authorization` field and session cookie.
/// `method` is that of the original request, if it is known. The outer `None` leaves the request to the router.
pub(super) fn plain_credential<'b>(
    token: Option<&'b [u8]>,
    session: Option<SessionId>,
    method: Option<&str>,
) -> Option<Option<PlainCredential<'b>>> {
    match (token, session) {
        // As in the router, the token wins.
        (Some(field), _) => Some(Some(PlainCredential::Token(bearer_token(field)?))),
        // Any other method must prove where it comes from, which the router checks.
        (None, Some(id)) if matches!(method, None | Some("GET" | "HEAD")) => {
            Some(Some(PlainCredential::Session(id)))
        }
        (None, Some(_)) => None,
        (None, None) => Some(None),
    }
}

/// Returns the token of an `Authorization` field.
fn bearer_token(field: &[u8]) -> Option<&str> {
    // The usual spelling first: it is one comparison.
    let token = field.strip_prefix(b"Bearer ").or_else(|| {
        let (scheme, token) = field.split_at_checked(b"Bearer ".len())?;
        scheme.eq_ignore_ascii_case(b"Bearer ").then_some(token)
    })?;
    std::str::from_utf8(token).ok()
}

/// Reads the session cookie from a `Cookie` field. `None` if it is malformed, or if it is there twice.
pub(super) fn read_cookies(cookies: &[u8], name: &str, session: &mut Option<SessionId>) -> Option<()> {
    let is_name = |part: &[u8]| part == name.as_bytes();
    // Most fields of other cookies contain the name nowhere.
    if !cookies.windows(name.len()).any(is_name) {
        return Some(());
    }
    // The name may stand inside of another cookie too: the pairs are split as the router splits them.
    for pair in cookies.split(|byte| *byte == b';') {
        let mut parts = pair.trim_ascii().splitn(2, |byte| *byte == b'=');
        if let (Some(found), Some(value)) = (parts.next(), parts.next())
            && is_name(found)
        {
            let id = SessionId::parse(std::str::from_utf8(value).ok()?)?;
            session.replace(id).is_none().then_some(())?;
        }
    }
    Some(())
}

/// Records a field of the original request. `None` if it is repeated or not plain text.
fn record_forwarded<'b>(field: &HeadField<'b>, forwarded: &mut ForwardedValues<'b>) -> Option<()> {
    let is_in = |attribute: &ForwardedAttribute| attribute.names().iter().any(|name| has_name(field, name));
    let Some(attribute) = ForwardedAttribute::ALL.into_iter().find(is_in) else {
        return Some(());
    };
    // The query of a URI may have other bytes than ASCII, as in the router.
    let query_at = match attribute {
        ForwardedAttribute::Uri => field.value.iter().position(|byte| *byte == b'?'),
        _ => None,
    };
    let (text, query) = field.value.split_at(query_at.unwrap_or(field.value.len()));
    let is_printable = !field.value.is_empty()
        && text.iter().all(|byte| matches!(byte, b' '..=b'~'))
        && query.iter().all(|byte| matches!(byte, b' '..=b'~' | 0x80..));
    let is_plain = attribute != ForwardedAttribute::Method || field.value.iter().all(u8::is_ascii_uppercase);
    let value = std::str::from_utf8(field.value)
        .ok()
        .filter(|_| is_printable && is_plain)?;
    // Two names of one part count as a repetition: whether they agree is the router's question.
    forwarded
        .get_mut(attribute as usize)?
        .replace(value)
        .is_none()
        .then_some(())
}

/// Returns the query, if the target is this route.
fn verify_query(target: &str) -> Option<&str> {
    match target.strip_prefix(VERIFY_ROUTE)? {
        "" => Some(""),
        rest => plain_query(rest.strip_prefix('?')?),
    }
}

/// Returns the query, if all its characters can be read in one way only.
pub(super) fn plain_query(query: &str) -> Option<&str> {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"=&,._~%+:-".contains(&byte);
    (query.len() <= MAX_VALUE_LEN && query.bytes().all(is_plain)).then_some(query)
}

/// Returns `true` for a DNS name whose last label begins with a letter, with or without a port. Nearly every
/// request has such a host. The router checks all others with `CanonicalHost`.
pub(super) fn is_common_host(host: &str) -> bool {
    let (name, port) = match host.split_once(':') {
        Some((name, port)) => (name, Some(port.as_bytes())),
        None => (host, None),
    };
    // A dot at the end marks the root (RFC 1034 §3.1).
    let name = name.strip_suffix('.').unwrap_or(name);
    let (mut label_len, mut starts_with_letter) = (0, false);
    for byte in name.bytes() {
        match byte {
            b'.' if (1..=MAX_DNS_LABEL_LEN).contains(&label_len) => label_len = 0,
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' => {
                if label_len == 0 {
                    starts_with_letter = byte.is_ascii_alphabetic();
                }
                label_len += 1;
            }
            _ => return false,
        }
    }
    // A last label that begins with a digit may be an IPv4 address in an unusual form (`127.1`, `0x7f`).
    starts_with_letter
        && (1..=MAX_DNS_LABEL_LEN).contains(&label_len)
        && name.len() <= MAX_DNS_NAME_LEN
        && port.is_none_or(|port| is_port(port) || is_high_port(port))
}

/// Returns `true` for a plain `Host`: a name or IPv4 address, with or without a valid port.
fn is_plain_host(host: &[u8]) -> bool {
    let (name, port) = match host.iter().position(|byte| *byte == b':') {
        Some(at) => (host.get(..at), host.get(at + 1..)),
        None => (Some(host), None),
    };
    let name = name.unwrap_or_default();
    let is_name = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._".contains(byte);
    !name.is_empty()
        && name.len() <= MAX_VALUE_LEN
        && name.iter().all(is_name)
        && port.is_none_or(|port| is_port(port) || is_high_port(port))
}

/// Returns `true` for one to four digits. All of these are ports.
fn is_port(port: &[u8]) -> bool {
    (1..=4).contains(&port.len()) && port.iter().all(u8::is_ascii_digit)
}

/// Returns `true` for five digits below 60,000. All of these are ports, without parsing; the router parses
/// the others.
fn is_high_port(port: &[u8]) -> bool {
    port.len() == 5
        && port.first().is_some_and(|first| (b'0'..b'6').contains(first))
        && port.iter().all(u8::is_ascii_digit)
}

#[cfg(test)]
mod tests;
