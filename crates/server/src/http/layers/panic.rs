//! Turns a panic of a handler into one failed request.

use std::panic::AssertUnwindSafe;

use axum::extract::Request;
use axum::middleware::Next;
use axum::response::Response;
use futures::FutureExt;
use maxlab_auth_core::error_code::ErrorCode;

use crate::http::error::problem_response;
use crate::http::request_id::RequestId;

/// Answers 500 if a handler panics. The panic's text stays out of the answer and the log, because it may
/// quote a secret. The log line and the answer have the same request id.
pub(super) async fn catch_panic(request: Request, next: Next) -> Response {
    let id = request.extensions().get::<RequestId>().cloned();
    // `AssertUnwindSafe`: the request is dropped, and shared state is behind locks that recover from
    // poisoning.
    match AssertUnwindSafe(next.run(request)).catch_unwind().await {
        Ok(response) => response,
        Err(_) => {
            tracing::error!("handler panicked");
            let id = id.map_or_else(String::new, |id| format!(" (request {id})"));
            let code = ErrorCode::InternalError;
            problem_response(code, &format!("{}{id}", code.detail()))
        }
    }
}
