//! The gateway's own cookies: names, attributes, reading and clearing, and the removal of them from a
//! `Cookie` header.

use std::time::Duration;

use axum::http::{HeaderMap, HeaderValue, header};
use maxlab_auth_core::access::CredentialFault;
use maxlab_auth_core::credential::SessionId;
use maxlab_auth_core::session::{self, PLAIN_COOKIE_NAME, SECURE_COOKIE_NAME};

use crate::config::SiteData;

/// Cookies of clients of the guide, which a logout clears too (`docs/GUIDE.md`, "Logout").
const GUIDE_COOKIES: [&str; 3] = ["access_token", "refresh_token", "session_id"];

/// Names of the cookies that only the gateway may see: the session cookie and the browser cookie, over https
/// and over http. The files in `deploy/` remove these four.
const OWN_COOKIES: [&[u8]; 4] = [
    SECURE_COOKIE_NAME.as_bytes(),
    PLAIN_COOKIE_NAME.as_bytes(),
    b"__Host-maxlab_browser",
    b"maxlab_browser",
];

/// Returns the `Cookie` headers of a request without the gateway's own cookies. All other bytes are
/// unchanged. A header with only own cookies is left out.
pub fn application_cookies(headers: &HeaderMap) -> Vec<HeaderValue> {
    let fields = headers.get_all(header::COOKIE).iter();
    fields.filter_map(strip_own_cookies).collect()
}

fn strip_own_cookies(field: &HeaderValue) -> Option<HeaderValue> {
    let pairs = || field.as_bytes().split(|byte| *byte == b';');
    if !pairs().any(is_own_cookie) {
        return Some(field.clone());
    }
    let remaining: Vec<&[u8]> = pairs().filter(|pair| !is_own_cookie(pair)).collect();
    let remaining = remaining.join(&b';');
    // Trimmed: the space before the first remaining pair separated it from a removed one.
    let mut value = HeaderValue::from_bytes(remaining.trim_ascii()).ok()?;
    // Kept out of `Debug` output, and out of the compression table of HTTP/2 (RFC 7541 §7.1.3).
    value.set_sensitive(true);
    (!value.is_empty()).then_some(value)
}

fn is_own_cookie(pair: &[u8]) -> bool {
    let name = pair.split(|byte| *byte == b'=').next().unwrap_or_default();
    // A pair without `=` has an empty name (RFC 6265bis §5.6), so it is not the gateway's.
    pair.contains(&b'=') && OWN_COOKIES.contains(&name.trim_ascii())
}

/// Name and attributes of the session cookie.
#[derive(Clone, Copy, Debug)]
pub struct CookiePolicy {
    /// `true` for https: the name is `__Host-maxlab_session` (RFC 6265bis §4.1.3.2). `false` for development
    /// over http: the name is `maxlab_session`.
    pub secure: bool,
    /// Lifetime in the browser: the longest life of a session (`SESSION_MAX_SECONDS`). The browser thus never
    /// ends a session that is in use, and only routes that issue a session id set the cookie.
    pub max_age: Duration,
}

impl CookiePolicy {
    /// Returns the name of the cookie.
    pub fn cookie_name(&self) -> &'static str {
        session::cookie_name(self.secure)
    }

    /// Returns the session cookie of a request. Other cookies may hold any bytes: an application's script
    /// sets them, and they need not be ASCII.
    ///
    /// # Errors
    /// There is more than one cookie of that name.
    pub fn read_session_cookie(&self, headers: &HeaderMap) -> Result<Option<SessionCookie>, CredentialFault> {
        let mut found = None;
        // HTTP/2 may split the cookies over several fields (RFC 9113 §8.2.3).
        for value in headers.get_all(header::COOKIE) {
            for pair in value.as_bytes().split(|byte| *byte == b';') {
                let mut parts = pair.trim_ascii().splitn(2, |byte| *byte == b'=');
                let (Some(name), Some(value)) = (parts.next(), parts.next()) else {
                    continue;
                };
                if name != self.cookie_name().as_bytes() {
                    continue;
                }
                // One of the two may be planted by a subdomain, and the order does not say which.
                if found.is_some() {
                    return Err(CredentialFault::Ambiguous(format!(
                        "There is more than one {} cookie",
                        self.cookie_name()
                    )));
                }
                let id = std::str::from_utf8(value).ok().and_then(SessionId::parse);
                found = Some(id.map_or(SessionCookie::Malformed, SessionCookie::Session));
            }
        }
        Ok(found)
    }

    /// Returns the `Set-Cookie` value that sets the cookie.
    pub fn set_cookie_header(&self, id: &SessionId) -> Option<HeaderValue> {
        let secure = if self.secure { "; Secure" } else { "" };
        // `Lax`: a link from another site arrives logged in. `require_same_origin` covers unsafe methods.
        let text = format!(
            "{}={}; Path=/; Max-Age={}; HttpOnly; SameSite=Lax{secure}",
            self.cookie_name(),
            id.expose().as_str(),
            self.max_age.as_secs()
        );
        let mut value = HeaderValue::from_str(&text).ok()?;
        value.set_sensitive(true);
        Some(value)
    }

    /// Returns the `Set-Cookie` values that clear the session cookie and the cookies of the guide's clients.
    pub fn clear_cookie_headers(&self) -> Vec<HeaderValue> {
        // A browser accepts a `__Host-` cookie, and so its removal, only with `Secure` and `Path=/`.
        let secure = if self.secure { "; Secure" } else { "" };
        std::iter::once(self.cookie_name())
            .chain(GUIDE_COOKIES)
            .filter_map(|name| {
                HeaderValue::from_str(&format!(
                    "{name}=; Path=/; Max-Age=0; HttpOnly; SameSite=Lax{secure}"
                ))
                .ok()
            })
            .collect()
    }
}

/// Returns the value of `Clear-Site-Data` for these kinds of data; `None` for no kind.
pub fn clear_site_data_header(kinds: &[SiteData]) -> Option<HeaderValue> {
    let quoted: Vec<String> = kinds
        .iter()
        .map(|kind| format!("\"{}\"", kind.as_str()))
        .collect();
    let value = HeaderValue::from_str(&quoted.join(", ")).ok()?;
    (!value.is_empty()).then_some(value)
}

/// Value of a session cookie.
#[derive(Clone, Debug)]
pub enum SessionCookie {
    /// A value in the form of a session id.
    Session(SessionId),
    /// Any other value: it can be no session.
    Malformed,
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
        let set = POLICY
            .set_cookie_header(&id)
            .unwrap()
            .to_str()
            .unwrap()
            .to_owned();
        assert!(set.starts_with("__Host-maxlab_session="));
        for mark in ["; Path=/", "; HttpOnly", "; Secure", "; SameSite=Lax"] {
            assert!(set.contains(mark), "{mark} is missing");
        }
        let pair = set.split(';').next().unwrap();
        let read = POLICY
            .read_session_cookie(&cookies(&["a=b", &format!("x=y; {pair}")]))
            .unwrap();
        assert!(matches!(read, Some(SessionCookie::Session(found)) if found == id));
    }

    #[test]
    fn two_cookies_of_the_name_are_refused_and_junk_is_no_session() {
        assert!(
            POLICY
                .read_session_cookie(&cookies(&["__Host-maxlab_session=a; __Host-maxlab_session=b"]))
                .is_err()
        );
        assert!(
            POLICY
                .read_session_cookie(&cookies(&["__Host-maxlab_session=a", "__Host-maxlab_session=b"]))
                .is_err()
        );
        for junk in [
            "__Host-maxlab_session=",
            "__Host-maxlab_session=%00",
            "__Host-maxlab_session=a=b",
        ] {
            assert!(
                matches!(
                    POLICY.read_session_cookie(&cookies(&[junk])),
                    Ok(Some(SessionCookie::Malformed))
                ),
                "{junk}"
            );
        }
        assert!(
            POLICY
                .read_session_cookie(&cookies(&["__Host-maxlab_session; maxlab_session=x"]))
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
                matches!(POLICY.read_session_cookie(&headers), Ok(Some(SessionCookie::Session(found))) if found == id),
                "{header}"
            );
        }
        let mut headers = HeaderMap::new();
        let ours = HeaderValue::from_bytes(b"__Host-maxlab_session=\xff").unwrap();
        headers.append(header::COOKIE, ours);
        assert!(matches!(
            POLICY.read_session_cookie(&headers),
            Ok(Some(SessionCookie::Malformed))
        ));
    }

    #[test]
    fn n4_only_the_gateways_own_cookies_are_cut_out() {
        let table: &[(&[&str], &[&str])] = &[
            (&[], &[]),
            (&["a=1; b=2"], &["a=1; b=2"]),
            (&["maxlab_session=x"], &[]),
            (&["maxlab_session=x; a=1; b=2"], &["a=1; b=2"]),
            (&["a=1; __Host-maxlab_session=x; b=2"], &["a=1; b=2"]),
            (&["a=1; b=2; __Host-maxlab_browser=x"], &["a=1; b=2"]),
            (&["a=1;maxlab_browser=x;b=2"], &["a=1;b=2"]),
            (
                &["maxlab_session=x; maxlab_session=y; a=1; maxlab_session="],
                &["a=1"],
            ),
            (
                &["a=1; maxlab_session=x", "maxlab_browser=y", "b=2"],
                &["a=1", "b=2"],
            ),
            (
                &[
                    "x__Host-maxlab_session=1; maxlab_session2=2; Maxlab_Session=3; maxlab_session=x; xmaxlab_browser=4",
                ],
                &["x__Host-maxlab_session=1; maxlab_session2=2; Maxlab_Session=3; xmaxlab_browser=4"],
            ),
            (
                &[r#"q="a, b"; e=; name=김; maxlab_session=x; flag; maxlab_session; u=a=b"#],
                &[r#"q="a, b"; e=; name=김; flag; maxlab_session; u=a=b"#],
            ),
        ];
        for (sent, left) in table {
            let mut headers = HeaderMap::new();
            for field in *sent {
                headers.append(header::COOKIE, HeaderValue::from_bytes(field.as_bytes()).unwrap());
            }
            let found = application_cookies(&headers);
            let found: Vec<&[u8]> = found.iter().map(HeaderValue::as_bytes).collect();
            let left: Vec<&[u8]> = left.iter().map(|field| field.as_bytes()).collect();
            assert_eq!(found, left, "{sent:?}");
        }
    }

    #[test]
    fn n4_both_names_of_the_session_cookie_are_own() {
        for secure in [true, false] {
            let policy = CookiePolicy { secure, ..POLICY };
            assert!(OWN_COOKIES.contains(&policy.cookie_name().as_bytes()));
        }
    }

    #[test]
    fn clearing_bears_the_marks_of_a_host_cookie() {
        let cleared = POLICY.clear_cookie_headers();
        assert_eq!(cleared.len(), 4);
        let ours = cleared[0].to_str().unwrap();
        assert!(ours.starts_with("__Host-maxlab_session=;") && ours.contains("Max-Age=0"));
        assert!(ours.contains("; Secure") && ours.contains("; Path=/"));
    }
}
