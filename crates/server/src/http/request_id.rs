//! The id that ties an answer, its log lines and its audit events together.

use std::cell::Cell;
use std::hash::{BuildHasher as _, RandomState};

use axum::http::{HeaderMap, HeaderName, HeaderValue};
use maxlab_auth_core::clock::{Clock as _, SystemClock};
use uuid::Builder;

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
        thread_local! {
            static SOURCE: Source = Source::default();
        }
        Self(SOURCE.with(Source::next))
    }

    /// The one that a proxy gave, when there is just one and it is safe to write into a log as it is.
    pub fn from_headers(headers: &HeaderMap) -> Option<Self> {
        let mut values = headers.get_all(REQUEST_ID).iter();
        let (Some(value), None) = (values.next(), values.next()) else {
            return None;
        };
        Self::from_value(value.as_bytes())
    }

    /// The same of the one value.
    pub fn from_value(value: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(value).ok()?;
        let safe = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
        let good = (1..=LONGEST).contains(&text.len()) && text.bytes().all(safe);
        good.then(|| Self(text.to_owned()))
    }

    /// As a header's value.
    pub fn header_value(&self) -> Option<HeaderValue> {
        HeaderValue::from_str(&self.0).ok()
    }
}

/// Where the random part of the ids of one thread comes from. They must not meet, and need not be hard to guess, so they cost no
/// call of the system: a keyed hash of a number, with keys that the system gave the process.
#[derive(Default)]
struct Source {
    keys: [RandomState; 2],
    used: Cell<u64>,
}

impl Source {
    fn next(&self) -> String {
        let number = self.used.get();
        self.used.set(number.wrapping_add(1));
        let mut random = [0; 10];
        let parts = self.keys.iter().map(|keys| keys.hash_one(number).to_be_bytes());
        for (place, byte) in random.iter_mut().zip(parts.flatten()) {
            *place = byte;
        }
        let millis = SystemClock.now().as_millisecond();
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

    #[test]
    fn fresh_ids_are_uuids_of_the_time_and_never_meet_on_any_thread() {
        let many = || (0..2_000).map(|_| RequestId::fresh().0).collect::<Vec<_>>();
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
