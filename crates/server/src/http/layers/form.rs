//! A request names one host and one target of sensible length, or goes no further.

use axum::extract::Request;
use axum::http::uri::{Authority, Scheme};
use axum::http::{HeaderMap, HeaderValue, StatusCode, Version, header};
use axum::middleware::Next;
use axum::response::Response;

use crate::http::error::problem;

/// The longest request target, in bytes.
const LONGEST_URI: usize = 8 * 1024;

/// Refuses a request whose target is too long (414), or whose host is missing, doubled, malformed or not that of its
/// target (400): a proxy and we could each believe another one (RFC 9112 §3.2). Afterwards `Host` is there on HTTP/2 as well,
/// where the host came as `:authority`.
pub(super) async fn refuse_malformed(mut request: Request, next: Next) -> Response {
    let uri = request.uri();
    let length = uri.authority().map_or(0, |authority| authority.as_str().len())
        + uri.path_and_query().map_or(0, |target| target.as_str().len());
    if length > LONGEST_URI {
        let detail = "The request's target is longer than 8 KiB";
        return problem(StatusCode::URI_TOO_LONG, "uri_too_long", detail, HeaderMap::new());
    }
    match host(&request) {
        Ok(Some(host)) => {
            request.headers_mut().insert(header::HOST, host);
        }
        Ok(None) => {}
        Err(detail) => {
            return problem(
                StatusCode::BAD_REQUEST,
                "invalid_request",
                detail,
                HeaderMap::new(),
            );
        }
    }
    next.run(request).await
}

/// The `Host` that the request lacks and its target gives, if so.
fn host(request: &Request) -> Result<Option<HeaderValue>, &'static str> {
    const MALFORMED: &str = "The Host header is no host with an optional port";
    let mut fields = request.headers().get_all(header::HOST).iter();
    let field = fields.next();
    if fields.next().is_some() {
        return Err("There is more than one Host header");
    }
    let target = match request.uri().authority() {
        Some(authority) => {
            Some(place(authority, request.uri().scheme()).ok_or("The target's host is malformed")?)
        }
        None => None,
    };
    let Some(field) = field else {
        return match request.uri().authority() {
            Some(authority) => Ok(HeaderValue::from_str(authority.as_str()).ok()),
            // Older than the header (RFC 9112 §3.2).
            None if request.version() < Version::HTTP_11 => Ok(None),
            None => Err("There is no Host header"),
        };
    };
    let named = Authority::try_from(field.as_bytes()).map_err(|_| MALFORMED)?;
    let named = place(&named, request.uri().scheme()).ok_or(MALFORMED)?;
    match target {
        Some(target) if target != named => Err("The Host header is not the host of the request's target"),
        _ => Ok(None),
    }
}

/// A host in lower case and its port, the scheme's own where there is none. User information is no part of one.
fn place(authority: &Authority, scheme: Option<&Scheme>) -> Option<(String, u16)> {
    let host = authority.host();
    let default = if scheme == Some(&Scheme::HTTPS) { 443 } else { 80 };
    let port = if authority.as_str() == host {
        default
    } else {
        authority.port_u16()?
    };
    let plain = !authority.as_str().contains('@') && is_name(host);
    plain.then(|| (host.to_ascii_lowercase(), port))
}

/// A name or an address as there are any. The grammar (RFC 3986 §3.2.2) allows `a,b` too, which a proxy may read as two.
fn is_name(host: &str) -> bool {
    let of = |host: &str, marks: &[u8]| {
        !host.is_empty()
            && host
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || marks.contains(&byte))
    };
    match host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
        Some(address) => of(address, b":."),
        None => of(host, b"-._"),
    }
}

#[cfg(test)]
mod tests {
    use axum::body::Body;

    use super::*;

    fn judged(version: Version, target: &str, hosts: &[&str]) -> Result<Option<String>, &'static str> {
        let mut request = Request::builder().version(version).uri(target);
        for value in hosts {
            request = request.header(header::HOST, *value);
        }
        let found = host(&request.body(Body::empty()).unwrap())?;
        Ok(found.map(|value| value.to_str().unwrap().to_owned()))
    }

    #[test]
    fn one_host_and_only_one() {
        let h1 = |target, hosts: &[&str]| judged(Version::HTTP_11, target, hosts);
        for good in [
            "a.example",
            "a.example:8080",
            "127.0.0.1:80",
            "[::1]:8080",
            "[::1]",
        ] {
            assert_eq!(h1("/", &[good]), Ok(None), "{good}");
        }
        for bad in [
            "",
            "a b",
            "u@a.example",
            "a.example:x",
            "a.example:99999",
            "a.example/x",
            "a,b",
            "http://a.example",
        ] {
            assert!(h1("/", &[bad]).is_err(), "{bad}");
        }
        assert!(h1("/", &[]).is_err());
        assert!(h1("/", &["a.example", "a.example"]).is_err());
        assert_eq!(judged(Version::HTTP_10, "/", &[]), Ok(None));
    }

    #[test]
    fn a_target_with_a_host_agrees_with_the_header() {
        let h1 = |target, hosts: &[&str]| judged(Version::HTTP_11, target, hosts);
        assert_eq!(h1("http://a.example/x", &["A.example:80"]), Ok(None));
        assert_eq!(h1("https://a.example:443/x", &["a.example"]), Ok(None));
        for other in ["b.example", "a.example:81", "a.example."] {
            assert!(h1("http://a.example/x", &[other]).is_err(), "{other}");
        }
        assert!(h1("http://u@a.example/x", &["a.example"]).is_err());
    }

    #[test]
    fn http2_gets_its_host_header() {
        let h2 = |hosts: &[&str]| judged(Version::HTTP_2, "http://a.example:8080/x", hosts);
        assert_eq!(h2(&[]), Ok(Some("a.example:8080".to_owned())));
        assert_eq!(h2(&["a.example:8080"]), Ok(None));
        assert!(h2(&["b.example"]).is_err());
    }
}
