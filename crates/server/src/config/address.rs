//! Addresses in settings: parsed, shown without what is secret in them, and checked for plain text on a network.

use std::net::IpAddr;

use url::Url;

use super::app::Environment;
use super::fault::Wrong;
use super::reader::Reader;

/// Whether the host is this machine by its very form: `localhost`, 127.0.0.0/8 or `::1`.
pub(super) fn is_loopback(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    bare.eq_ignore_ascii_case("localhost") || bare.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

/// An absolute `https://` or `http://` address that carries no credential and no fragment.
pub(super) fn http_url(text: &str) -> Result<Url, Wrong> {
    let remedy = "write it like https://auth.example.com";
    let url = Url::parse(text).map_err(|_| Wrong::new("is not an absolute URL", remedy))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(Wrong::new("is neither an https:// nor an http:// URL", remedy));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(Wrong::new(
            "carries a user name or a password",
            "take everything up to the @ out of it",
        ));
    }
    if url.fragment().is_some() {
        return Err(Wrong::new(
            "has a fragment",
            "take the # and what follows out of it",
        ));
    }
    Ok(url)
}

/// An address below which paths are joined: no query, and its path ends with `/`.
pub(super) fn base_url(text: &str) -> Result<Url, Wrong> {
    let mut url = http_url(text)?;
    if url.query().is_some() {
        return Err(Wrong::new("has a query", "take the ? and what follows out of it"));
    }
    let path = format!("{}/", url.path().trim_end_matches('/'));
    url.set_path(&path);
    Ok(url)
}

/// A web origin (RFC 6454 §6.2), in the form browsers send it: `https://app.example.com`.
pub(super) fn web_origin(text: &str) -> Result<String, Wrong> {
    let remedy = "list origins like https://app.example.com, without a path";
    if text == "*" {
        return Err(Wrong::new(
            "holds *, which browsers refuse where cookies are allowed",
            "list each origin that may call the gateway",
        ));
    }
    let url = http_url(text)
        .map_err(|wrong| Wrong::new(format!("holds {text:?}, which {}", wrong.problem), remedy))?;
    if url.path() != "/" || url.query().is_some() || text.contains('*') {
        return Err(Wrong::new(
            format!("holds {text:?}, which is more or less than an origin"),
            remedy,
        ));
    }
    Ok(url.origin().ascii_serialization())
}

/// The address as `check` shows it: user, password and query are hidden, and so is whatever cannot be taken apart.
pub(super) fn redacted(text: &str) -> String {
    let Some((scheme, rest)) = text.split_once("://") else {
        return "(set)".to_owned();
    };
    let (rest, query) = match rest.split_once(['?', '#']) {
        Some((rest, _)) => (rest, "?…"),
        None => (rest, ""),
    };
    let rest = rest
        .rsplit_once('@')
        .map_or_else(|| rest.to_owned(), |(_, host)| format!("…@{host}"));
    format!("{scheme}://{rest}{query}").escape_debug().to_string()
}

/// What the rules on plain text depend on.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wire {
    pub(super) environment: Environment,
    /// `ALLOW_PLAINTEXT_UPSTREAM`.
    pub(super) allow_plaintext: bool,
}

impl Wire {
    /// Objects to a plain-text address on another machine (DESIGN §11): in production a fault unless allowed.
    pub(super) fn refuse_plaintext<'h>(
        self,
        reader: &mut Reader<'_>,
        name: &'static str,
        hosts: impl IntoIterator<Item = &'h str>,
        encrypted_scheme: &str,
    ) {
        if self.environment == Environment::Development || hosts.into_iter().all(is_loopback) {
            return;
        }
        let problem = "the address is on another machine and the connection to it is not encrypted";
        let remedy = format!(
            "use {encrypted_scheme}, or set ALLOW_PLAINTEXT_UPSTREAM=true if nobody else is on the network between"
        );
        if self.allow_plaintext {
            reader.warn(name, &format!("{problem}; ALLOW_PLAINTEXT_UPSTREAM lets it pass"));
        } else {
            reader.object(self.environment, name, problem, &remedy);
        }
    }

    /// [`Self::refuse_plaintext`] for an `http://` address; nothing for any other.
    pub(super) fn refuse_http(self, reader: &mut Reader<'_>, name: &'static str, url: Option<&Url>) {
        if let Some(url) = url.filter(|url| url.scheme() == "http") {
            self.refuse_plaintext(reader, name, url.host_str(), "https://");
        }
    }
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
        for (text, shown) in [
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
            assert_eq!(redacted(text), shown);
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
