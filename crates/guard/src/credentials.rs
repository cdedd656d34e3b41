//! What a request presents, read as strictly as the gateway reads it.

use axum::extract::OriginalUri;
use http::{Extensions, HeaderMap, HeaderValue, Method, Uri, header, request};
use maxlab_auth_core::credential::{BearerFault, PresentedToken, bearer};
use maxlab_auth_core::engine::AuthFault;
use maxlab_auth_core::verify::Rejection;

use crate::failure::Failure;

/// The gateway's session cookie, on https and on http.
const SESSION_COOKIES: [&[u8]; 2] = [b"__Host-maxlab_session", b"maxlab_session"];

/// The head of a request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Head<'r> {
    pub(crate) method: &'r Method,
    pub(crate) uri: &'r Uri,
    pub(crate) headers: &'r HeaderMap,
    pub(crate) extensions: &'r Extensions,
}

impl<'r> Head<'r> {
    pub(crate) fn of(parts: &'r request::Parts) -> Self {
        Self {
            method: &parts.method,
            uri: &parts.uri,
            headers: &parts.headers,
            extensions: &parts.extensions,
        }
    }

    /// The token of `Authorization: Bearer …`.
    pub(crate) fn token(&self) -> Result<Option<PresentedToken>, Failure> {
        let fields = self.headers.get_all(header::AUTHORIZATION).iter();
        bearer(fields.map(HeaderValue::as_bytes)).map_err(|fault| match fault {
            BearerFault::Malformed => AuthFault::Rejected(Rejection::Malformed).into(),
            BearerFault::Several | BearerFault::TooLong => Failure::InvalidRequest(fault.to_string()),
        })
    }

    /// The gateway's session cookies, and nothing of the application's own. Of several the gateway makes what it will.
    pub(crate) fn session_cookies(&self) -> Option<HeaderValue> {
        let mut kept: Vec<&[u8]> = Vec::new();
        for field in self.headers.get_all(header::COOKIE) {
            for pair in field.as_bytes().split(|byte| *byte == b';') {
                let pair = pair.trim_ascii();
                let name = pair.split(|byte| *byte == b'=').next().unwrap_or_default();
                if SESSION_COOKIES.contains(&name) {
                    kept.push(pair);
                }
            }
        }
        let mut value = HeaderValue::from_bytes(&kept.join(&b"; "[..])).ok()?;
        value.set_sensitive(true);
        (!kept.is_empty()).then_some(value)
    }

    /// The path that the client asked for, also within a nested router; never its query, which may hold secrets.
    pub(crate) fn path(&self) -> &'r str {
        match self.extensions.get::<OriginalUri>() {
            Some(OriginalUri(uri)) => uri.path(),
            None => self.uri.path(),
        }
    }

    /// The host that the client asked.
    pub(crate) fn host(&self) -> Option<HeaderValue> {
        let named = self.headers.get(header::HOST).cloned();
        named.or_else(|| HeaderValue::from_str(self.uri.authority()?.as_str()).ok())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_of_the_applications_own_cookies_leaves() {
        let request = http::Request::builder()
            .header("cookie", "theme=dark; maxlab_session=a; csrf=1")
            .header("cookie", "my_maxlab_session=b;__Host-maxlab_session=c")
            .body(())
            .unwrap();
        let (parts, ()) = request.into_parts();
        let kept = Head::of(&parts).session_cookies().unwrap();
        assert_eq!(kept.as_bytes(), b"maxlab_session=a; __Host-maxlab_session=c");
    }
}
