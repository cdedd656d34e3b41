//! URLs in settings: parsed, and shown without secrets.

use std::borrow::Cow;
use std::net::IpAddr;

use url::Url;

use super::faults::InvalidValue;

/// Returns whether the host's form alone shows that it is this machine: `localhost`, 127.0.0.0/8 or `::1`.
pub(crate) fn is_loopback(host: &str) -> bool {
    // No name is resolved: an answer of DNS may change after the check.
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    bare.eq_ignore_ascii_case("localhost") || bare.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

/// Parses an absolute `https://` or `http://` URL without credentials and without a fragment.
pub(crate) fn http_url(text: &str) -> Result<Url, InvalidValue> {
    let remedy = "write it like https://auth.example.com";
    let url = Url::parse(text).map_err(|_| InvalidValue::new("is not an absolute URL", remedy))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(InvalidValue::new(
            "is neither an https:// nor an http:// URL",
            remedy,
        ));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(InvalidValue::new(
            "contains a user name or a password",
            "remove everything up to the @",
        ));
    }
    if url.fragment().is_some() {
        return Err(InvalidValue::new(
            "has a fragment",
            "remove the # and everything after it",
        ));
    }
    Ok(url)
}

/// Parses a base URL, below which paths are joined. It has no query, and its path ends with `/`.
pub(crate) fn base_url(text: &str) -> Result<Url, InvalidValue> {
    let mut url = http_url(text)?;
    if url.query().is_some() {
        return Err(InvalidValue::new(
            "has a query",
            "remove the ? and everything after it",
        ));
    }
    // `Url::join` replaces the last segment of a path that does not end with a slash.
    let path = format!("{}/", url.path().trim_end_matches('/'));
    url.set_path(&path);
    Ok(url)
}

/// Parses a web origin (RFC 6454 §6.2) into the form that browsers send: `https://app.example.com`.
pub(crate) fn web_origin(text: &str) -> Result<String, InvalidValue> {
    let remedy = "list origins like https://app.example.com, without a path";
    if text == "*" {
        return Err(InvalidValue::new(
            "contains *, which browsers refuse if cookies are allowed",
            "list each origin that may call the gateway",
        ));
    }
    let redacted = without_credentials(text);
    let url = http_url(text).map_err(|wrong| {
        InvalidValue::new(format!("contains {redacted:?}, which {}", wrong.problem), remedy)
    })?;
    if url.path() != "/" || url.query().is_some() || text.contains('*') {
        return Err(InvalidValue::new(
            format!("contains {redacted:?}, which is not an origin (scheme://host:port)"),
            remedy,
        ));
    }
    Ok(url.origin().ascii_serialization())
}

/// Returns a URL as `check` shows it. User, password and query are hidden, and so is a text that is not a
/// URL.
pub(crate) fn redacted(text: &str) -> String {
    let Some((scheme, rest)) = text.split_once("://") else {
        return "(set)".to_owned();
    };
    let (rest, query) = match rest.split_once(['?', '#']) {
        Some((rest, _)) => (rest, "?…"),
        None => (rest, ""),
    };
    // The last @: a password may contain one.
    let rest = rest
        .rsplit_once('@')
        .map_or_else(|| rest.to_owned(), |(_, host)| format!("…@{host}"));
    format!("{scheme}://{rest}{query}").escape_debug().to_string()
}

/// Returns the text without a possible user name and password: everything between the scheme and the last
/// `@`.
pub(crate) fn without_credentials(text: &str) -> Cow<'_, str> {
    let Some((before, host)) = text.rsplit_once('@') else {
        return Cow::Borrowed(text);
    };
    // The first :// only. A later one may be part of the password.
    let scheme = before.split_once("://").map_or("", |(scheme, _)| scheme);
    let separator = if scheme.is_empty() { "" } else { "://" };
    Cow::Owned(format!("{scheme}{separator}…@{host}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_is_known_by_its_form_alone() {
        for host in ["localhost", "LOCALHOST", "127.0.0.1", "127.9.9.9", "::1", "[::1]"] {
            assert!(is_loopback(host), "{host}");
        }
        for host in [
            "localhost.example.com",
            "127.0.0.1.nip.io",
            "128.0.0.1",
            "::2",
            "0.0.0.0",
            "redis",
            "",
        ] {
            assert!(!is_loopback(host), "{host}");
        }
    }

    #[test]
    fn shown_addresses_hide_credentials_and_queries() {
        for (text, expected) in [
            (
                "postgresql://user:pa@ss@db/maxlab?password=x",
                "postgresql://…@db/maxlab?…",
            ),
            ("redis://localhost:6379/0", "redis://localhost:6379/0"),
            (
                "redis+sentinel://:pw@a:1,b:2/main",
                "redis+sentinel://…@a:1,b:2/main",
            ),
            ("pw-without-scheme", "(set)"),
        ] {
            assert_eq!(redacted(text), expected);
        }
    }

    #[test]
    fn w16_nothing_that_may_be_a_password_is_repeated() {
        for (text, expected) in [
            ("https://user:pw@host/login", "https://…@host/login"),
            ("https://user:p@w/d@host/login", "https://…@host/login"),
            ("user:pw@host", "…@host"),
            ("htps:/user:pw@host", "…@host"),
            ("https://host/login?x=1", "https://host/login?x=1"),
            ("a@https://b", "…@https://b"),
        ] {
            assert_eq!(without_credentials(text), expected);
        }
    }

    #[test]
    fn a_base_ends_with_a_slash_so_that_joining_keeps_its_path() {
        for (text, joined) in [
            ("http://a:8000", "http://a:8000/oauth/token"),
            ("https://a/realm/x", "https://a/realm/x/oauth/token"),
            ("https://a/realm//", "https://a/realm/oauth/token"),
        ] {
            assert_eq!(
                base_url(text).unwrap().join("oauth/token").unwrap().as_str(),
                joined
            );
        }
        for bad in [
            "a:8000",
            "localhost",
            "ftp://a",
            "https://u:p@a",
            "https://a?x",
            "https://a#x",
            "/x",
            "https://",
        ] {
            assert!(base_url(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn origins_are_exact() {
        for (text, origin) in [
            ("http://localhost:3000", "http://localhost:3000"),
            ("https://App.Example.com:443/", "https://app.example.com"),
        ] {
            assert_eq!(web_origin(text).unwrap(), origin);
        }
        for bad in [
            "*",
            "null",
            "https://*.example.com",
            "https://a/b",
            "https://a?b",
            "example.com",
            "https://u@a",
        ] {
            assert!(web_origin(bad).is_err(), "{bad}");
        }
    }
}
