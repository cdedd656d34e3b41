//! What front proxies say about a request: the first line is the peer's address, each other one a header field.

use std::net::{IpAddr, SocketAddr};

use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Request, header};
use ipnet::IpNet;
use maxlab_auth::http::forward_auth::Original;
use maxlab_auth::http::peer::{PeerAddr, client_address};
use maxlab_auth_core::policy::{Asked, CanonicalHost};

/// Fields that say the same thing, of which two that differ say nothing.
const SAME: [&[&str]; 4] = [
    &["x-forwarded-method", "x-original-method"],
    &["x-forwarded-proto"],
    &["x-forwarded-host", "x-original-host"],
    &["x-forwarded-uri", "x-original-uri", "x-original-url"],
];

/// The body of the target.
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
    let believed = peer.is_trusted(&trusted);
    assert_eq!(believed, at(address.to_canonical()).is_trusted(&trusted));
    let client = client_address(peer, &parts.headers, &trusted);
    assert!(
        believed || client == address.to_canonical(),
        "a stranger names another client"
    );
    assert_eq!(client, client.to_canonical());
    match Original::read(&parts, &trusted) {
        Ok(original) if believed => told(&original, &parts),
        Ok(original) => {
            let said = (
                original.method_is_told,
                original.scheme,
                original.host,
                original.uri,
            );
            assert_eq!(said, (false, None, None, None), "a stranger is believed");
        }
        Err(_) => assert!(believed, "a stranger's words are read"),
    }
}

fn field(line: &[u8]) -> Option<(HeaderName, HeaderValue)> {
    let at = line.iter().position(|byte| *byte == b':')?;
    let name = HeaderName::from_bytes(&line[..at]).ok()?;
    Some((name, HeaderValue::from_bytes(line[at + 1..].trim_ascii()).ok()?))
}

fn told(original: &Original, parts: &Parts) {
    for names in SAME {
        let mut said: Vec<_> = names
            .iter()
            .flat_map(|name| parts.headers.get_all(*name))
            .collect();
        let fields = names
            .iter()
            .filter(|name| parts.headers.contains_key(**name))
            .count();
        assert_eq!(said.len(), fields, "one of two fields of a name is believed");
        said.dedup();
        assert!(
            said.len() <= 1 && said.iter().all(|value| !value.is_empty()),
            "{said:?}"
        );
    }
    let one = |names: &[&str]| names.iter().find_map(|name| parts.headers.get(*name));
    assert_eq!(original.method_is_told, one(SAME[0]).is_some());
    assert!(matches!(
        original.scheme.as_deref(),
        None | Some("http" | "https")
    ));
    assert_eq!(
        original.host.as_ref().map(String::as_bytes),
        one(SAME[2]).map(HeaderValue::as_bytes)
    );
    assert_eq!(
        original.uri.as_ref().map(String::as_bytes),
        one(SAME[3]).map(HeaderValue::as_bytes)
    );
    canonical(original);
    login(original, &parts.headers);
}

/// Its canonical form, where it has one, is of one host, and reading it again gives the same.
fn canonical(original: &Original) {
    let target = original.uri.as_deref().map(str::as_bytes);
    let method = original.method_is_told.then_some(original.method.as_str());
    let Ok(asked) = Asked::read(method, original.host.as_deref(), target) else {
        return;
    };
    let Some(host) = asked.host() else { return };
    assert_eq!(CanonicalHost::parse(host.as_str()).as_ref(), Ok(host));
    assert!(
        !host.as_str().contains([',', '@', '/', ' ', '%'])
            && *host.as_str() == host.as_str().to_ascii_lowercase()
    );
    if let Some(named) = &original.host {
        assert_eq!(
            CanonicalHost::parse(named).as_ref(),
            Ok(host),
            "two hosts are one"
        );
    }
}

/// The way to the login carries the wanted page whole, and nothing else of what was said.
fn login(original: &Original, headers: &HeaderMap) {
    let _ = original.is_navigation(headers);
    let Ok(response) = original.to_login("https://login.example/in?a=b") else {
        return;
    };
    let location = response.headers()[header::LOCATION]
        .to_str()
        .expect("a location is of ASCII");
    let query = location
        .strip_prefix("https://login.example/in?")
        .expect("it goes to the login");
    let pairs: Vec<_> = form_urlencoded::parse(query.as_bytes()).into_owned().collect();
    assert_eq!(pairs.first(), Some(&("a".to_owned(), "b".to_owned())));
    let wanted = match (&original.scheme, &original.host, &original.uri) {
        (Some(scheme), Some(host), Some(uri)) if uri.starts_with('/') => {
            Some(format!("{scheme}://{host}{uri}"))
        }
        _ => None,
    };
    assert_eq!(pairs.get(1).map(|(_, value)| value), wanted.as_ref());
    assert!(pairs.len() <= 2);
}
