//! Translates Envoy's check into the request that a front proxy sends to `/auth/verify`.

use std::net::IpAddr;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, header};
use maxlab_auth_core::access::{FORWARDED_FOR, FORWARDED_HEADERS, ForwardedAttribute};

use crate::proto::{AttributeContext, CheckRequest, HttpRequest};

/// Path of the request.
const VERIFY_PATH: &str = "/auth/verify";
/// Name of the context extension that contains a whole query. Every other name becomes one parameter of the
/// query.
// Unknown names are passed on, and `/auth/verify` refuses them: a misspelt requirement must not be dropped.
const REQUIREMENTS_EXTENSION: &str = "require";

/// Headers of the client's connection or body, which the request to `/auth/verify` does not have.
pub(crate) const CONNECTION_HEADERS: [&str; 9] = [
    "connection",
    "content-length",
    "expect",
    "host",
    "keep-alive",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// Reason why a check is invalid.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct InvalidCheckRequest(pub(crate) &'static str);

/// Returns the check as a request to `/auth/verify`.
///
/// # Errors
/// [`InvalidCheckRequest`] if the check has no HTTP request, or a text that cannot be part of one.
pub(crate) fn to_verify_request(check: CheckRequest) -> Result<Request<()>, InvalidCheckRequest> {
    let attributes = check
        .attributes
        .ok_or(InvalidCheckRequest("the check has no attributes"))?;
    // Both before `request` is moved out of the attributes.
    let query = requirements_query(&attributes);
    let client = client_address(&attributes);
    let http = attributes.request.and_then(|request| request.http);
    let http = http.ok_or(InvalidCheckRequest("the check has no HTTP request"))?;
    let target = if query.is_empty() {
        VERIFY_PATH.to_owned()
    } else {
        format!("{VERIFY_PATH}?{query}")
    };
    let mut request = Request::new(());
    *request.method_mut() = Method::GET;
    *request.uri_mut() = target
        .parse()
        .map_err(|_| InvalidCheckRequest("the context extensions are too long for a query"))?;
    *request.headers_mut() = verify_headers(http, client)?;
    Ok(request)
}

/// Returns the requirements from the route's configuration as a query: `role`, `group` and so on, each as in
/// the query of `/auth/verify`, and `require` with a whole query, in which a name may occur twice.
pub(crate) fn requirements_query(attributes: &AttributeContext) -> String {
    let mut extensions: Vec<_> = attributes.context_extensions.iter().collect();
    // A map has no order. Sorted, one configuration always gives one query.
    extensions.sort();
    let mut query = form_urlencoded::Serializer::new(String::new());
    for (name, value) in extensions {
        if name == REQUIREMENTS_EXTENSION {
            query.extend_pairs(form_urlencoded::parse(value.as_bytes()));
        } else {
            query.append_pair(name, value);
        }
    }
    query.finish()
}

/// Returns the client's address as Envoy determined it; `None` for a Unix socket.
pub(crate) fn client_address(attributes: &AttributeContext) -> Option<IpAddr> {
    let address = attributes.source.as_ref()?.address.as_ref()?;
    address.socket_address.as_ref()?.address.parse().ok()
}

fn verify_headers(http: HttpRequest, client: Option<IpAddr>) -> Result<HeaderMap, InvalidCheckRequest> {
    let mut headers = client_fields(
        http.headers,
        http.header_map.map(|map| map.headers).unwrap_or_default(),
    )?;
    // Only Envoy may describe the request.
    for name in FORWARDED_HEADERS {
        headers.remove(name);
    }
    for name in CONNECTION_HEADERS {
        headers.remove(name);
    }
    let forwarded = [
        (ForwardedAttribute::Method.name(), http.method),
        (ForwardedAttribute::Host.name(), http.host),
        (ForwardedAttribute::Uri.name(), http.path),
        (ForwardedAttribute::Scheme.name(), http.scheme),
        (FORWARDED_FOR, client.map(|ip| ip.to_string()).unwrap_or_default()),
    ];
    for (name, value) in forwarded {
        // An empty text means that Envoy did not send it. `/auth/verify` refuses the check if it needs the
        // header.
        if !value.is_empty() {
            let value = HeaderValue::from_str(&value).map_err(|_| {
                InvalidCheckRequest("method, host, path or scheme contains a control character")
            })?;
            headers.insert(name, value);
        }
    }
    // A fixed name for the gateway itself. The host of the client's request is in X-Forwarded-Host.
    headers.insert(header::HOST, HeaderValue::from_static("localhost"));
    Ok(headers)
}

/// Returns the client's header fields from both forms in which Envoy may send them.
fn client_fields(
    joined: impl IntoIterator<Item = (String, String)>,
    single: Vec<crate::proto::HeaderValue>,
) -> Result<HeaderMap, InvalidCheckRequest> {
    let joined = joined.into_iter().map(|(name, value)| (name, Bytes::from(value)));
    let single = single.into_iter().map(|field| {
        // Envoy sets one of the two. If both are empty, the field is empty.
        let value = if field.raw_value.is_empty() {
            Bytes::from(field.value)
        } else {
            field.raw_value
        };
        (field.key, value)
    });
    let mut headers = HeaderMap::new();
    for (name, value) in joined.chain(single) {
        // HTTP/2's pseudo-header fields. Envoy sends them among the others.
        if name.starts_with(':') {
            continue;
        }
        let name = HeaderName::from_bytes(name.as_bytes())
            .map_err(|_| InvalidCheckRequest("a header has an invalid name"))?;
        let value = HeaderValue::from_maybe_shared(value)
            .map_err(|_| InvalidCheckRequest("a header has an invalid value"))?;
        // `append` panics beyond 32,768 fields. The returned flag says whether the name is new, which is of
        // no use here.
        let _ = headers
            .try_append(name, value)
            .map_err(|_| InvalidCheckRequest("the request has too many headers"))?;
    }
    Ok(headers)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto;

    fn verify_request(
        http: HttpRequest,
        extensions: &[(&str, &str)],
    ) -> Result<Request<()>, InvalidCheckRequest> {
        let context_extensions = extensions
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        let address = proto::SocketAddress {
            address: "198.51.100.7".to_owned(),
            port_value: 4711,
        };
        let source = proto::Peer {
            address: Some(proto::Address {
                socket_address: Some(address),
            }),
        };
        to_verify_request(CheckRequest {
            attributes: Some(AttributeContext {
                source: Some(source),
                request: Some(proto::Request { http: Some(http) }),
                context_extensions,
            }),
        })
    }

    fn http() -> HttpRequest {
        HttpRequest {
            method: "DELETE".to_owned(),
            path: "/a?b=c".to_owned(),
            host: "app.example".to_owned(),
            scheme: "https".to_owned(),
            ..HttpRequest::default()
        }
    }

    fn with_headers(fields: &[(&str, &str)]) -> HttpRequest {
        let fields = fields
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        HttpRequest {
            headers: fields.collect(),
            ..http()
        }
    }

    fn values<'r>(request: &'r Request<()>, name: &str) -> Vec<&'r [u8]> {
        let values = request.headers().get_all(name).iter();
        values.map(HeaderValue::as_bytes).collect()
    }

    #[test]
    fn what_envoy_tells_stands_in_the_place_of_the_clients_word() {
        let spoofed = with_headers(&[
            (":authority", "app.example"),
            ("x-forwarded-for", "10.0.0.1"),
            ("x-forwarded-method", "GET"),
            ("x-original-method", "GET"),
            ("x-forwarded-uri", "/public"),
            ("x-original-uri", "/public"),
            ("x-original-url", "/public"),
            ("x-forwarded-host", "other.example"),
            ("x-original-host", "other.example"),
            ("content-length", "7"),
            ("transfer-encoding", "chunked"),
            ("authorization", "Bearer t"),
        ]);
        let request = verify_request(spoofed, &[]).unwrap();
        let expected = [
            ("x-forwarded-for", "198.51.100.7"),
            ("x-forwarded-method", "DELETE"),
            ("x-forwarded-uri", "/a?b=c"),
            ("x-forwarded-host", "app.example"),
            ("x-forwarded-proto", "https"),
            ("authorization", "Bearer t"),
            ("host", "localhost"),
        ];
        for (name, value) in expected {
            assert_eq!(values(&request, name), [value.as_bytes()], "{name}");
        }
        assert_eq!(request.headers().len(), expected.len(), "{:?}", request.headers());
        assert_eq!(
            (request.method(), request.uri().to_string()),
            (&Method::GET, "/auth/verify".to_owned())
        );
    }

    #[test]
    fn what_envoy_does_not_tell_is_not_told_by_the_client() {
        let silent = HttpRequest {
            headers: [("x-forwarded-uri".to_owned(), "/public".to_owned())].into(),
            ..HttpRequest::default()
        };
        let request = verify_request(silent, &[]).unwrap();
        for name in ["x-forwarded-uri", "x-forwarded-method", "x-forwarded-host"] {
            assert!(values(&request, name).is_empty(), "{name}");
        }
    }

    #[test]
    fn requirements_come_from_the_route_and_nothing_is_left_out() {
        let query = |extensions| {
            verify_request(http(), extensions)
                .unwrap()
                .uri()
                .query()
                .map(str::to_owned)
        };
        assert_eq!(query(&[]), None);
        assert_eq!(
            query(&[("role", "admin,owner")]).as_deref(),
            Some("role=admin%2Cowner")
        );
        assert_eq!(
            query(&[("require", "role=a&role=b"), ("group", "x y&role=z")]).as_deref(),
            Some("group=x+y%26role%3Dz&role=a&role=b")
        );
        assert_eq!(
            query(&[("roles", "admin")]).as_deref(),
            Some("roles=admin"),
            "for the other side to refuse"
        );
        assert_eq!(query(&[("role", "")]).as_deref(), Some("role="));
    }

    #[test]
    fn raw_headers_stay_apart_and_need_not_be_text() {
        let field = |value: &'static [u8]| proto::HeaderValue {
            key: "cookie".to_owned(),
            value: String::new(),
            raw_value: Bytes::from_static(value),
        };
        let raw = HttpRequest {
            header_map: Some(proto::HeaderMap {
                headers: vec![field(b"a=1"), field(b"b=\xff")],
            }),
            ..http()
        };
        assert_eq!(
            values(&verify_request(raw, &[]).unwrap(), "cookie"),
            [&b"a=1"[..], b"b=\xff"]
        );
    }

    #[test]
    fn what_is_no_request_is_unreadable() {
        assert!(to_verify_request(CheckRequest { attributes: None }).is_err());
        let nothing = CheckRequest {
            attributes: Some(AttributeContext::default()),
        };
        assert!(to_verify_request(nothing).is_err());
        for faulty in [
            with_headers(&[("a b", "c")]),
            with_headers(&[("a", "b\nc: d")]),
            HttpRequest {
                path: "/a\r\nb: c".to_owned(),
                ..http()
            },
        ] {
            assert!(verify_request(faulty.clone(), &[]).is_err(), "{faulty:?}");
        }
    }
}
