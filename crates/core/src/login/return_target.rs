//! Address to which a browser goes after a login or a logout, read as browsers read it (WHATWG URL).

use url::{Origin, Url};

/// Longest address that is kept, in bytes: it travels in the sealed `state`.
const MAX_BYTES: usize = 512;
/// Paths of the gateway that are no targets: a login that leads to another one would not end.
const OWN_PATHS: &str = "/auth/";
/// Pages of the gateway that may be targets.
const OWN_TARGETS: [&str; 2] = ["/auth/account", "/auth/admin"];

/// Rules for targets: the gateway's own origin, and those of `LOGIN_RETURN_ORIGINS`.
#[derive(Clone, Debug)]
pub struct ReturnRules {
    /// `PUBLIC_URL`.
    pub public_url: Url,
    /// Other origins that a target may have.
    pub origins: Vec<Origin>,
}

/// Target that may be redirected to. Made by [`ReturnRules::target`] only.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReturnTarget(String);

impl ReturnTarget {
    /// Start page of the gateway's own origin.
    pub fn root() -> Self {
        Self("/".to_owned())
    }

    /// Returns the text for a `Location` header.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl ReturnRules {
    /// Returns the target that a parameter names. `None` if it is not allowed.
    ///
    /// The result is written anew from the parsed address, so browser and gateway agree about its origin.
    pub fn target(&self, text: &str) -> Option<ReturnTarget> {
        // Browsers drop tabs and line ends inside an address, and read a backslash as a slash.
        if text.is_empty() || text.chars().any(|c| c.is_control() || c == '\\') {
            return None;
        }
        // `https:host` is a path for browsers, and a host for other readers.
        if text
            .split(['/', '?', '#'])
            .next()
            .is_some_and(|start| start.contains(':'))
            && !text.contains("://")
        {
            return None;
        }
        let url = self.public_url.join(text).ok()?;
        let is_own = url.origin() == self.public_url.origin();
        if !matches!(url.scheme(), "http" | "https") || !url.username().is_empty() || url.password().is_some()
        {
            return None;
        }
        if !is_own && !self.origins.contains(&url.origin()) {
            return None;
        }
        // Without the host, a path that begins with two slashes would name another one.
        if is_own && (is_own_page(url.path()) || url.path().starts_with("//")) {
            return None;
        }
        Some(ReturnTarget(shortened(&url, is_own)))
    }

    /// Returns the target that a parameter names, and the start page for one that is missing or not allowed.
    pub fn target_or_root(&self, text: Option<&str>) -> ReturnTarget {
        text.and_then(|text| self.target(text))
            .unwrap_or_else(ReturnTarget::root)
    }
}

fn is_own_page(path: &str) -> bool {
    // A path that is decoded by something behind the gateway must not become one of its pages.
    let decoded = percent_encoding::percent_decode_str(path).decode_utf8_lossy();
    let is_target = OWN_TARGETS
        .iter()
        .any(|own| decoded == *own || decoded.starts_with(&format!("{own}/")));
    decoded.starts_with(OWN_PATHS) && !is_target
}

/// Returns the text of an address. One that is too long loses its query, and then its path: it is never cut in
/// the middle.
fn shortened(url: &Url, is_own: bool) -> String {
    let text = |url: &Url| {
        if !is_own {
            return url.as_str().to_owned();
        }
        let query = url.query().map(|query| format!("?{query}")).unwrap_or_default();
        let fragment = url.fragment().map(|text| format!("#{text}")).unwrap_or_default();
        format!("{}{query}{fragment}", url.path())
    };
    let whole = text(url);
    if whole.len() <= MAX_BYTES {
        return whole;
    }
    let mut short = url.clone();
    short.set_query(None);
    short.set_fragment(None);
    if text(&short).len() > MAX_BYTES {
        short.set_path("/");
    }
    text(&short)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules() -> ReturnRules {
        ReturnRules {
            public_url: Url::parse("https://app.example").unwrap(),
            origins: vec![Url::parse("https://other.example").unwrap().origin()],
        }
    }

    #[test]
    fn t03_only_addresses_of_allowed_origins_are_targets() {
        for evil in [
            "",
            "//evil.example",
            "///evil.example",
            "/\\evil.example",
            "\\\\evil.example",
            "/\t/evil.example",
            "/%09/\tevil",
            "https:evil.example",
            "https:/evil.example",
            "https:///evil.example",
            "https://evil.example",
            "https://app.example.evil.example",
            "https://app.example@evil.example",
            "https://user@app.example/",
            "http://app.example/",
            "https://app.example:444/",
            "javascript:alert(1)",
            "data:text/html,x",
            "/a\r\nSet-Cookie: x",
            "/a\0",
            "https://аpp.example/",
            "ftp://app.example/",
            "https://other.example:8443/",
            "http://other.example/",
        ] {
            assert_eq!(rules().target(evil), None, "{evil:?}");
        }
        for (good, written) in [
            ("/", "/"),
            ("/a/b?c=d&e=%2F#f", "/a/b?c=d&e=%2F#f"),
            ("a", "/a"),
            ("/..//evil.example", "//evil.example"),
            ("https://app.example/x y", "/x%20y"),
            ("HTTPS://APP.example:443/x", "/x"),
            ("https://other.example/p?q", "https://other.example/p?q"),
        ] {
            let target = rules().target(good);
            // A path that begins with two slashes would be another host for the browser.
            if written.starts_with("//") {
                assert_eq!(target, None, "{good}");
            } else {
                assert_eq!(target.unwrap().as_str(), written, "{good}");
            }
        }
    }

    #[test]
    fn t04_a_page_of_the_login_itself_is_no_target() {
        for own in [
            "/auth/login",
            "/auth/logout",
            "/auth/callback/default?code=1",
            "/auth/verify",
            "/x/../auth/login",
            "/%61uth/login",
            "https://app.example/auth/login?return_to=/auth/login",
        ] {
            assert_eq!(rules().target(own), None, "{own}");
            assert_eq!(rules().target_or_root(Some(own)), ReturnTarget::root());
        }
        for page in [
            "/auth/account",
            "/auth/admin",
            "/auth/admin/users?x=1",
            "/authors",
        ] {
            assert_eq!(rules().target(page).unwrap().as_str(), page);
        }
        assert_eq!(rules().target("/auth/administrators"), None);
    }

    #[test]
    fn t05_a_long_target_loses_its_query_and_then_its_path() {
        let query = format!("/page?q={}", "x".repeat(8_192));
        assert_eq!(rules().target(&query).unwrap().as_str(), "/page");
        let path = format!("/{}", "x".repeat(8_192));
        assert_eq!(rules().target(&path).unwrap().as_str(), "/");
    }
}
