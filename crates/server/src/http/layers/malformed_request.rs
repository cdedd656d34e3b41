//! Refuses requests whose host is ambiguous, whose target is too long, or whose body is coded in an unknown way.

use axum::extract::Request;
use axum::http::uri::{Authority, Scheme};
use axum::http::{HeaderValue, Version, header};
use axum::middleware::Next;
use axum::response::Response;
use maxlab_auth_core::error_code::ErrorCode;

use crate::http::error::problem_response;

/// Longest request target, in bytes.
const MAX_URI_LEN: usize = 8 * 1024;

/// Refuses a request whose target is too long (414), or whose host is missing, doubled, malformed or not the
/// host of its target (400): a proxy and the gateway could each believe another host (RFC 9112 §3.2).
///
/// A body with another transfer coding than `chunked` is answered 501, and the connection is closed (RFC 9112
/// §6.1): its bytes would be read as if they were the content.
///
/// On HTTP/2 the host comes as `:authority`. It is copied to `Host`, so that handlers find it in one place.
pub(super) async fn reject_malformed(mut request: Request, next: Next) -> Response {
    let uri = request.uri();
    // Not `uri.to_string()`: that would build the whole text of every request.
    let length = uri.authority().map_or(0, |authority| authority.as_str().len())
        + uri.path_and_query().map_or(0, |target| target.as_str().len());
    if length > MAX_URI_LEN {
        return problem_response(ErrorCode::UriTooLong, ErrorCode::UriTooLong.detail());
    }
    if !has_known_transfer_coding(&request) {
        let code = ErrorCode::UnsupportedTransferCoding;
        let mut response = problem_response(code, code.detail());
        let close = HeaderValue::from_static("close");
        response.headers_mut().insert(header::CONNECTION, close);
        return response;
    }
    match missing_host(&request) {
        Ok(Some(host)) => {
            request.headers_mut().insert(header::HOST, host);
        }
        Ok(None) => {}
        Err(detail) => {
            return problem_response(ErrorCode::InvalidRequest, detail);
        }
    }
    next.run(request).await
}

/// Returns `true` without `Transfer-Encoding`, and for `chunked` once. The server underneath removes only the
/// last `chunked`, and would accept `gzip, chunked` and `chunked, chunked`.
fn has_known_transfer_coding(request: &Request) -> bool {
    let mut fields = request.headers().get_all(header::TRANSFER_ENCODING).iter();
    match (fields.next(), fields.next()) {
        (None, _) => true,
        (Some(coding), None) => coding.as_bytes().trim_ascii().eq_ignore_ascii_case(b"chunked"),
        (Some(_), Some(_)) => false,
    }
}

/// Returns the `Host` that the request lacks, from its target; `None` if there is a valid `Host`.
///
/// # Errors
/// The host is missing, doubled, malformed, or not the host of the target. The text is the `detail`
/// of the answer.
fn missing_host(request: &Request) -> Result<Option<HeaderValue>, &'static str> {
    const MALFORMED: &str = "The Host header must be a host with an optional port";
    let mut fields = request.headers().get_all(header::HOST).iter();
    let field = fields.next();
    if fields.next().is_some() {
        return Err("There is more than one Host header");
    }
    // Checked even if there is a Host header: the proxy may have routed by the target.
    let target = match request.uri().authority() {
        Some(authority) => {
            Some(host_and_port(authority, request.uri().scheme()).ok_or("The target's host is malformed")?)
        }
        None => None,
    };
    let Some(field) = field else {
        return match request.uri().authority() {
            Some(authority) => Ok(HeaderValue::from_str(authority.as_str()).ok()),
            // HTTP/1.0 needs no Host header (RFC 9112 §3.2).
            None if request.version() < Version::HTTP_11 => Ok(None),
            None => Err("There is no Host header"),
        };
    };
    let authority = Authority::try_from(field.as_bytes()).map_err(|_| MALFORMED)?;
    let named = host_and_port(&authority, request.uri().scheme()).ok_or(MALFORMED)?;
    match target {
        Some(target) if target != named => Err("The Host header is not the host of the request target"),
        _ => Ok(None),
    }
}

/// Returns the host in lower case and the port, by default that of the scheme. `None` for an authority with
/// user information or a malformed host.
fn host_and_port(authority: &Authority, scheme: Option<&Scheme>) -> Option<(String, u16)> {
    let host = authority.host();
    // A request in origin form has no scheme. Both sides of the comparison then get the same default.
    let default = if scheme == Some(&Scheme::HTTPS) { 443 } else { 80 };
    let port = if authority.as_str() == host {
        default
    } else {
        authority.port_u16()?
    };
    let valid = !authority.as_str().contains('@') && is_host_name(host);
    valid.then(|| (host.to_ascii_lowercase(), port))
}

/// Returns `true` for a DNS name or an IP address in brackets. The grammar (RFC 3986 §3.2.2) also allows
/// `a,b`, which a proxy may read as two hosts.
fn is_host_name(host: &str) -> bool {
    let consists_of = |host: &str, punctuation: &[u8]| {
        !host.is_empty()
            && host
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || punctuation.contains(&byte))
    };
    match host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
        Some(address) => consists_of(address, b":."),
        None => consists_of(host, b"-._"),
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
        let found = missing_host(&request.body(Body::empty()).unwrap())?;
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
