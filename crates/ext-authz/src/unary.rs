//! Form of a unary call: gRPC's content type, and exactly one message. Both services here are unary.

use axum::body::Body;
use axum::extract::Request;
use axum::middleware::Next;
use http::{HeaderMap, Response, StatusCode, header};
use http_body_util::{BodyExt as _, Full, Limited};
use tonic::{Code, Status};

use crate::frame::{GRPC_CONTENT_TYPE, PREFIX_BYTES};

/// Longest request of `grpc.health.v1.Health`, in bytes. It contains the name of one service.
const MAX_HEALTH_REQUEST_BYTES: usize = 4 * 1024;

/// Returns `true` if the content type is protobuf in gRPC's frames. `application/grpc+json` and similar are
/// other encodings.
pub(crate) fn is_grpc(head: &HeaderMap) -> bool {
    let kind = head.get(header::CONTENT_TYPE);
    // What Envoy sends: compared first, as bytes, because this runs on every check.
    if kind == Some(&GRPC_CONTENT_TYPE) {
        return true;
    }
    let Some(kind) = kind.and_then(|kind| kind.to_str().ok()) else {
        return false;
    };
    let essence = kind.split(';').next().unwrap_or_default().trim();
    ["application/grpc", "application/grpc+proto"]
        .iter()
        .any(|known| essence.eq_ignore_ascii_case(known))
}

/// Returns `true` if the body has anything after its first message.
pub(crate) fn has_trailing_data(body: &[u8]) -> bool {
    // An incomplete message is not this function's matter: tonic refuses it.
    let Some((prefix, rest)) = body.split_at_checked(PREFIX_BYTES) else {
        return false;
    };
    let [_, length @ ..] = prefix else { return false };
    // Neither fallback can occur (four bytes, and `usize` has at least 32 bits here). Both would mean "no
    // more data".
    let length = length.try_into().map(u32::from_be_bytes).unwrap_or(u32::MAX);
    rest.len() > usize::try_from(length).unwrap_or(usize::MAX)
}

/// Returns the status of a call with more than one message (gRPC calls it a cardinality violation).
pub(crate) fn too_many_messages() -> Status {
    // INTERNAL is what gRPC's own implementations answer to it.
    Status::new(
        Code::Internal,
        "the call has more than one message; send exactly one",
    )
}

/// Returns the answer to a call that is not gRPC: 415, as "gRPC over HTTP/2" requires.
pub(crate) fn unsupported_media_type<B: Default>() -> Response<B> {
    let mut response = Response::new(B::default());
    *response.status_mut() = StatusCode::UNSUPPORTED_MEDIA_TYPE;
    response
}

/// Refuses calls of the health service that are not gRPC or have more than one message. (tonic would answer
/// the first message.)
pub(crate) async fn refuse_malformed(request: Request, next: Next) -> Response<Body> {
    if !is_grpc(request.headers()) {
        return unsupported_media_type();
    }
    let (head, body) = request.into_parts();
    // Read whole, because a second message can only be found after the first. The bound keeps that cheap.
    let Ok(body) = Limited::new(body, MAX_HEALTH_REQUEST_BYTES).collect().await else {
        return Status::new(Code::OutOfRange, "the message is longer than 4 KiB or incomplete").into_http();
    };
    let body = body.to_bytes();
    if has_trailing_data(&body) {
        return too_many_messages().into_http();
    }
    next.run(Request::from_parts(head, Body::new(Full::new(body))))
        .await
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn w16_only_protobuf_in_frames_is_grpc() {
        let is = |kind: &'static str| {
            is_grpc(&HeaderMap::from_iter([(
                header::CONTENT_TYPE,
                HeaderValue::from_static(kind),
            )]))
        };
        for kind in [
            "application/grpc",
            "application/grpc+proto",
            "Application/gRPC; x=y",
        ] {
            assert!(is(kind), "{kind}");
        }
        for kind in [
            "application/grpc+json",
            "application/json",
            "application/grpc-web",
            "",
        ] {
            assert!(!is(kind), "{kind}");
        }
        assert!(!is_grpc(&HeaderMap::new()));
    }

    #[test]
    fn w16_a_second_message_is_seen_also_where_it_is_not_whole() {
        for (body, more) in [
            (&[][..], false),
            (&[0, 0, 0], false),
            (&[0, 0, 0, 0, 0], false),
            (&[0, 0, 0, 0, 2, 1], false),
            (&[0, 0, 0, 0, 1, 1], false),
            (&[0, 0, 0, 0, 1, 1, 0], true),
            (&[1, 0, 0, 0, 0, 0, 0, 0, 0, 0], true),
            (&[0, 255, 255, 255, 255, 0, 0], false),
        ] {
            assert_eq!(has_trailing_data(body), more, "{body:?}");
        }
    }
}
