//! A body is read before anything is done with it: whole, in time, and no longer than the limit.

use std::sync::Arc;

use axum::body::{Body, HttpBody};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, Version, header};
use axum::middleware::Next;
use axum::response::Response;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use tokio::time::timeout;

use super::LayerConfig;
use crate::http::error::problem;

/// Reads the body and gives it to the handler in one piece. No route streams, so a slow client holds 64 KiB and no more,
/// and no request's unread bytes are ever left to be taken for the next one.
pub(super) async fn read_whole(
    State(config): State<Arc<LayerConfig>>,
    request: Request,
    next: Next,
) -> Response {
    let (parts, body) = request.into_parts();
    if body.is_end_stream() {
        return next.run(Request::from_parts(parts, body)).await;
    }
    let announced = usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX);
    if announced > config.body_limit {
        return refused(parts.version, Fault::TooLong(config.body_limit));
    }
    let whole = Limited::new(body, config.body_limit).collect();
    let read = match timeout(config.body_timeout, whole).await {
        Ok(Ok(whole)) => whole.to_bytes(),
        Ok(Err(fault)) if fault.is::<LengthLimitError>() => {
            return refused(parts.version, Fault::TooLong(config.body_limit));
        }
        Ok(Err(_)) => return refused(parts.version, Fault::Broken),
        Err(_) => return refused(parts.version, Fault::TooSlow),
    };
    next.run(Request::from_parts(parts, Body::from(read))).await
}

/// Why a body was not read.
#[derive(Clone, Copy)]
enum Fault {
    /// Than so many bytes.
    TooLong(usize),
    TooSlow,
    Broken,
}

fn refused(version: Version, fault: Fault) -> Response {
    let (status, code, detail) = match fault {
        Fault::TooLong(limit) => {
            let detail = format!("The body is longer than {limit} bytes");
            (StatusCode::PAYLOAD_TOO_LARGE, "payload_too_large", detail)
        }
        Fault::TooSlow => (
            StatusCode::REQUEST_TIMEOUT,
            "request_timeout",
            "The body did not arrive in time".to_owned(),
        ),
        Fault::Broken => (
            StatusCode::BAD_REQUEST,
            "invalid_request",
            "The body could not be read to its end".to_owned(),
        ),
    };
    let mut headers = HeaderMap::new();
    // What is left of the body can't be told from a next request. HTTP/2 frames it, and has no such header.
    if version < Version::HTTP_2 {
        headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    problem(status, code, &detail, headers)
}
