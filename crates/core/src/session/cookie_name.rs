//! Name of the session cookie.

/// Name over https. `__Host-` binds the cookie to https, the host and `Path=/` (RFC 6265bis §4.1.3.2).
pub const SECURE_COOKIE_NAME: &str = "__Host-maxlab_session";

/// Name over http, in development. Browsers refuse a `__Host-` cookie without `Secure`.
pub const PLAIN_COOKIE_NAME: &str = "maxlab_session";

/// Returns the name of the session cookie, for https if `secure`.
pub const fn cookie_name(secure: bool) -> &'static str {
    if secure {
        SECURE_COOKIE_NAME
    } else {
        PLAIN_COOKIE_NAME
    }
}
