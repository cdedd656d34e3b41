//! Headers of front proxies: the first line of the input is the peer's address, each other
//! line a header field.

use std::net::{IpAddr, SocketAddr};

use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Request, header};
use ipnet::IpNet;
use maxlab_auth::http::app_state::LoginAddress;
use maxlab_auth::http::forward_auth::OriginalRequest;
use maxlab_auth::http::peer::{PeerAddr, client_address};
use maxlab_auth_core::policy::{CanonicalHost, PolicyRequest, TargetUrl};

/// Groups of fields with the same meaning. Two that differ are refused.
const SAME: [&[&str]; 4] = [
    &["x-forwarded-method", "x-original-method"],
    &["x-forwarded-proto"],
    &["x-forwarded-host", "x-original-host"],
    &["x-forwarded-uri", "x-original-uri", "x-original-url"],
];

/// Body of the target.
pub fn run(data: &[u8]) {
    let mut lines = data.split(|byte| *byte == b'\n');
    let first = lines
        .next()
        .and_then(|line| std::str::from_utf8(line).ok()?.parse().ok());
    let address: IpAddr = first.unwrap_or(IpAddr::from([10, 0, 0, 1]));
    let at = |address| PeerAddr::Tcp(SocketAddr::new(address, 4711));
    let peer = at(address);
    let mut parts = Request::new(()).into_parts().0;
    parts.extensions.insert(peer);
    for (name, value) in lines.take(32).filter_map(field) {
        parts.headers.append(name, value);
    }
    let trusted: Vec<IpNet> = ["10.0.0.0/8", "fd00::/8"]
        .iter()
        .map(|net| net.parse().expect("a network"))
        .collect();
    let is_trusted = peer.is_trusted(&trusted);
    // An IPv4 address may arrive in its IPv6 form. Both are the same peer.
    assert_eq!(is_trusted, at(address.to_canonical()).is_trusted(&trusted));
    let client = client_address(peer, &parts.headers, &trusted);
    assert!(
        is_trusted || client == address.to_canonical(),
        "an untrusted peer names another client"
    );
    assert_eq!(client, client.to_canonical());
    match OriginalRequest::from_parts(&parts, &trusted) {
        Ok(original) if is_trusted => check_forwarded(&original, &parts),
        Ok(original) => {
            let forwarded = (
                original.method_is_forwarded,
                original.scheme,
                original.host,
                original.uri,
            );
            assert_eq!(
                forwarded,
                (false, None, None, None),
                "an untrusted peer is believed"
            );
        }
        Err(_) => assert!(is_trusted, "headers of an untrusted peer are read"),
    }
}

fn field(line: &[u8]) -> Option<(HeaderName, HeaderValue)> {
    let at = line.iter().position(|byte| *byte == b':')?;
    let name = HeaderName::from_bytes(&line[..at]).ok()?;
    Some((name, HeaderValue::from_bytes(line[at + 1..].trim_ascii()).ok()?))
}

fn check_forwarded(original: &OriginalRequest, parts: &Parts) {
    for names in SAME {
        let mut values: Vec<_> = names
            .iter()
            .flat_map(|name| parts.headers.get_all(*name))
            .collect();
        let fields = names
            .iter()
            .filter(|name| parts.headers.contains_key(**name))
            .count();
        assert_eq!(values.len(), fields, "one of two fields of a name is believed");
        values.dedup();
        assert!(
            values.len() <= 1 && values.iter().all(|value| !value.is_empty()),
            "{values:?}"
        );
    }
    let one = |names: &[&str]| names.iter().find_map(|name| parts.headers.get(*name));
    assert_eq!(original.method_is_forwarded, one(SAME[0]).is_some());
    assert!(matches!(
        original.scheme.as_deref(),
        None | Some("http" | "https")
    ));
    let target = one(SAME[3]).map(HeaderValue::as_bytes);
    // A whole URL is split, and its host counts if no other header names one.
    let url = target.and_then(|target| TargetUrl::split(target).ok().flatten());
    let host = one(SAME[2]).map(HeaderValue::as_bytes);
    assert_eq!(
        original.host.as_ref().map(String::as_bytes),
        host.or(url.map(|url| url.authority.as_bytes()))
    );
    let uri = match url.map(|url| (url.rest, url.rest.first())) {
        None | Some((_, Some(b'?'))) => target,
        Some((_, None)) => Some(&b"/"[..]),
        Some((rest, Some(_))) => Some(rest),
    };
    assert_eq!(original.uri.as_deref(), uri);
    canonical(original);
    login(original, &parts.headers);
}

/// Checks that a canonical form has one host, and that reading it again changes nothing.
fn canonical(original: &OriginalRequest) {
    let target = original.uri.as_deref();
    let method = original.method_is_forwarded.then_some(original.method.as_str());
    let Ok(request) = PolicyRequest::parse(method, original.host.as_deref(), target) else {
        return;
    };
    let Some(host) = request.host() else { return };
    assert_eq!(CanonicalHost::parse(host.as_str()).as_ref(), Ok(host));
    assert!(
        !host.as_str().contains([',', '@', '/', ' ', '%'])
            && *host.as_str() == host.as_str().to_ascii_lowercase()
    );
    if let Some(named) = &original.host {
        assert_eq!(
            CanonicalHost::parse(named).as_ref(),
            Ok(host),
            "two hosts are read as one"
        );
    }
}

/// Checks that the redirect to the login contains the requested page completely, and nothing
/// else of the request.
fn login(original: &OriginalRequest, headers: &HeaderMap) {
    // For panics only: either answer is fine.
    let _ = original.is_navigation(headers);
    let address = LoginAddress {
        url: "https://login.example/in?a=b".to_owned(),
        is_own: false,
    };
    let Ok(response) = original.login_redirect(&address) else {
        return;
    };
    let location = response.headers()[header::LOCATION]
        .to_str()
        .expect("a location is ASCII");
    let query = location
        .strip_prefix("https://login.example/in?")
        .expect("the redirect leads to the login");
    let pairs: Vec<_> = form_urlencoded::parse(query.as_bytes()).into_owned().collect();
    assert_eq!(pairs.first(), Some(&("a".to_owned(), "b".to_owned())));
    let page = match (&original.scheme, &original.host, &original.uri) {
        (Some(scheme), Some(host), Some(uri)) if uri.starts_with(b"/") => {
            let encode = |byte: &u8| match byte {
                0x80.. => format!("%{byte:02X}"),
                _ => char::from(*byte).to_string(),
            };
            let uri: String = uri.iter().map(encode).collect();
            Some(format!("{scheme}://{host}{uri}"))
        }
        _ => None,
    };
    assert_eq!(pairs.get(1).map(|(_, value)| value), page.as_ref());
    assert!(pairs.len() <= 2);
}
