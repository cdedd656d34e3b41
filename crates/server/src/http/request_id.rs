//! Request id, which connects an answer, its log lines and its audit events.

use std::cell::Cell;
use std::hash::{BuildHasher as _, RandomState};

use axum::http::{HeaderMap, HeaderName, HeaderValue};
use maxlab_auth_core::clock::{Clock as _, SystemClock};
use uuid::Builder;

/// Header with the id, in requests and in answers.
pub const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Longest id that is accepted from a proxy, in bytes.
const MAX_REQUEST_ID_LEN: usize = 64;

/// Id of a request: 1 to 64 characters of `[A-Za-z0-9._-]`. `layers::observe` puts it into the extensions,
/// the span and the answer of every request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestId(pub String);

impl RequestId {
    /// Generates an id: a UUIDv7 (RFC 9562 §5.7), so that ids sort by time.
    pub fn generate() -> Self {
        // One source for each thread: no lock, and no cache line that threads share.
        thread_local! {
            static SOURCE: RequestIdSource = RequestIdSource::default();
        }
        Self(SOURCE.with(RequestIdSource::next_id))
    }

    /// Returns the id in the headers, if there is exactly one and it can be logged as it is.
    pub fn from_headers(headers: &HeaderMap) -> Option<Self> {
        let mut values = headers.get_all(X_REQUEST_ID).iter();
        // With two values the proxy may have logged either, so neither connects its log with this one.
        let (Some(value), None) = (values.next(), values.next()) else {
            return None;
        };
        Self::parse(value.as_bytes())
    }

    /// Parses the value of one header field.
    pub fn parse(value: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(value).ok()?;
        // No quotes, spaces, line breaks or braces: the id is written into logs without escaping.
        let safe = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
        let valid = (1..=MAX_REQUEST_ID_LEN).contains(&text.len()) && text.bytes().all(safe);
        valid.then(|| Self(text.to_owned()))
    }

    /// Returns the id as a header value.
    pub fn to_header_value(&self) -> Option<HeaderValue> {
        HeaderValue::from_str(&self.0).ok()
    }
}

/// Source of the random part of the ids of one thread: a keyed hash of a counter, with random keys.
///
/// Ids must be unique and may be guessable, so no system call is made for each of them.
#[derive(Default)]
struct RequestIdSource {
    keys: [RandomState; 2],
    counter: Cell<u64>,
}

impl RequestIdSource {
    fn next_id(&self) -> String {
        let number = self.counter.get();
        self.counter.set(number.wrapping_add(1));
        let mut random = [0; 10];
        // Two hashes of 8 bytes, because a UUIDv7 takes 10 random bytes.
        let parts = self.keys.iter().map(|keys| keys.hash_one(number).to_be_bytes());
        for (slot, byte) in random.iter_mut().zip(parts.flatten()) {
            *slot = byte;
        }
        let millis = SystemClock.now().as_millisecond();
        // Before 1970 the conversion fails. An id that sorts wrongly is better than none.
        Builder::from_unix_timestamp_millis(u64::try_from(millis).unwrap_or(0), &random)
            .into_uuid()
            .to_string()
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
            headers.append(X_REQUEST_ID, HeaderValue::from_bytes(value).unwrap());
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
        let (one, other) = (RequestId::generate(), RequestId::generate());
        assert_ne!(one, other);
        assert_eq!(read(&[one.0.as_bytes()]), Some(one.0));
    }

    #[test]
    fn fresh_ids_are_uuids_of_the_time_and_never_meet_on_any_thread() {
        let many = || (0..2_000).map(|_| RequestId::generate().0).collect::<Vec<_>>();
        let threads: Vec<_> = (0..4).map(|_| std::thread::spawn(many)).collect();
        let ids: Vec<_> = threads
            .into_iter()
            .flat_map(|each| each.join().unwrap())
            .collect();
        let different: std::collections::HashSet<_> = ids.iter().collect();
        assert_eq!(different.len(), 8_000);
        let now = SystemClock.now().as_second();
        for id in &ids {
            let id = uuid::Uuid::parse_str(id).unwrap();
            let (second, _) = id.get_timestamp().unwrap().to_unix();
            assert_eq!(id.get_version_num(), 7);
            assert!((now - 60..=now).contains(&i64::try_from(second).unwrap()));
        }
    }
}
