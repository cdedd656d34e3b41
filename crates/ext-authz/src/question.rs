//! What Envoy asks, as the request that a front proxy sends to `/auth/verify`.

use std::net::IpAddr;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, header};

use crate::proto::{AttributeContext, CheckRequest, HttpRequest};

/// Where the question goes.
const PATH: &str = "/auth/verify";
/// The extension that holds a whole query. Every other name is one of its parameters, and what is no requirement is refused by
/// whoever decides: a misspelt one must not be one less.
const REQUIREMENTS: &str = "require";

/// What the client said of this is not asked: it is told here, or not at all.
pub(crate) const TOLD: [&str; 9] = [
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-method",
    "x-forwarded-proto",
    "x-forwarded-uri",
    "x-original-host",
    "x-original-method",
    "x-original-uri",
    "x-original-url",
];

/// What belongs to the client's connection or to its body, and not to the question.
pub(crate) const CONNECTION: [&str; 9] = [
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

/// Why a question cannot be understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Unreadable(pub(crate) &'static str);

/// The question, as `/auth/verify` is asked it.
///
/// # Errors
/// It is of no HTTP request, or tells of one that there cannot be.
pub(crate) fn read(question: CheckRequest) -> Result<Request<()>, Unreadable> {
    let attributes = question.attributes.ok_or(Unreadable("there are no attributes"))?;
    let query = requirements(&attributes);
    let client = client(&attributes);
    let http = attributes.request.and_then(|request| request.http);
    let http = http.ok_or(Unreadable("it is of no HTTP request"))?;
    let target = if query.is_empty() {
        PATH.to_owned()
    } else {
        format!("{PATH}?{query}")
    };
    let mut request = Request::new(());
    *request.method_mut() = Method::GET;
    *request.uri_mut() = target
        .parse()
        .map_err(|_| Unreadable("the context extensions cannot be written into a query"))?;
    *request.headers_mut() = headers(http, client)?;
    Ok(request)
}

/// The requirements that the route's configuration names: `role`, `group` and so on, each as in the query of
/// `/auth/verify`, and `require` with a whole query for what must be named twice.
pub(crate) fn requirements(attributes: &AttributeContext) -> String {
    let mut named: Vec<_> = attributes.context_extensions.iter().collect();
    named.sort();
    let mut query = form_urlencoded::Serializer::new(String::new());
    for (name, value) in named {
        if name == REQUIREMENTS {
            query.extend_pairs(form_urlencoded::parse(value.as_bytes()));
        } else {
            query.append_pair(name, value);
        }
    }
    query.finish()
}

/// The client's address, as Envoy found it.
pub(crate) fn client(attributes: &AttributeContext) -> Option<IpAddr> {
    let address = attributes.source.as_ref()?.address.as_ref()?;
    address.socket_address.as_ref()?.address.parse().ok()
}

fn headers(http: HttpRequest, client: Option<IpAddr>) -> Result<HeaderMap, Unreadable> {
    let mut headers = fields(
        http.headers,
        http.header_map.map(|map| map.headers).unwrap_or_default(),
    )?;
    for name in TOLD {
        headers.remove(name);
    }
    for name in CONNECTION {
        headers.remove(name);
    }
    let told = [
        ("x-forwarded-method", http.method),
        ("x-forwarded-host", http.host),
        ("x-forwarded-uri", http.path),
        ("x-forwarded-proto", http.scheme),
        (
            "x-forwarded-for",
            client.map(|ip| ip.to_string()).unwrap_or_default(),
        ),
    ];
    for (name, value) in told {
        // What Envoy does not tell is not told; whoever decides refuses where it is needed.
        if !value.is_empty() {
            let value = HeaderValue::from_str(&value)
                .map_err(|_| Unreadable("what it tells of the request is no header value"))?;
            headers.insert(name, value);
        }
    }
    // The door's own name: the host of the request is told above.
    headers.insert(header::HOST, HeaderValue::from_static("localhost"));
    Ok(headers)
}

/// The client's header fields, from whichever of the two forms Envoy sent.
fn fields(
    joined: impl IntoIterator<Item = (String, String)>,
    single: Vec<crate::proto::HeaderValue>,
) -> Result<HeaderMap, Unreadable> {
    let joined = joined.into_iter().map(|(name, value)| (name, Bytes::from(value)));
    let single = single.into_iter().map(|field| {
        let value = if field.raw_value.is_empty() {
            Bytes::from(field.value)
        } else {
            field.raw_value
        };
        (field.key, value)
    });
    let mut headers = HeaderMap::new();
    for (name, value) in joined.chain(single) {
        // HTTP/2's pseudo-header fields stand among them.
        if name.starts_with(':') {
            continue;
        }
        let name =
            HeaderName::from_bytes(name.as_bytes()).map_err(|_| Unreadable("a header's name is none"))?;
        let value =
            HeaderValue::from_maybe_shared(value).map_err(|_| Unreadable("a header's value is none"))?;
        let _ = headers
            .try_append(name, value)
            .map_err(|_| Unreadable("there are too many headers"))?;
    }
    Ok(headers)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto;

    fn asked(http: HttpRequest, extensions: &[(&str, &str)]) -> Result<Request<()>, Unreadable> {
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
        read(CheckRequest {
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
        let request = asked(spoofed, &[]).unwrap();
        let told = [
            ("x-forwarded-for", "198.51.100.7"),
            ("x-forwarded-method", "DELETE"),
            ("x-forwarded-uri", "/a?b=c"),
            ("x-forwarded-host", "app.example"),
            ("x-forwarded-proto", "https"),
            ("authorization", "Bearer t"),
            ("host", "localhost"),
        ];
        for (name, value) in told {
            assert_eq!(values(&request, name), [value.as_bytes()], "{name}");
        }
        assert_eq!(request.headers().len(), told.len(), "{:?}", request.headers());
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
        let request = asked(silent, &[]).unwrap();
        for name in ["x-forwarded-uri", "x-forwarded-method", "x-forwarded-host"] {
            assert!(values(&request, name).is_empty(), "{name}");
        }
    }

    #[test]
    fn requirements_come_from_the_route_and_nothing_is_left_out() {
        let query = |extensions| {
            asked(http(), extensions)
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
            values(&asked(raw, &[]).unwrap(), "cookie"),
            [&b"a=1"[..], b"b=\xff"]
        );
    }

    #[test]
    fn what_is_no_request_is_unreadable() {
        assert!(read(CheckRequest { attributes: None }).is_err());
        let nothing = CheckRequest {
            attributes: Some(AttributeContext::default()),
        };
        assert!(read(nothing).is_err());
        for faulty in [
            with_headers(&[("a b", "c")]),
            with_headers(&[("a", "b\nc: d")]),
            HttpRequest {
                path: "/a\r\nb: c".to_owned(),
                ..http()
            },
        ] {
            assert!(asked(faulty.clone(), &[]).is_err(), "{faulty:?}");
        }
    }
}
