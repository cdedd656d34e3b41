//! Time limit of a request.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use maxlab_auth_core::error_code::ErrorCode;
use tokio::time::timeout;

use super::LayerConfig;
use crate::http::error::problem_response;

/// Answers 503 when a request exceeds the time limit. Its handler is dropped at its current `await`.
pub(super) async fn deadline(
    State(config): State<Arc<LayerConfig>>,
    request: Request,
    next: Next,
) -> Response {
    if let Ok(response) = timeout(config.request_timeout, next.run(request)).await {
        return response;
    }
    // What must survive this runs in a task of its own (for example a token exchange,
    // `TokenExchanger` of the core).
    tracing::warn!("request timed out, answered 503");
    problem_response(ErrorCode::Timeout, ErrorCode::Timeout.detail())
}
