//! The questions of a front proxy, told to every door with the same words.

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
/// What a client sends beside its token.
const SENT: [(&str, &str); 3] = [
    ("accept", "application/json"),
    ("user-agent", "benchmark"),
    ("x-request-id", "0199a3f2-7c1e-7d00-8000-3d5c1a2b4c6d"),
];

/// As the HTTP door is asked.
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

/// As Envoy asks over gRPC.
pub(super) fn over_grpc(token: &str) -> Result<Request<Full<Bytes>>, http::Error> {
    Request::builder()
        .method(Method::POST)
        .uri("http://gateway/envoy.service.auth.v3.Authorization/Check")
        .header(header::CONTENT_TYPE, "application/grpc")
        .header(header::TE, "trailers")
        .body(Full::new(framed(&message(token).encode_to_vec())))
}

/// With `encode_raw_headers`, as in `deploy/envoy`.
fn message(token: &str) -> CheckRequest {
    let own = ("authorization", format!("Bearer {token}"));
    let sent = SENT.map(|(name, value)| (name, value.to_owned()));
    let headers = [own].into_iter().chain(sent).map(|(name, value)| HeaderValue {
        key: name.to_owned(),
        raw_value: Bytes::from(value),
        ..HeaderValue::default()
    });
    let asked = HttpRequest {
        method: "GET".to_owned(),
        path: PATH.to_owned(),
        host: HOST.to_owned(),
        scheme: "https".to_owned(),
        header_map: Some(HeaderMap {
            headers: headers.collect(),
        }),
        ..HttpRequest::default()
    };
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
            request: Some(maxlab_auth_ext_authz::proto::Request { http: Some(asked) }),
            ..AttributeContext::default()
        }),
    }
}

/// A message with the prefix of gRPC: not compressed, and its length.
pub(in crate::verify) fn framed(message: &[u8]) -> Bytes {
    let mut frame = BytesMut::with_capacity(message.len() + 5);
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
        let told = |name: &str| over_http.headers()[name].to_str().unwrap().to_owned();
        let attributes = message("token").attributes.unwrap();
        let asked = attributes.request.unwrap().http.unwrap();
        let address = attributes
            .source
            .unwrap()
            .address
            .unwrap()
            .socket_address
            .unwrap();
        assert_eq!(told("x-forwarded-method"), asked.method);
        assert_eq!(told("x-forwarded-host"), asked.host);
        assert_eq!(told("x-forwarded-uri"), asked.path);
        assert_eq!(told("x-forwarded-proto"), asked.scheme);
        assert_eq!(told("x-forwarded-for"), address.address);
        let headers = asked.header_map.unwrap().headers;
        assert!(
            headers
                .iter()
                .all(|field| told(&field.key).as_bytes() == field.raw_value)
        );
        // Beside these there is the door's own host.
        assert_eq!(headers.len() + 6, over_http.headers().len());
    }

    #[test]
    fn a_message_is_preceded_by_its_length() {
        assert_eq!(framed(b"abc").as_ref(), b"\0\0\0\0\x03abc");
    }
}
