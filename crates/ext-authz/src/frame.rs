//! One message of gRPC in a body, as nearly every call sends it: whole, alone, and not compressed. What is otherwise is tonic's.

use std::convert::Infallible;

use bytes::{BufMut as _, Bytes, BytesMut};
use http::{HeaderMap, HeaderName, HeaderValue, Response, header};
use http_body::Frame;
use http_body_util::StreamBody;
use prost::Message;
use tonic::body::Body;

use crate::proto::{CheckRequest, CheckResponse};

/// Whether the message is compressed, and its length in four bytes.
pub(crate) const PREFIX: usize = 5;
/// What a call says by which its messages may be compressed.
const ENCODING: HeaderName = HeaderName::from_static("grpc-encoding");
const STATUS: HeaderName = HeaderName::from_static("grpc-status");
const GRPC: HeaderValue = HeaderValue::from_static("application/grpc");
const OK: HeaderValue = HeaderValue::from_static("0");

/// The one message of this body. `None` where there is anything else.
pub(crate) fn only_message(head: &HeaderMap, body: &Bytes) -> Option<CheckRequest> {
    let plain = head.get(header::CONTENT_TYPE) == Some(&GRPC) && !head.contains_key(ENCODING);
    let (prefix, message) = body.split_at_checked(PREFIX)?;
    let length = u32::try_from(message.len()).ok()?.to_be_bytes();
    if !plain || prefix.first() != Some(&0) || prefix.get(1..) != Some(&length) {
        return None;
    }
    CheckRequest::decode(body.slice(PREFIX..)).ok()
}

/// An answer and its status, which is that of the call and not of what was asked.
pub(crate) fn response(answer: &CheckResponse) -> Response<Body> {
    let length = answer.encoded_len();
    let mut frame = BytesMut::with_capacity(PREFIX + length);
    frame.put_u8(0);
    frame.put_u32(u32::try_from(length).unwrap_or(u32::MAX));
    answer.encode_raw(&mut frame);
    let trailers = HeaderMap::from_iter([(STATUS, OK)]);
    // Of a length that nobody is told before: with a `content-length` it would be another answer than gRPC's.
    let frames = [Frame::data(frame.freeze()), Frame::trailers(trailers)].map(Ok::<_, Infallible>);
    let body = StreamBody::new(futures::stream::iter(frames));
    let mut response = Response::new(Body::new(body));
    response.headers_mut().insert(header::CONTENT_TYPE, GRPC);
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
        let response = response(&CheckResponse::default());
        assert_eq!(
            response.body().size_hint().exact(),
            None,
            "it has no content-length"
        );
        let collected = response.into_body().collect().await.unwrap();
        assert_eq!(collected.trailers().unwrap().get(STATUS), Some(&OK));
        assert_eq!(collected.to_bytes().as_ref(), [0; PREFIX]);
    }

    #[test]
    fn only_what_is_whole_alone_and_plain_is_read() {
        let grpc = [("content-type", "application/grpc")];
        let encoded = [grpc[0], ("grpc-encoding", "gzip")];
        let other = [("content-type", "application/grpc+json")];
        let message = [0x0a, 0x00];
        let read = |head: HeaderMap, body: Bytes| only_message(&head, &body).is_some();
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
