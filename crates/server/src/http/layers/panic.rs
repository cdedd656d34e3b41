//! A bug in one handler is one failed request.

use std::panic::AssertUnwindSafe;

use axum::extract::Request;
use axum::http::{HeaderMap, StatusCode};
use axum::middleware::Next;
use axum::response::Response;
use futures::FutureExt;

use crate::http::error::problem;
use crate::http::request_id::RequestId;

/// Answers 500 where a handler panics. What it was about to tell stays out of the answer and the log: it may quote a
/// secret. The log's line and the answer share the request's id.
pub(super) async fn catch(request: Request, next: Next) -> Response {
    let id = request.extensions().get::<RequestId>().cloned();
    // Nothing of this request is used afterwards, and what requests share is behind locks that tell of a panic.
    match AssertUnwindSafe(next.run(request)).catch_unwind().await {
        Ok(response) => response,
        Err(_) => {
            tracing::error!("a handler panicked");
            let id = id.map_or_else(String::new, |id| format!(" (request {id})"));
            let detail = format!("The gateway failed on this request; its log says more{id}");
            problem(
                StatusCode::INTERNAL_SERVER_ERROR,
                "internal_error",
                &detail,
                HeaderMap::new(),
            )
        }
    }
}
