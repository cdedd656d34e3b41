//! Requests of a front proxy, with the same content for every transport.

use bytes::{BufMut as _, Bytes, BytesMut};
use http::{Method, Request, header};
use http_body_util::Full;
use maxlab_auth_ext_authz::proto::{
    Address, AttributeContext, CheckRequest, HeaderMap, HeaderValue, HttpRequest, Peer, SocketAddress,
};
use prost::Message as _;

const HOST: &str = "app.example.test";
const PATH: &str = "/reports/2026?page=2";
const CLIENT: &str = "203.0.113.7";
/// Header fields that the client sends in addition to its token.
const SENT: [(&str, &str); 3] = [
    ("accept", "application/json"),
    ("user-agent", "benchmark"),
    ("x-request-id", "0199a3f2-7c1e-7d00-8000-3d5c1a2b4c6d"),
];

/// Builds the request over HTTP.
pub(super) fn over_http(token: &str) -> Result<Request<Full<Bytes>>, http::Error> {
    let mut request = Request::builder()
        .method(Method::GET)
        .uri("/auth/verify")
        .header(header::HOST, "gateway")
        .header(header::AUTHORIZATION, format!("Bearer {token}"))
        .header("x-forwarded-method", "GET")
        .header("x-forwarded-proto", "https")
        .header("x-forwarded-host", HOST)
        .header("x-forwarded-uri", PATH)
        .header("x-forwarded-for", CLIENT);
    for (name, value) in SENT {
        request = request.header(name, value);
    }
    request.body(Full::default())
}

/// Builds the request that Envoy sends over gRPC.
pub(super) fn over_grpc(token: &str) -> Result<Request<Full<Bytes>>, http::Error> {
    Request::builder()
        .method(Method::POST)
        .uri("http://gateway/envoy.service.auth.v3.Authorization/Check")
        .header(header::CONTENT_TYPE, "application/grpc")
        .header(header::TE, "trailers")
        .body(Full::new(framed(&message(token).encode_to_vec())))
}

/// Builds Envoy's message, with `encode_raw_headers` as in `deploy/envoy`.
fn message(token: &str) -> CheckRequest {
    let authorization = ("authorization", format!("Bearer {token}"));
    let sent = SENT.map(|(name, value)| (name, value.to_owned()));
    let headers = [authorization]
        .into_iter()
        .chain(sent)
        .map(|(name, value)| HeaderValue {
            key: name.to_owned(),
            raw_value: Bytes::from(value),
            ..HeaderValue::default()
        });
    let http_request = HttpRequest {
        method: "GET".to_owned(),
        path: PATH.to_owned(),
        host: HOST.to_owned(),
        scheme: "https".to_owned(),
        header_map: Some(HeaderMap {
            headers: headers.collect(),
        }),
        ..HttpRequest::default()
    };
    // The original client, which is `X-Forwarded-For` over HTTP.
    let client = SocketAddress {
        address: CLIENT.to_owned(),
        port_value: 50_000,
    };
    CheckRequest {
        attributes: Some(AttributeContext {
            source: Some(Peer {
                address: Some(Address {
                    socket_address: Some(client),
                }),
            }),
            request: Some(maxlab_auth_ext_authz::proto::Request {
                http: Some(http_request),
            }),
            ..AttributeContext::default()
        }),
    }
}

/// Adds gRPC's prefix to a message: five bytes, for "not compressed" and the length.
pub(in crate::verify) fn framed(message: &[u8]) -> Bytes {
    let mut frame = BytesMut::with_capacity(message.len() + 5);
    // Not compressed.
    frame.put_u8(0);
    frame.put_u32(u32::try_from(message.len()).unwrap_or(u32::MAX));
    frame.put_slice(message);
    frame.freeze()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_doors_are_told_the_same() {
        let over_http = over_http("token").unwrap();
        let field = |name: &str| over_http.headers()[name].to_str().unwrap().to_owned();
        let attributes = message("token").attributes.unwrap();
        let request = attributes.request.unwrap().http.unwrap();
        let address = attributes
            .source
            .unwrap()
            .address
            .unwrap()
            .socket_address
            .unwrap();
        assert_eq!(field("x-forwarded-method"), request.method);
        assert_eq!(field("x-forwarded-host"), request.host);
        assert_eq!(field("x-forwarded-uri"), request.path);
        assert_eq!(field("x-forwarded-proto"), request.scheme);
        assert_eq!(field("x-forwarded-for"), address.address);
        let headers = request.header_map.unwrap().headers;
        assert!(
            headers
                .iter()
                .all(|header| field(&header.key).as_bytes() == header.raw_value)
        );
        // The five fields above, and the gateway's own host.
        assert_eq!(headers.len() + 6, over_http.headers().len());
    }

    #[test]
    fn a_message_is_preceded_by_its_length() {
        assert_eq!(framed(b"abc").as_ref(), b"\0\0\0\0\x03abc");
    }
}
