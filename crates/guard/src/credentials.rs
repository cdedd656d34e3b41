//! Credentials of a request, read as strictly as the gateway reads them.

use axum::extract::OriginalUri;
use http::{Extensions, HeaderMap, HeaderValue, Method, Uri, header, request};
use maxlab_auth_core::access::CredentialFault;
use maxlab_auth_core::credential::{BearerFault, PresentedToken, parse_bearer};
use maxlab_auth_core::engine::CredentialRefusal;
use maxlab_auth_core::session::{PLAIN_COOKIE_NAME, SECURE_COOKIE_NAME};
use maxlab_auth_core::verify::TokenRejection;

/// Names of the gateway's session cookie, on https and on http.
const SESSION_COOKIES: [&[u8]; 2] = [SECURE_COOKIE_NAME.as_bytes(), PLAIN_COOKIE_NAME.as_bytes()];

/// Borrowed head of a request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RequestHead<'r> {
    pub(crate) method: &'r Method,
    pub(crate) uri: &'r Uri,
    pub(crate) headers: &'r HeaderMap,
    pub(crate) extensions: &'r Extensions,
}

impl<'r> RequestHead<'r> {
    pub(crate) fn from_parts(parts: &'r request::Parts) -> Self {
        Self {
            method: &parts.method,
            uri: &parts.uri,
            headers: &parts.headers,
            extensions: &parts.extensions,
        }
    }

    /// Returns the token of `Authorization: Bearer …`; `None` without the header (RFC 6750 §2.1, read in one
    /// strict form).
    pub(crate) fn bearer_token(&self) -> Result<Option<PresentedToken>, CredentialFault> {
        // All fields and not the first one: a second `Authorization` is an error (docs/decisions/0007).
        let fields = self.headers.get_all(header::AUTHORIZATION).iter();
        parse_bearer(fields.map(HeaderValue::as_bytes)).map_err(|fault| match fault {
            // 401 and not 400, as at the gateway: the client has a credential, and it is no good.
            BearerFault::Malformed => CredentialRefusal::Rejected(TokenRejection::Malformed).into(),
            BearerFault::Several | BearerFault::TooLong => CredentialFault::Ambiguous(fault.to_string()),
        })
    }

    /// Returns the gateway's session cookies without the application's own. If there are several, the gateway
    /// decides.
    pub(crate) fn session_cookies(&self) -> Option<HeaderValue> {
        let mut session_pairs: Vec<&[u8]> = Vec::new();
        // HTTP/2 allows several `Cookie` fields (RFC 9113 §8.2.3). They are joined into the one that HTTP/1.1
        // allows.
        for field in self.headers.get_all(header::COOKIE) {
            for pair in field.as_bytes().split(|byte| *byte == b';') {
                let pair = pair.trim_ascii();
                let name = pair.split(|byte| *byte == b'=').next().unwrap_or_default();
                if SESSION_COOKIES.contains(&name) {
                    session_pairs.push(pair);
                }
            }
        }
        let mut value = HeaderValue::from_bytes(&session_pairs.join(&b"; "[..])).ok()?;
        // Keeps the cookie out of `Debug` output and out of HTTP/2's compression table.
        value.set_sensitive(true);
        (!session_pairs.is_empty()).then_some(value)
    }

    /// Returns the path that the client requested, also inside a nested router; never the query, which may
    /// hold secrets.
    pub(crate) fn original_path(&self) -> &'r str {
        match self.extensions.get::<OriginalUri>() {
            // A nested router strips its prefix from `uri`; axum keeps the whole one here.
            Some(OriginalUri(uri)) => uri.path(),
            None => self.uri.path(),
        }
    }

    /// Returns the host that the client requested.
    pub(crate) fn host(&self) -> Option<HeaderValue> {
        let host = self.headers.get(header::HOST).cloned();
        // HTTP/2 has no `Host`: the host is in the URI's authority (RFC 9113 §8.3.1).
        host.or_else(|| HeaderValue::from_str(self.uri.authority()?.as_str()).ok())
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
        let cookies = RequestHead::from_parts(&parts).session_cookies().unwrap();
        assert_eq!(cookies.as_bytes(), b"maxlab_session=a; __Host-maxlab_session=c");
    }
}
