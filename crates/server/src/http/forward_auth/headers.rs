//! The identity headers: always all of them, empty where there is no value, so that a client's own copies never survive.

use axum::http::{HeaderMap, HeaderName, HeaderValue};
use maxlab_auth_core::identity::Identity;

/// Their names.
pub const NAMES: [HeaderName; 6] = [
    HeaderName::from_static("remote-user"),
    HeaderName::from_static("remote-name"),
    HeaderName::from_static("remote-email"),
    HeaderName::from_static("remote-groups"),
    HeaderName::from_static("remote-roles"),
    HeaderName::from_static("x-auth-source"),
];

/// The headers that say who it is.
pub fn identity_headers(identity: &Identity) -> HeaderMap {
    let text = |value: &Option<String>| value.as_deref().map(scalar).unwrap_or_default();
    let all = [
        scalar(&identity.user_id),
        text(&identity.name),
        text(&identity.email),
        list(&identity.groups),
        list(&identity.roles),
        identity.verification_source.as_str().to_owned(),
    ];
    let mut headers = HeaderMap::new();
    for (name, value) in NAMES.into_iter().zip(all) {
        // What was encoded here is a header value; one that is not would be empty, never absent.
        let value = HeaderValue::from_bytes(value.as_bytes()).unwrap_or(HeaderValue::from_static(""));
        headers.insert(name, value);
    }
    headers
}

/// The same headers, of nobody: all of them, and empty.
pub(super) fn nobody() -> HeaderMap {
    NAMES
        .into_iter()
        .map(|name| (name, HeaderValue::from_static("")))
        .collect()
}

/// A list, joined with commas; inside an element commas are encoded, so that one role never reads as two.
fn list(elements: &[String]) -> String {
    elements
        .iter()
        .map(|element| encoded(element, true))
        .collect::<Vec<_>>()
        .join(",")
}

/// One value. Two values never have one encoding.
fn scalar(value: &str) -> String {
    encoded(value, false)
}

/// Percent-encodes `%`, control characters, spaces at either end (which HTTP takes away), and commas in a list.
fn encoded(text: &str, in_list: bool) -> String {
    let last = text.len();
    let mut out = String::with_capacity(text.len());
    for (at, c) in text.char_indices() {
        let at_the_edge = c.is_whitespace()
            && (text.get(..at).is_some_and(|head| head.trim().is_empty())
                || text
                    .get(at + c.len_utf8()..last)
                    .is_some_and(|tail| tail.trim().is_empty()));
        if c.is_control() || c == '%' || (in_list && c == ',') || at_the_edge {
            let mut bytes = [0; 4];
            for byte in c.encode_utf8(&mut bytes).bytes() {
                out.push_str(&format!("%{byte:02X}"));
            }
        } else {
            out.push(c);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_element_never_reads_as_two_and_no_value_as_another() {
        assert_eq!(list(&["a,b".into(), "c".into()]), "a%2Cb,c");
        assert_eq!(list(&["a%2Cb".into()]), "a%252Cb");
        assert_eq!(scalar("bob "), "bob%20");
        assert_eq!(scalar(" bob"), "%20bob");
        assert_eq!(scalar("b o b"), "b o b");
        assert_eq!(scalar("a,b"), "a,b");
        assert_eq!(scalar("김"), "김");
    }

    #[test]
    fn a_control_character_never_leaves() {
        assert_eq!(scalar("x\r\nRemote-User: admin"), "x%0D%0ARemote-User: admin");
        assert_eq!(scalar("\u{0}\u{7f}\u{85}"), "%00%7F%C2%85");
        assert!(HeaderValue::from_bytes(scalar("\u{0}\r\n\t 김\u{9f}").as_bytes()).is_ok());
    }
}
