//! No request takes for ever.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::Response;
use tokio::time::timeout;

use super::LayerConfig;
use crate::http::error::problem;

/// Gives a request up that takes too long. Its handler is dropped at whatever it waits for.
pub(super) async fn deadline(
    State(config): State<Arc<LayerConfig>>,
    request: Request,
    next: Next,
) -> Response {
    if let Ok(response) = timeout(config.request_timeout, next.run(request)).await {
        return response;
    }
    tracing::warn!("a request took too long and was given up");
    let headers = HeaderMap::from_iter([(header::RETRY_AFTER, HeaderValue::from_static("1"))]);
    let detail = "The request took too long; try again";
    problem(StatusCode::SERVICE_UNAVAILABLE, "timeout", detail, headers)
}
