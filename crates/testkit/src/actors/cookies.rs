//! A cookie jar with the rules that matter here (RFC 6265bis §5): prefixes, `Secure`, paths, removal.

use reqwest::Url;

/// A cookie as it was set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cookie {
    /// Its name.
    pub name: String,
    /// Its value.
    pub value: String,
    /// Where it is sent.
    pub path: String,
    /// Only over https, or to loopback.
    pub secure: bool,
    /// Out of scripts' reach.
    pub http_only: bool,
    /// `SameSite` as written.
    pub same_site: Option<String>,
    /// `Max-Age` in seconds.
    pub max_age: Option<i64>,
    host: String,
}

/// The cookies of one browser. All are host-only; time does not pass here, so only a removal removes.
#[derive(Debug, Default)]
pub struct Jar {
    cookies: Vec<Cookie>,
    refused: Vec<String>,
}

impl Jar {
    pub(super) fn named(&self, name: &str) -> Option<Cookie> {
        self.cookies.iter().find(|cookie| cookie.name == name).cloned()
    }

    pub(super) fn refused(&self) -> &[String] {
        &self.refused
    }

    /// Obeys one `Set-Cookie` header that came from `url`.
    pub(super) fn keep(&mut self, url: &Url, header: &str) {
        match parse(url, header) {
            Ok((cookie, removed)) => {
                self.cookies.retain(|known| {
                    (&known.name, &known.host, &known.path) != (&cookie.name, &cookie.host, &cookie.path)
                });
                if !removed {
                    self.cookies.push(cookie);
                }
            }
            Err(reason) => self.refused.push(format!("{reason}: {header}")),
        }
    }

    /// The `Cookie` header for a request to `url`.
    pub(super) fn header_for(&self, url: &Url) -> Option<String> {
        let sent = self.cookies.iter().filter(|cookie| {
            cookie.host == host(url)
                && path_matches(&cookie.path, url.path())
                && (!cookie.secure || trusted(url))
        });
        let pairs: Vec<String> = sent
            .map(|cookie| format!("{}={}", cookie.name, cookie.value))
            .collect();
        (!pairs.is_empty()).then(|| pairs.join("; "))
    }
}

/// The cookie, and whether the header removes it.
fn parse(url: &Url, header: &str) -> Result<(Cookie, bool), &'static str> {
    let mut parts = header.split(';').map(str::trim);
    let (name, value) = parts
        .next()
        .and_then(|pair| pair.split_once('='))
        .ok_or("no name")?;
    let mut cookie = Cookie {
        name: name.to_owned(),
        value: value.to_owned(),
        path: default_path(url),
        secure: false,
        http_only: false,
        same_site: None,
        max_age: None,
        host: host(url),
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
            // The one date in use: the beginning of time, to remove a cookie.
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
    if cookie.secure && !trusted(url) {
        return Err("Secure needs https or loopback");
    }
    if domain.is_some_and(|domain| domain.trim_start_matches('.') != cookie.host) {
        return Err("Domain is another host");
    }
    cookie.path = path.unwrap_or(cookie.path);
    let removed = cookie.max_age.map_or(epoch, |seconds| seconds <= 0);
    Ok((cookie, removed))
}

fn host(url: &Url) -> String {
    url.host_str().unwrap_or_default().to_owned()
}

/// Browsers treat loopback as trustworthy, so that `Secure` cookies work in development.
fn trusted(url: &Url) -> bool {
    url.scheme() == "https" || matches!(url.host_str(), Some("127.0.0.1" | "localhost" | "[::1]"))
}

/// RFC 6265 §5.1.4.
fn default_path(url: &Url) -> String {
    match url.path().rsplit_once('/') {
        Some(("", _)) | None => "/".to_owned(),
        Some((folder, _)) => folder.to_owned(),
    }
}

fn path_matches(cookie: &str, request: &str) -> bool {
    request
        .strip_prefix(cookie)
        .is_some_and(|rest| rest.is_empty() || cookie.ends_with('/') || rest.starts_with('/'))
}
