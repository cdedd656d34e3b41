//! The session cookie: one session or none, whatever stands around it. Each line is a `Cookie` header.

use std::time::Duration;

use http::{HeaderMap, HeaderValue, header};
use maxlab_auth::http::cookies::{CookiePolicy, Presented};

/// The body of the target.
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
    let named = values_of(policy.name(), headers);
    match (policy.read(headers), named.as_slice()) {
        (Ok(None), []) | (Ok(Some(Presented::Broken)), [_]) => {}
        (Ok(Some(Presented::Session(id))), [value]) => {
            assert_eq!(id.expose().as_bytes(), value, "a second spelling of a session");
            let set = policy.set(&id).expect("a session is a header value");
            let pair = set
                .as_bytes()
                .split(|byte| *byte == b';')
                .next()
                .unwrap_or_default();
            let expected = [policy.name().as_bytes(), b"=", value.as_slice()].concat();
            assert_eq!(pair, expected);
        }
        (Err(_), [_, _, ..]) => {}
        (read, named) => panic!("{} cookies are read as {read:?}", named.len()),
    }
}

/// The values that bear the name, found byte by byte: a name begins where a header or a `;` does, after white space.
fn values_of(name: &str, headers: &HeaderMap) -> Vec<Vec<u8>> {
    let mut found = Vec::new();
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
                found.push(value.to_vec());
            }
            if end == rest.len() {
                break;
            }
            rest = &rest[end + 1..];
        }
    }
    found
}
