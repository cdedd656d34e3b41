//! gRPC framing of the usual call: one complete, uncompressed message. tonic handles every other form.

use std::convert::Infallible;

use bytes::{BufMut as _, Bytes, BytesMut};
use http::{HeaderMap, HeaderName, HeaderValue, Response, header};
use http_body::Frame;
use http_body_util::StreamBody;
use prost::Message;
use tonic::body::Body;

use crate::proto::{CheckRequest, CheckResponse};

/// Bytes before a message: one flag (compressed or not), and the length as four bytes in network order.
pub(crate) const PREFIX_BYTES: usize = 5;
/// Header that names the compression of a call's messages.
const GRPC_ENCODING: HeaderName = HeaderName::from_static("grpc-encoding");
const GRPC_STATUS: HeaderName = HeaderName::from_static("grpc-status");
pub(crate) const GRPC_CONTENT_TYPE: HeaderValue = HeaderValue::from_static("application/grpc");
const GRPC_STATUS_OK: HeaderValue = HeaderValue::from_static("0");

/// Decodes the one message of a body. Returns `None` if the body has any other form.
pub(crate) fn decode_single_message(head: &HeaderMap, body: &Bytes) -> Option<CheckRequest> {
    // Any `grpc-encoding`, even `identity`, is left to tonic.
    let plain =
        head.get(header::CONTENT_TYPE) == Some(&GRPC_CONTENT_TYPE) && !head.contains_key(GRPC_ENCODING);
    let (prefix, message) = body.split_at_checked(PREFIX_BYTES)?;
    let length = u32::try_from(message.len()).ok()?.to_be_bytes();
    if !plain || prefix.first() != Some(&0) || prefix.get(1..) != Some(&length) {
        return None;
    }
    // A slice of `Bytes` and not of `[u8]`: raw header values then point into the body without a copy.
    CheckRequest::decode(body.slice(PREFIX_BYTES..)).ok()
}

/// Encodes a response and the status of the call. That status is `OK` also for a refusal: the call itself
/// succeeded.
pub(crate) fn encode_response(answer: &CheckResponse) -> Response<Body> {
    let length = answer.encoded_len();
    let mut frame = BytesMut::with_capacity(PREFIX_BYTES + length);
    // Flag 0: not compressed.
    frame.put_u8(0);
    // The fallback cannot occur: a response is far shorter than 4 GiB.
    frame.put_u32(u32::try_from(length).unwrap_or(u32::MAX));
    answer.encode_raw(&mut frame);
    let trailers = HeaderMap::from_iter([(GRPC_STATUS, GRPC_STATUS_OK)]);
    // A stream, so that hyper does not know the length: it would add a `content-length`, which tonic's
    // answers lack.
    let frames = [Frame::data(frame.freeze()), Frame::trailers(trailers)].map(Ok::<_, Infallible>);
    let body = StreamBody::new(futures::stream::iter(frames));
    let mut response = Response::new(Body::new(body));
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, GRPC_CONTENT_TYPE);
    response
}

#[cfg(test)]
mod tests {
    use http_body::Body as _;
    use http_body_util::BodyExt as _;

    use super::*;

    fn head(fields: &[(&'static str, &'static str)]) -> HeaderMap {
        let fields = fields.iter();
        fields
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)))
            .collect()
    }

    fn framed(flag: u8, length: u32, message: &[u8]) -> Bytes {
        [&[flag][..], &length.to_be_bytes(), message].concat().into()
    }

    #[tokio::test]
    async fn an_answer_is_one_message_and_its_status() {
        let response = encode_response(&CheckResponse::default());
        assert_eq!(
            response.body().size_hint().exact(),
            None,
            "it has no content-length"
        );
        let collected = response.into_body().collect().await.unwrap();
        assert_eq!(
            collected.trailers().unwrap().get(GRPC_STATUS),
            Some(&GRPC_STATUS_OK)
        );
        assert_eq!(collected.to_bytes().as_ref(), [0; PREFIX_BYTES]);
    }

    #[test]
    fn only_what_is_whole_alone_and_plain_is_read() {
        let grpc = [("content-type", "application/grpc")];
        let encoded = [grpc[0], ("grpc-encoding", "gzip")];
        let other = [("content-type", "application/grpc+json")];
        let message = [0x0a, 0x00];
        let read = |head: HeaderMap, body: Bytes| decode_single_message(&head, &body).is_some();
        assert!(read(head(&grpc), framed(0, 2, &message)));
        assert!(read(head(&grpc), framed(0, 0, &[])));
        for (fields, body) in [
            (&encoded[..], framed(0, 2, &message)),
            (&other, framed(0, 2, &message)),
            (&[], framed(0, 2, &message)),
            (&grpc, framed(1, 2, &message)),
            (&grpc, framed(0, 1, &message)),
            (&grpc, framed(0, 3, &message)),
            (&grpc, framed(0, 2, &[0x0a, 0x05])),
            (&grpc, Bytes::from_static(&[0, 0, 0])),
            (&grpc, Bytes::new()),
        ] {
            assert!(!read(head(fields), body.clone()), "{fields:?} {body:?}");
        }
    }
}
