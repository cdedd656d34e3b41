//! A question in few words, for whoever can answer it at once.

use std::borrow::Cow;
use std::net::IpAddr;

use crate::proto::{CheckRequest, HttpRequest};
use crate::question::{self, CONNECTION, TOLD};

/// More fields, and longer names of them, are looked at closely.
const MOST_PLAIN_FIELDS: usize = 64;
const LONGEST_PLAIN_NAME: usize = 256;

/// A question that nothing about it wants a closer look at, as it came: `/auth/verify` is asked it in few words, and no
/// request is made of it.
#[derive(Debug)]
pub struct Plain<'q> {
    /// The requirements, as a query.
    pub query: Cow<'q, str>,
    /// The method of the client's request; empty if Envoy does not tell it, as are the next two.
    pub method: &'q str,
    /// Its host.
    pub host: &'q str,
    /// Its path and query.
    pub target: &'q str,
    /// From where it came.
    pub client: Option<IpAddr>,
    /// Its header fields, but for those that are told above or belong to its connection. Names are in lower case.
    pub fields: Vec<(&'q str, &'q [u8])>,
}

impl<'q> Plain<'q> {
    /// A question in few words. `None` if [`question::read`] should look at it.
    pub(crate) fn of(question: &'q CheckRequest) -> Option<Self> {
        let attributes = question.attributes.as_ref()?;
        let http = attributes.request.as_ref()?.http.as_ref()?;
        let told = [&http.method, &http.host, &http.path, &http.scheme];
        let readable = |text: &&String| text.bytes().all(|byte| matches!(byte, b' '..=b'~'));
        if !told.iter().all(readable) {
            return None;
        }
        let fields = plain_fields(http)?;
        let query = match attributes.context_extensions.is_empty() {
            true => Cow::Borrowed(""),
            false => Cow::Owned(question::requirements(attributes)),
        };
        Some(Self {
            query,
            method: &http.method,
            host: &http.host,
            target: &http.path,
            client: question::client(attributes),
            fields,
        })
    }
}

/// The client's header fields, from whichever of the two forms Envoy sent.
fn plain_fields(http: &HttpRequest) -> Option<Vec<(&str, &[u8])>> {
    let joined = http.headers.iter();
    let joined = joined.map(|(name, value)| (name.as_str(), value.as_bytes()));
    let single = http.header_map.as_ref().map_or(&[][..], |map| &map.headers);
    let single = single.iter().map(|field| match field.raw_value.as_ref() {
        [] => (field.key.as_str(), field.value.as_bytes()),
        raw => (field.key.as_str(), raw),
    });
    let mut fields = Vec::with_capacity(http.headers.len() + single.len());
    for (name, value) in joined.chain(single) {
        if name.starts_with(':') {
            continue;
        }
        if !is_plain_name(name) || !is_plain_value(value) || fields.len() == MOST_PLAIN_FIELDS {
            return None;
        }
        if !TOLD.contains(&name) && !CONNECTION.contains(&name) {
            fields.push((name, value));
        }
    }
    Some(fields)
}

/// A field's name as HTTP/2 and Envoy write them.
fn is_plain_name(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'_');
    !name.is_empty() && name.len() <= LONGEST_PLAIN_NAME && name.bytes().all(plain)
}

/// No control character, by which a value would be none, or say something else.
fn is_plain_value(value: &[u8]) -> bool {
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

    fn question(http: HttpRequest, context_extensions: HashMap<String, String>) -> CheckRequest {
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
            told in (text(), text(), text(), text()),
            extensions in prop::collection::hash_map("[a-z]{1,3}", "[ -~]{0,8}", 0..3),
        ) {
            let single = single.into_iter().map(|(key, value, raw)| match String::from_utf8(value.clone()) {
                Ok(value) if !raw => HeaderValue { key, value, ..HeaderValue::default() },
                _ => HeaderValue { key, raw_value: value.into(), ..HeaderValue::default() },
            });
            let (method, host, path, scheme) = told;
            let asked = question(HttpRequest {
                method, host, path, scheme,
                headers: joined,
                header_map: Some(proto::HeaderMap { headers: single.collect() }),
                ..HttpRequest::default()
            }, extensions);
            let Some(plain) = Plain::of(&asked) else { return Ok(()) };
            let request = question::read(asked.clone()).expect("it is read at length as well");
            prop_assert_eq!(request.uri().query().unwrap_or_default(), plain.query.as_ref());
            let mut headers = request.headers().clone();
            for (name, told) in [("x-forwarded-method", plain.method), ("x-forwarded-host", plain.host),
                ("x-forwarded-uri", plain.target)] {
                let said = headers.remove(name).map(|value| value.as_bytes().to_vec()).unwrap_or_default();
                prop_assert_eq!(said, told.as_bytes());
            }
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
        let is_plain = |http| Plain::of(&question(http, HashMap::new())).is_some();
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
            .extend((0..MOST_PLAIN_FIELDS).map(|number| (format!("x-{number}"), String::new())));
        assert!(!is_plain(many));
        assert!(Plain::of(&CheckRequest { attributes: None }).is_none());
    }
}
