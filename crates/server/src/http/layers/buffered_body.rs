//! Reads request bodies before the handlers run: completely, within a time limit and a length limit.

use std::borrow::Cow;
use std::sync::Arc;

use axum::body::{Body, HttpBody};
use axum::extract::{Request, State};
use axum::http::{HeaderValue, Version, header};
use axum::middleware::Next;
use axum::response::Response;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use maxlab_auth_core::error_code::ErrorCode;
use tokio::time::timeout;

use super::LayerConfig;
use crate::http::error::problem_response;

/// Reads the body and passes it to the handler in one piece. No route streams, so a slow client holds at most
/// `body_limit` bytes, and no unread bytes of a request can be taken for the next request.
pub(super) async fn buffer_body(
    State(config): State<Arc<LayerConfig>>,
    request: Request,
    next: Next,
) -> Response {
    let (parts, body) = request.into_parts();
    // Most requests have no body: nothing to read, and no timer.
    if body.is_end_stream() {
        return next.run(Request::from_parts(parts, body)).await;
    }
    // From Content-Length: a body that announces too much is refused before a byte of it is read.
    let announced = usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX);
    if announced > config.body_limit {
        return body_error_response(parts.version, BodyReadError::TooLong(config.body_limit));
    }
    let whole = Limited::new(body, config.body_limit).collect();
    let read = match timeout(config.body_timeout, whole).await {
        Ok(Ok(whole)) => whole.to_bytes(),
        Ok(Err(fault)) if fault.is::<LengthLimitError>() => {
            return body_error_response(parts.version, BodyReadError::TooLong(config.body_limit));
        }
        Ok(Err(_)) => return body_error_response(parts.version, BodyReadError::Broken),
        Err(_) => return body_error_response(parts.version, BodyReadError::TooSlow),
    };
    next.run(Request::from_parts(parts, Body::from(read))).await
}

/// Reason why a body was not read.
#[derive(Clone, Copy)]
enum BodyReadError {
    /// Longer than this limit, in bytes.
    TooLong(usize),
    TooSlow,
    Broken,
}

fn body_error_response(version: Version, fault: BodyReadError) -> Response {
    let (code, detail) = match fault {
        BodyReadError::TooLong(limit) => (
            ErrorCode::PayloadTooLarge,
            Cow::Owned(format!("The body is longer than {limit} bytes")),
        ),
        BodyReadError::TooSlow => (
            ErrorCode::RequestTimeout,
            Cow::Borrowed(ErrorCode::RequestTimeout.detail()),
        ),
        BodyReadError::Broken => (
            ErrorCode::InvalidRequest,
            Cow::Borrowed("The body could not be read completely"),
        ),
    };
    let mut response = problem_response(code, &detail);
    // On HTTP/1 the rest of the body could be taken for the next request. HTTP/2 has frames, and no such
    // header.
    if version < Version::HTTP_2 {
        let close = HeaderValue::from_static("close");
        response.headers_mut().insert(header::CONNECTION, close);
    }
    response
}
