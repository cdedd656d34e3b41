//! Session cookies: one session or none, whatever other cookies there are. Each line of the input is
//! a `Cookie` field.

use std::time::Duration;

use http::{HeaderMap, HeaderValue, header};
use maxlab_auth::http::cookies::{CookiePolicy, SessionCookie};

/// Body of the target.
pub fn run(data: &[u8]) {
    let mut headers = HeaderMap::new();
    for line in data.split(|byte| *byte == b'\n').take(8) {
        if let Ok(value) = HeaderValue::from_bytes(line) {
            headers.append(header::COOKIE, value);
        }
    }
    for secure in [true, false] {
        let policy = CookiePolicy {
            secure,
            max_age: Duration::from_secs(60),
        };
        read(policy, &headers);
    }
}

fn read(policy: CookiePolicy, headers: &HeaderMap) {
    let values = values_of(policy.cookie_name(), headers);
    match (policy.read_session_cookie(headers), values.as_slice()) {
        (Ok(None), []) | (Ok(Some(SessionCookie::Malformed)), [_]) => {}
        (Ok(Some(SessionCookie::Session(id))), [value]) => {
            assert_eq!(id.expose().as_bytes(), value, "a second spelling of a session");
            let header = policy
                .set_cookie_header(&id)
                .expect("a session is a header value");
            let pair = header
                .as_bytes()
                .split(|byte| *byte == b';')
                .next()
                .unwrap_or_default();
            let expected = [policy.cookie_name().as_bytes(), b"=", value.as_slice()].concat();
            assert_eq!(pair, expected);
        }
        // Two cookies of the name are an error, even if they are equal.
        (Err(_), [_, _, ..]) => {}
        (read, values) => panic!("{} cookies are read as {read:?}", values.len()),
    }
}

/// Returns the values of cookies with this name, found byte by byte: a name is at the start of a field or
/// after a `;`, with optional white space.
fn values_of(name: &str, headers: &HeaderMap) -> Vec<Vec<u8>> {
    let mut values = Vec::new();
    for header in headers.get_all(header::COOKIE) {
        let mut rest = header.as_bytes();
        loop {
            let end = rest.iter().position(|byte| *byte == b';').unwrap_or(rest.len());
            let mut pair = &rest[..end];
            while let [b' ' | b'\t', tail @ ..] | [tail @ .., b' ' | b'\t'] = pair {
                pair = tail;
            }
            if let Some(value) = pair
                .strip_prefix(name.as_bytes())
                .and_then(|rest| rest.strip_prefix(b"="))
            {
                values.push(value.to_vec());
            }
            if end == rest.len() {
                break;
            }
            rest = &rest[end + 1..];
        }
    }
    values
}
