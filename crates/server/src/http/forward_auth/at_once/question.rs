//! What of a request the answer depends on, read as the router's handler reads it, or not at all.

use std::net::IpAddr;

use axum::http::{HeaderMap, HeaderValue, header};
use httparse::{EMPTY_HEADER, Header, Request};
use ipnet::IpNet;

use super::super::original::Told;
use super::ROUTE;
use crate::http::peer::{PeerAddr, client_address};
use crate::http::request_id::RequestId;
use crate::http::serve::shortcut::{MOST_FIELDS, frames};

/// Longer queries, hosts and the like are left to the router.
const LONGEST: usize = 512;

/// What a trusted proxy may tell of the original request: the names under which it tells one thing.
const TOLD: [&[&str]; 4] = [
    &["x-forwarded-method", "x-original-method"],
    &["x-forwarded-proto"],
    &["x-forwarded-host", "x-original-host"],
    &["x-forwarded-uri", "x-original-uri", "x-original-url"],
];

/// Where among them the method, the host and the target stand.
const METHOD: usize = 0;
const HOST: usize = 2;
const URI: usize = 3;

pub(super) fn no_fields<'b>() -> [Header<'b>; MOST_FIELDS] {
    [EMPTY_HEADER; MOST_FIELDS]
}

/// A plain question.
#[derive(Debug)]
pub(super) struct Question<'b> {
    /// The token, if it shows one. Nothing else in it says who asks.
    pub(super) token: Option<&'b str>,
    pub(super) query: &'b str,
    /// The id that a trusted proxy gave it.
    pub(super) request_id: Option<&'b [u8]>,
    /// What a trusted proxy told of the original request.
    pub(super) told: Told<'b>,
}

impl<'b> Question<'b> {
    /// Reads a `GET` whose head is whole. `None` if there is anything about it that wants a closer look.
    pub(super) fn read(request: &Request<'_, 'b>, cookie: &str, trusted: bool) -> Option<Self> {
        if request.version != Some(1) || request.method != Some("GET") {
            return None;
        }
        let query = query(request.path?)?;
        let (mut host, mut token, mut request_id) = (None, None, None);
        let mut told = [None; TOLD.len()];
        for field in request.headers.iter() {
            match field.name.len() {
                4 if is(field, "host") => once(&mut host, field.value)?,
                13 if is(field, "authorization") => once(&mut token, field.value)?,
                6 if is(field, "cookie") => without(field.value, cookie)?,
                10 if is(field, "connection") => {
                    field.value.eq_ignore_ascii_case(b"keep-alive").then_some(())?;
                }
                12 if trusted && is(field, "x-request-id") => once(&mut request_id, field.value)?,
                _ if frames(field.name) => return None,
                _ if trusted => tell(field, &mut told)?,
                _ => {}
            }
        }
        is_plain_host(host?).then_some(())?;
        Some(Self {
            token: match token {
                Some(field) => Some(bearer(field)?),
                None => None,
            },
            query,
            request_id,
            told: Told {
                method: told[METHOD],
                host: told[HOST],
                uri: told[URI],
            },
        })
    }
}

impl Question<'_> {
    /// The id that a proxy gave it, or a new one.
    pub(super) fn id(&self) -> RequestId {
        let given = self.request_id.and_then(RequestId::from_value);
        given.unwrap_or_else(RequestId::fresh)
    }
}

/// From where it comes, for the log.
pub(super) fn client(request: &Request<'_, '_>, peer: PeerAddr, trusted: &[IpNet]) -> IpAddr {
    let mut headers = HeaderMap::new();
    let named = request
        .headers
        .iter()
        .filter(|field| is(field, "x-forwarded-for"));
    for value in named.filter_map(|field| HeaderValue::from_bytes(field.value).ok()) {
        headers.append(header::HeaderName::from_static("x-forwarded-for"), value);
    }
    client_address(peer, &headers, trusted)
}

fn is(field: &Header<'_>, name: &str) -> bool {
    field.name.eq_ignore_ascii_case(name)
}

pub(super) fn once<'b>(place: &mut Option<&'b [u8]>, value: &'b [u8]) -> Option<()> {
    place.replace(value).is_none().then_some(())
}

/// The token of an `Authorization` field, if it holds one.
pub(super) fn bearer(field: &[u8]) -> Option<&str> {
    std::str::from_utf8(field.strip_prefix(b"Bearer ")?).ok()
}

/// The session's cookie is the router's business; other cookies are nobody's here.
pub(super) fn without(cookies: &[u8], name: &str) -> Option<()> {
    let ours = |part: &[u8]| part == name.as_bytes();
    (!cookies.windows(name.len()).any(ours)).then_some(())
}

/// A thing is told once, in readable text.
fn tell<'b>(field: &Header<'b>, told: &mut [Option<&'b str>; TOLD.len()]) -> Option<()> {
    let Some(at) = TOLD
        .iter()
        .position(|names| names.iter().any(|name| is(field, name)))
    else {
        return Some(());
    };
    let readable = !field.value.is_empty() && field.value.iter().all(|byte| matches!(byte, b' '..=b'~'));
    let plain = at != METHOD || field.value.iter().all(u8::is_ascii_uppercase);
    let value = std::str::from_utf8(field.value)
        .ok()
        .filter(|_| readable && plain)?;
    told.get_mut(at)?.replace(value).is_none().then_some(())
}

/// The query of a target that is this route.
fn query(target: &str) -> Option<&str> {
    match target.strip_prefix(ROUTE)? {
        "" => Some(""),
        rest => plain_query(rest.strip_prefix('?')?),
    }
}

/// A query in characters that have one reading.
pub(super) fn plain_query(query: &str) -> Option<&str> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"=&,._~%+:-".contains(&byte);
    (query.len() <= LONGEST && query.bytes().all(plain)).then_some(query)
}

/// A name with a port that is short enough to be one.
fn is_plain_host(host: &[u8]) -> bool {
    let (name, port) = match host.iter().position(|byte| *byte == b':') {
        Some(at) => (host.get(..at), host.get(at + 1..)),
        None => (Some(host), None),
    };
    let name = name.unwrap_or_default();
    let is_name = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._".contains(byte);
    let is_port = |port: &[u8]| (1..=4).contains(&port.len()) && port.iter().all(u8::is_ascii_digit);
    !name.is_empty()
        && name.len() <= LONGEST
        && name.iter().all(is_name)
        && port.is_none_or(|port| is_port(port) || is_high_port(port))
}

/// Five digits, and below 60,000: surely a port.
fn is_high_port(port: &[u8]) -> bool {
    port.len() == 5
        && port.first().is_some_and(|first| (b'0'..b'6').contains(first))
        && port.iter().all(u8::is_ascii_digit)
}

#[cfg(test)]
mod tests;
