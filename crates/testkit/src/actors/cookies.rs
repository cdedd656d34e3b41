//! Cookie jar with the rules that matter here (RFC 6265bis §5): prefixes, `Secure`, paths, removal.

use reqwest::Url;

/// A cookie as it was set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredCookie {
    /// Name of the cookie.
    pub name: String,
    /// Value of the cookie.
    pub value: String,
    /// Path below which the cookie is sent.
    pub path: String,
    /// `Secure`: the cookie is sent only over https or to loopback.
    pub secure: bool,
    /// `HttpOnly`: scripts cannot read the cookie.
    pub http_only: bool,
    /// `SameSite` as written.
    pub same_site: Option<String>,
    /// `Max-Age` in seconds.
    pub max_age: Option<i64>,
    host: String,
}

/// Cookies of one browser. All are host-only. They do not expire by time; only a removal removes one.
#[derive(Debug, Default)]
pub struct CookieJar {
    cookies: Vec<StoredCookie>,
    rejected: Vec<String>,
}

impl CookieJar {
    pub(super) fn find(&self, name: &str) -> Option<StoredCookie> {
        self.cookies.iter().find(|cookie| cookie.name == name).cloned()
    }

    pub(super) fn rejected(&self) -> &[String] {
        &self.rejected
    }

    /// Applies one `Set-Cookie` header from `url`.
    pub(super) fn store(&mut self, url: &Url, header: &str) {
        match parse_set_cookie(url, header) {
            Ok((cookie, removed)) => {
                // Name, host and path identify a cookie (RFC 6265 §5.3 step 11).
                self.cookies.retain(|known| {
                    (&known.name, &known.host, &known.path) != (&cookie.name, &cookie.host, &cookie.path)
                });
                if !removed {
                    self.cookies.push(cookie);
                }
            }
            // Kept, because a test may want to know that the gateway sets cookies that no browser accepts.
            Err(reason) => self.rejected.push(format!("{reason}: {header}")),
        }
    }

    /// Returns the `Cookie` header for a request to `url`.
    pub(super) fn header_for(&self, url: &Url) -> Option<String> {
        let sent = self.cookies.iter().filter(|cookie| {
            cookie.host == host_of(url)
                && path_matches(&cookie.path, url.path())
                && (!cookie.secure || is_trustworthy(url))
        });
        let pairs: Vec<String> = sent
            .map(|cookie| format!("{}={}", cookie.name, cookie.value))
            .collect();
        (!pairs.is_empty()).then(|| pairs.join("; "))
    }
}

/// Returns the cookie, and `true` if the header removes it.
fn parse_set_cookie(url: &Url, header: &str) -> Result<(StoredCookie, bool), &'static str> {
    let mut parts = header.split(';').map(str::trim);
    let (name, value) = parts
        .next()
        .and_then(|pair| pair.split_once('='))
        .ok_or("no name")?;
    let mut cookie = StoredCookie {
        name: name.to_owned(),
        value: value.to_owned(),
        path: default_path(url),
        secure: false,
        http_only: false,
        same_site: None,
        max_age: None,
        host: host_of(url),
    };
    let (mut path, mut domain, mut epoch) = (None, None, false);
    for part in parts {
        let (attribute, value) = part.split_once('=').unwrap_or((part, ""));
        match attribute.to_ascii_lowercase().as_str() {
            "path" if value.starts_with('/') => path = Some(value.to_owned()),
            "domain" => domain = Some(value.to_owned()),
            "secure" => cookie.secure = true,
            "httponly" => cookie.http_only = true,
            "samesite" => cookie.same_site = Some(value.to_owned()),
            "max-age" => cookie.max_age = value.parse().ok(),
            // Dates are not parsed. The only one in use is the beginning of 1970, which removes a cookie.
            "expires" => epoch = value.contains("1970"),
            _ => {}
        }
    }
    let host_prefix = name.starts_with("__Host-");
    if host_prefix && (domain.is_some() || path.as_deref() != Some("/")) {
        return Err("__Host- needs Path=/ and no Domain");
    }
    if (host_prefix || name.starts_with("__Secure-")) && !cookie.secure {
        return Err("the prefix needs Secure");
    }
    if cookie.secure && !is_trustworthy(url) {
        return Err("Secure needs https or loopback");
    }
    if domain.is_some_and(|domain| domain.trim_start_matches('.') != cookie.host) {
        return Err("Domain is another host");
    }
    cookie.path = path.unwrap_or(cookie.path);
    // `Max-Age` goes before `Expires` (RFC 6265 §5.3 step 3).
    let removed = cookie.max_age.map_or(epoch, |seconds| seconds <= 0);
    Ok((cookie, removed))
}

fn host_of(url: &Url) -> String {
    url.host_str().unwrap_or_default().to_owned()
}

/// Returns `true` for https and for loopback, which browsers treat alike, so that `Secure` cookies work in
/// development.
fn is_trustworthy(url: &Url) -> bool {
    url.scheme() == "https" || matches!(url.host_str(), Some("127.0.0.1" | "localhost" | "[::1]"))
}

/// Returns the path of a cookie that names none (RFC 6265 §5.1.4).
fn default_path(url: &Url) -> String {
    match url.path().rsplit_once('/') {
        Some(("", _)) | None => "/".to_owned(),
        Some((folder, _)) => folder.to_owned(),
    }
}

/// Returns `true` if the request's path is the cookie's path or below it (RFC 6265 §5.1.4).
fn path_matches(cookie: &str, request: &str) -> bool {
    request
        .strip_prefix(cookie)
        .is_some_and(|rest| rest.is_empty() || cookie.ends_with('/') || rest.starts_with('/'))
}
