//! Compact form of a check, for a decider that can answer it without waiting.

use std::borrow::Cow;
use std::net::IpAddr;

use maxlab_auth_core::access::FORWARDED_HEADERS;

use crate::check_request::{self, CONNECTION_HEADERS};
use crate::proto::{CheckRequest, HttpRequest};

/// Most header fields of a simple check. Requests with more take the slow path.
const MAX_SIMPLE_FIELDS: usize = 64;
/// Longest header name of a simple check, in bytes.
const MAX_SIMPLE_NAME_BYTES: usize = 256;

/// A simple check, borrowed from the received message. It stands for a request to `/auth/verify` without
/// building one.
#[derive(Debug)]
pub struct FastPathRequest<'q> {
    /// The requirements, as a query.
    pub query: Cow<'q, str>,
    /// Method of the client's request; empty if Envoy did not send it.
    pub method: &'q str,
    /// Host of the client's request; empty if Envoy did not send it.
    pub host: &'q str,
    /// Path and query of the client's request; empty if Envoy did not send it.
    pub target: &'q str,
    /// Address of the client.
    pub client: Option<IpAddr>,
    /// Header fields of the client's request, without those that the fields above replace and those of its
    /// connection. Names are in lower case.
    pub fields: Vec<(&'q str, &'q [u8])>,
}

impl<'q> FastPathRequest<'q> {
    /// Reads a simple check. Returns `None` if [`check_request::to_verify_request`] has to read it.
    pub(crate) fn from_check(check: &'q CheckRequest) -> Option<Self> {
        let attributes = check.attributes.as_ref()?;
        let http = attributes.request.as_ref()?.http.as_ref()?;
        // Printable ASCII only: then the slow path would accept each of them as a header value, unchanged.
        let texts = [&http.method, &http.host, &http.path, &http.scheme];
        let printable = |text: &&String| text.bytes().all(|byte| matches!(byte, b' '..=b'~'));
        if !texts.iter().all(printable) {
            return None;
        }
        let fields = simple_fields(http)?;
        let query = match attributes.context_extensions.is_empty() {
            true => Cow::Borrowed(""),
            false => Cow::Owned(check_request::requirements_query(attributes)),
        };
        Some(Self {
            query,
            method: &http.method,
            host: &http.host,
            target: &http.path,
            client: check_request::client_address(attributes),
            fields,
        })
    }
}

/// Returns the client's header fields from both forms in which Envoy may send them; `None` if a field is not
/// simple.
fn simple_fields(http: &HttpRequest) -> Option<Vec<(&str, &[u8])>> {
    let joined = http.headers.iter();
    let joined = joined.map(|(name, value)| (name.as_str(), value.as_bytes()));
    let single = http.header_map.as_ref().map_or(&[][..], |map| &map.headers);
    let single = single.iter().map(|field| match field.raw_value.as_ref() {
        [] => (field.key.as_str(), field.value.as_bytes()),
        raw => (field.key.as_str(), raw),
    });
    let mut fields = Vec::with_capacity(http.headers.len() + single.len());
    for (name, value) in joined.chain(single) {
        // HTTP/2's pseudo-header fields. Envoy sends them among the others.
        if name.starts_with(':') {
            continue;
        }
        if !is_simple_name(name) || !is_simple_value(value) || fields.len() == MAX_SIMPLE_FIELDS {
            return None;
        }
        if !FORWARDED_HEADERS.contains(&name) && !CONNECTION_HEADERS.contains(&name) {
            fields.push((name, value));
        }
    }
    Some(fields)
}

/// Returns `true` for a name as HTTP/2 and Envoy write it: lower case, digits, `-` and `_`.
fn is_simple_name(name: &str) -> bool {
    // Upper case is not simple: names are compared as bytes later, and the slow path lowers them.
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'_');
    !name.is_empty() && name.len() <= MAX_SIMPLE_NAME_BYTES && name.bytes().all(plain)
}

/// Returns `true` if the value has no control character, which could make it invalid or change its meaning.
fn is_simple_value(value: &[u8]) -> bool {
    // `&` and `fold` instead of `&&` and `all`: without branches the compiler checks many bytes in one
    // instruction.
    let plain = |byte: u8| (byte >= b' ') & (byte != 0x7f);
    value.iter().fold(true, |all, byte| all & plain(*byte))
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use http::HeaderMap;
    use proptest::prelude::*;

    use super::*;
    use crate::proto::{self, AttributeContext, HeaderValue};

    fn check_of(http: HttpRequest, context_extensions: HashMap<String, String>) -> CheckRequest {
        CheckRequest {
            attributes: Some(AttributeContext {
                source: None,
                request: Some(proto::Request { http: Some(http) }),
                context_extensions,
            }),
        }
    }

    /// Names and values as they come, and some that should not.
    fn name() -> impl Strategy<Value = String> {
        prop_oneof![
            8 => prop::sample::select(vec!["authorization", "cookie", "x-request-id", "accept", "te", "host", "connection",
                "x-forwarded-uri", "x-original-method", ":path", "remote_user", "x-a", "x-b"]).prop_map(str::to_owned),
            1 => prop::sample::select(vec!["", "X-Upper", "a b", "x.y", "x\r\ny", "\u{e9}", ":"]).prop_map(str::to_owned),
        ]
    }

    fn value() -> impl Strategy<Value = Vec<u8>> {
        prop_oneof![
            8 => "[ -~]{0,12}".prop_map(String::into_bytes),
            1 => prop::collection::vec(any::<u8>(), 0..4),
        ]
    }

    fn text() -> impl Strategy<Value = String> {
        prop_oneof![8 => "[ -~]{0,12}", 1 => "\\PC{0,3}", 1 => Just("a\nb".to_owned())]
    }

    proptest! {
        #[test]
        fn what_is_read_in_few_words_is_read_the_same_at_length(
            joined in prop::collection::hash_map(name(), "[ -~]{0,12}", 0..4),
            single in prop::collection::vec((name(), value(), any::<bool>()), 0..6),
            texts in (text(), text(), text(), text()),
            extensions in prop::collection::hash_map("[a-z]{1,3}", "[ -~]{0,8}", 0..3),
        ) {
            let single = single.into_iter().map(|(key, value, raw)| match String::from_utf8(value.clone()) {
                Ok(value) if !raw => HeaderValue { key, value, ..HeaderValue::default() },
                _ => HeaderValue { key, raw_value: value.into(), ..HeaderValue::default() },
            });
            let (method, host, path, scheme) = texts;
            let check = check_of(HttpRequest {
                method, host, path, scheme,
                headers: joined,
                header_map: Some(proto::HeaderMap { headers: single.collect() }),
                ..HttpRequest::default()
            }, extensions);
            let Some(plain) = FastPathRequest::from_check(&check) else { return Ok(()) };
            let request = check_request::to_verify_request(check.clone()).expect("the slow path reads it as well");
            prop_assert_eq!(request.uri().query().unwrap_or_default(), plain.query.as_ref());
            let mut headers = request.headers().clone();
            for (name, expected) in [("x-forwarded-method", plain.method), ("x-forwarded-host", plain.host),
                ("x-forwarded-uri", plain.target)] {
                let sent = headers.remove(name).map(|value| value.as_bytes().to_vec()).unwrap_or_default();
                prop_assert_eq!(sent, expected.as_bytes());
            }
            // The fast path has no text for these three: the scheme is not used, the address is a field of
            // its own.
            for name in ["x-forwarded-proto", "x-forwarded-for", "host"] {
                headers.remove(name);
            }
            let mut fields = HeaderMap::new();
            for (name, value) in plain.fields {
                let name: http::HeaderName = name.parse().expect("a plain name is a name");
                fields.append(name, http::HeaderValue::from_bytes(value).expect("a plain value is a value"));
            }
            let sorted = |headers: &HeaderMap| {
                let mut all: Vec<_> = headers.iter().map(|(name, value)| (name.to_string(), value.as_bytes().to_vec())).collect();
                all.sort();
                all
            };
            prop_assert_eq!(sorted(&headers), sorted(&fields));
        }
    }

    #[test]
    fn a_usual_question_is_plain_and_an_odd_one_is_not() {
        let usual = HttpRequest {
            method: "GET".to_owned(),
            path: "/a?b=c".to_owned(),
            host: "app.example".to_owned(),
            scheme: "https".to_owned(),
            headers: [("authorization".to_owned(), "Bearer t".to_owned())].into(),
            ..HttpRequest::default()
        };
        let is_plain = |http| FastPathRequest::from_check(&check_of(http, HashMap::new())).is_some();
        assert!(is_plain(usual.clone()));
        let with = |name: &str, value: &str| {
            let mut http = usual.clone();
            http.headers.insert(name.to_owned(), value.to_owned());
            http
        };
        assert!(is_plain(with("cookie", "a=1; b=2")));
        for (name, value) in [
            ("X-A", "1"),
            ("x.a", "1"),
            ("", "1"),
            ("x-a", "\n"),
            ("x-a", "\t"),
            ("x-a", "\u{7f}"),
        ] {
            assert!(!is_plain(with(name, value)), "{name:?} {value:?}");
        }
        assert!(!is_plain(HttpRequest {
            path: "/\u{e9}".to_owned(),
            ..usual.clone()
        }));
        let mut many = usual.clone();
        many.headers
            .extend((0..MAX_SIMPLE_FIELDS).map(|number| (format!("x-{number}"), String::new())));
        assert!(!is_plain(many));
        assert!(FastPathRequest::from_check(&CheckRequest { attributes: None }).is_none());
    }
}
