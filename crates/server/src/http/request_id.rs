//! The id that ties an answer, its log lines and its audit events together.

use axum::http::{HeaderMap, HeaderName, HeaderValue};
use uuid::Uuid;

/// The header that carries it, both ways.
pub const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The longest id that is taken over, in bytes.
const LONGEST: usize = 64;

/// The id of a request: 1 to 64 characters of `[A-Za-z0-9._-]`. A layer puts it into every request's extensions, its
/// span and its answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestId(pub String);

impl RequestId {
    /// A new one: a UUIDv7, so that ids sort by time.
    pub fn fresh() -> Self {
        Self(Uuid::now_v7().to_string())
    }

    /// The one that a proxy gave, when there is just one and it is safe to write into a log as it is.
    pub fn from_headers(headers: &HeaderMap) -> Option<Self> {
        let mut values = headers.get_all(REQUEST_ID).iter();
        let (Some(value), None) = (values.next(), values.next()) else {
            return None;
        };
        let text = value.to_str().ok()?;
        let safe = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
        let good = (1..=LONGEST).contains(&text.len()) && text.bytes().all(safe);
        good.then(|| Self(text.to_owned()))
    }

    /// As a header's value.
    pub fn header_value(&self) -> Option<HeaderValue> {
        HeaderValue::from_str(&self.0).ok()
    }
}

impl std::fmt::Display for RequestId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(values: &[&[u8]]) -> Option<String> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(REQUEST_ID, HeaderValue::from_bytes(value).unwrap());
        }
        RequestId::from_headers(&headers).map(|RequestId(id)| id)
    }

    #[test]
    fn only_a_plain_id_is_taken_over() {
        let longest = "x".repeat(64);
        for good in ["a", "0192-af_3.Z", &longest] {
            assert_eq!(read(&[good.as_bytes()]).as_deref(), Some(good));
        }
        let too_long = "x".repeat(65);
        for bad in [
            "",
            "a b",
            "a,b",
            "a\tb",
            "{\"a\":1}",
            "a=b",
            "a/b",
            "é",
            &too_long,
        ] {
            assert_eq!(read(&[bad.as_bytes()]), None, "{bad}");
        }
        assert_eq!(read(&[]), None);
        assert_eq!(read(&[b"a", b"b"]), None);
    }

    #[test]
    fn fresh_ids_differ_and_pass_our_own_rule() {
        let (one, other) = (RequestId::fresh(), RequestId::fresh());
        assert_ne!(one, other);
        assert_eq!(read(&[one.0.as_bytes()]), Some(one.0));
    }
}
