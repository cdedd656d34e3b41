//! The identity headers: always all of them, empty where there is no value, so that a client's own copies never survive.

use axum::http::{HeaderMap, HeaderName, HeaderValue};
use maxlab_auth_core::guard::Rights;
use maxlab_auth_core::identity::VerificationSource;
use maxlab_auth_core::revocation::{Live, Who};

/// Those that name one alone.
const OWN: [&str; 3] = ["remote-user", "remote-name", "remote-email"];
/// Those that are the same for many.
const SHARED: [&str; 3] = ["remote-groups", "remote-roles", "x-auth-source"];

/// The names of all of them.
pub const NAMES: [HeaderName; 6] = [
    HeaderName::from_static(OWN[0]),
    HeaderName::from_static(OWN[1]),
    HeaderName::from_static(OWN[2]),
    HeaderName::from_static(SHARED[0]),
    HeaderName::from_static(SHARED[1]),
    HeaderName::from_static(SHARED[2]),
];

/// The headers that say who it is.
pub fn identity_headers(live: &Live) -> HeaderMap {
    let own = values(live.who()).map(|value| scalar(value.unwrap_or_default()));
    let all = own.into_iter().chain(shared(live.source(), live.rights()));
    let mut headers = HeaderMap::new();
    for (name, value) in NAMES.into_iter().zip(all) {
        // What was encoded here is a header value; one that is not would be empty, never absent.
        let value = HeaderValue::from_bytes(&value).unwrap_or(HeaderValue::from_static(""));
        headers.insert(name, value);
    }
    headers
}

/// The same as text, or of nobody.
pub(super) fn texts(live: Option<&Live>) -> Vec<(HeaderName, String)> {
    let Some(live) = live else {
        return NAMES.into_iter().map(|name| (name, String::new())).collect();
    };
    let own = values(live.who()).map(|value| scalar(value.unwrap_or_default()));
    let all = own.into_iter().chain(shared(live.source(), live.rights()));
    let texts = all.map(|value| String::from_utf8(value).unwrap_or_default());
    NAMES.into_iter().zip(texts).collect()
}

/// Writes those of them that are about this one alone, as they are sent.
pub(super) fn write_own(who: Who<'_>, out: &mut Vec<u8>) {
    for (name, value) in OWN.into_iter().zip(values(who)) {
        begin(name, out);
        encode(value.unwrap_or_default(), false, out);
        out.extend_from_slice(b"\r\n");
    }
}

/// The others, as they are sent.
pub(super) fn others(source: VerificationSource, rights: Rights<'_>) -> Box<[u8]> {
    let mut out = Vec::new();
    for (name, value) in SHARED.into_iter().zip(shared(source, rights)) {
        begin(name, &mut out);
        out.extend_from_slice(&value);
        out.extend_from_slice(b"\r\n");
    }
    out.into()
}

fn begin(name: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b": ");
}

fn values(who: Who<'_>) -> [Option<&str>; OWN.len()] {
    [Some(who.user_id), who.name, who.email]
}

fn shared(source: VerificationSource, rights: Rights<'_>) -> [Vec<u8>; SHARED.len()] {
    let source = source.as_str().into();
    [list(rights.groups), list(rights.roles), source]
}

/// The same headers, of nobody: all of them, and empty.
pub(super) fn nobody() -> HeaderMap {
    NAMES
        .into_iter()
        .map(|name| (name, HeaderValue::from_static("")))
        .collect()
}

/// A list, joined with commas; inside an element commas are encoded, so that one role never reads as two.
fn list(elements: &[String]) -> Vec<u8> {
    let mut out = Vec::new();
    for (place, element) in elements.iter().enumerate() {
        if place > 0 {
            out.push(b',');
        }
        encode(element, true, &mut out);
    }
    out
}

/// One value. Two values never have one encoding.
fn scalar(value: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(value.len());
    encode(value, false, &mut out);
    out
}

/// Percent-encodes `%`, control characters, spaces at either end (which HTTP takes away), and commas in a list.
fn encode(text: &str, in_list: bool, out: &mut Vec<u8>) {
    let plain = |byte: u8| matches!(byte, b' '..=b'~') && byte != b'%' && !(in_list && byte == b',');
    if text.bytes().all(plain) && !text.starts_with(' ') && !text.ends_with(' ') {
        return out.extend_from_slice(text.as_bytes());
    }
    for (at, c) in text.char_indices() {
        let (head, tail) = (text.get(..at), text.get(at + c.len_utf8()..));
        let blank = |part: Option<&str>| part.is_some_and(|part| part.trim().is_empty());
        let at_the_edge = c.is_whitespace() && (blank(head) || blank(tail));
        let mut bytes = [0; 4];
        let bytes = c.encode_utf8(&mut bytes).as_bytes();
        if c.is_control() || c == '%' || (in_list && c == ',') || at_the_edge {
            for byte in bytes {
                out.extend_from_slice(format!("%{byte:02X}").as_bytes());
            }
        } else {
            out.extend_from_slice(bytes);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(bytes: Vec<u8>) -> String {
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn one_element_never_reads_as_two_and_no_value_as_another() {
        let list = |elements: &[&str]| {
            text(list(
                &elements.iter().map(|each| (*each).into()).collect::<Vec<_>>(),
            ))
        };
        assert_eq!(list(&["a,b", "c"]), "a%2Cb,c");
        assert_eq!(list(&["a%2Cb"]), "a%252Cb");
        assert_eq!(list(&["", "a"]), ",a");
        let scalar = |value| text(scalar(value));
        assert_eq!(scalar("bob "), "bob%20");
        assert_eq!(scalar(" bob"), "%20bob");
        assert_eq!(scalar("b o b"), "b o b");
        assert_eq!(scalar("a,b"), "a,b");
        assert_eq!(scalar("100%"), "100%25");
        assert_eq!(scalar("김"), "김");
    }

    #[test]
    fn a_control_character_never_leaves() {
        let scalar = |value| text(scalar(value));
        assert_eq!(scalar("x\r\nRemote-User: admin"), "x%0D%0ARemote-User: admin");
        assert_eq!(scalar("\u{0}\u{7f}\u{85}"), "%00%7F%C2%85");
        assert!(HeaderValue::from_bytes(scalar("\u{0}\r\n\t 김\u{9f}").as_bytes()).is_ok());
    }
}
