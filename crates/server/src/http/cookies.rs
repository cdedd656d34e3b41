//! The session cookie: its name, its marks, how it is read, and how it is cleared.

use std::time::Duration;

use axum::http::{HeaderMap, HeaderValue, header};
use maxlab_auth_core::credential::SessionId;

use super::error::Failure;

/// Cookies that the guide's clients may hold and that a logout clears as well.
const OF_THE_GUIDE: [&str; 3] = ["access_token", "refresh_token", "session_id"];

/// How the session cookie is named and marked.
#[derive(Clone, Copy, Debug)]
pub struct CookiePolicy {
    /// Only over https, under the name `__Host-maxlab_session` (RFC 6265bis §4.1.3.2); otherwise `maxlab_session`,
    /// for development over http.
    pub secure: bool,
    /// How long a browser keeps it: the longest life of a session (`SESSION_MAX_SECONDS`). So the browser never ends a session
    /// that use prolongs, and no door but those that give out an id has to set the cookie again.
    pub max_age: Duration,
}

impl CookiePolicy {
    /// The cookie's name.
    pub fn name(&self) -> &'static str {
        if self.secure {
            "__Host-maxlab_session"
        } else {
            "maxlab_session"
        }
    }

    /// The session that a request presents.
    ///
    /// # Errors
    /// There is more than one cookie of that name. What other cookies hold is none of our business: a browser sends the bytes
    /// that an application's script gave it, which need not be ASCII.
    pub fn read(&self, headers: &HeaderMap) -> Result<Option<Presented>, Failure> {
        let mut found = None;
        for value in headers.get_all(header::COOKIE) {
            for pair in value.as_bytes().split(|byte| *byte == b';') {
                let mut parts = pair.trim_ascii().splitn(2, |byte| *byte == b'=');
                let (Some(name), Some(value)) = (parts.next(), parts.next()) else {
                    continue;
                };
                if name != self.name().as_bytes() {
                    continue;
                }
                if found.is_some() {
                    return Err(Failure::InvalidRequest(format!(
                        "There is more than one {} cookie",
                        self.name()
                    )));
                }
                let id = std::str::from_utf8(value).ok().and_then(SessionId::parse);
                found = Some(id.map_or(Presented::Broken, Presented::Session));
            }
        }
        Ok(found)
    }

    /// The header field that sets the cookie.
    pub fn set(&self, id: &SessionId) -> Option<HeaderValue> {
        let secure = if self.secure { "; Secure" } else { "" };
        let text = format!(
            "{}={}; Path=/; Max-Age={}; HttpOnly; SameSite=Lax{secure}",
            self.name(),
            id.expose().as_str(),
            self.max_age.as_secs()
        );
        let mut value = HeaderValue::from_str(&text).ok()?;
        value.set_sensitive(true);
        Some(value)
    }

    /// The header fields that clear it, and the guide's cookies. A `__Host-` cookie is only cleared by one that is
    /// marked like it.
    pub fn clear(&self) -> Vec<HeaderValue> {
        let secure = if self.secure { "; Secure" } else { "" };
        std::iter::once(self.name())
            .chain(OF_THE_GUIDE)
            .filter_map(|name| {
                HeaderValue::from_str(&format!(
                    "{name}=; Path=/; Max-Age=0; HttpOnly; SameSite=Lax{secure}"
                ))
                .ok()
            })
            .collect()
    }
}

/// What a session cookie holds.
#[derive(Clone, Debug)]
pub enum Presented {
    /// Something that has the form of a session id.
    Session(SessionId),
    /// Something else: no session.
    Broken,
}

#[cfg(test)]
mod tests {
    use super::*;

    const POLICY: CookiePolicy = CookiePolicy {
        secure: true,
        max_age: Duration::from_secs(60),
    };

    fn cookies(values: &[&str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(header::COOKIE, HeaderValue::from_str(value).unwrap());
        }
        headers
    }

    #[test]
    fn a_cookie_that_is_set_is_read_again() {
        let id = SessionId::generate().unwrap();
        let set = POLICY.set(&id).unwrap().to_str().unwrap().to_owned();
        assert!(set.starts_with("__Host-maxlab_session="));
        for mark in ["; Path=/", "; HttpOnly", "; Secure", "; SameSite=Lax"] {
            assert!(set.contains(mark), "{mark} is missing");
        }
        let pair = set.split(';').next().unwrap();
        let read = POLICY.read(&cookies(&["a=b", &format!("x=y; {pair}")])).unwrap();
        assert!(matches!(read, Some(Presented::Session(found)) if found == id));
    }

    #[test]
    fn two_cookies_of_the_name_are_refused_and_junk_is_no_session() {
        assert!(
            POLICY
                .read(&cookies(&["__Host-maxlab_session=a; __Host-maxlab_session=b"]))
                .is_err()
        );
        assert!(
            POLICY
                .read(&cookies(&["__Host-maxlab_session=a", "__Host-maxlab_session=b"]))
                .is_err()
        );
        for junk in [
            "__Host-maxlab_session=",
            "__Host-maxlab_session=%00",
            "__Host-maxlab_session=a=b",
        ] {
            assert!(
                matches!(POLICY.read(&cookies(&[junk])), Ok(Some(Presented::Broken))),
                "{junk}"
            );
        }
        assert!(
            POLICY
                .read(&cookies(&["__Host-maxlab_session; maxlab_session=x"]))
                .unwrap()
                .is_none()
        );
    }

    #[test]
    fn another_cookie_in_another_alphabet_does_no_harm() {
        let id = SessionId::generate().unwrap();
        let pair = format!("__Host-maxlab_session={}", id.expose().as_str());
        for header in [
            format!("name=김민준; {pair}"),
            format!("{pair}; \u{fffd}; name=김"),
        ] {
            let mut headers = HeaderMap::new();
            headers.append(
                header::COOKIE,
                HeaderValue::from_bytes(header.as_bytes()).unwrap(),
            );
            assert!(
                matches!(POLICY.read(&headers), Ok(Some(Presented::Session(found))) if found == id),
                "{header}"
            );
        }
        let mut headers = HeaderMap::new();
        let ours = HeaderValue::from_bytes(b"__Host-maxlab_session=\xff").unwrap();
        headers.append(header::COOKIE, ours);
        assert!(matches!(POLICY.read(&headers), Ok(Some(Presented::Broken))));
    }

    #[test]
    fn clearing_bears_the_marks_of_a_host_cookie() {
        let cleared = POLICY.clear();
        assert_eq!(cleared.len(), 4);
        let ours = cleared[0].to_str().unwrap();
        assert!(ours.starts_with("__Host-maxlab_session=;") && ours.contains("Max-Age=0"));
        assert!(ours.contains("; Secure") && ours.contains("; Path=/"));
    }
}
