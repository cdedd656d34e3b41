//! Answers while the gateway waits for a store at its start: the process is alive, but not ready.

use axum::extract::{OriginalUri, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get};
use axum::{Json, Router};
use maxlab_auth_core::error_code::ErrorCode;
use maxlab_auth_core::unavailable::Unavailable;
use serde_json::json;
use tokio::sync::watch;

use super::error::{ApiError, error_response};
use super::health;
use super::layers::{self, LayerConfig};

/// Cause of the wait: the store that does not answer, and why. `None` while the start waits for none.
pub type AwaitedStore = watch::Receiver<Option<Unavailable>>;

/// Returns the routes for the time until the stores are open: `/health` is 200, everything else 503.
pub fn routes(awaited: AwaitedStore, config: LayerConfig) -> Router {
    let router = Router::new()
        .route("/health", get(health::liveness))
        .route("/health/ready", get(startup_status))
        // Routes and no fallback, because `layers::apply` sets the fallback to 404. `{*path}` does not match
        // `/`.
        .route("/", any(startup_unavailable))
        .route("/{*path}", any(startup_unavailable))
        .with_state(awaited);
    layers::apply(router, config)
}

async fn startup_status(State(awaited): State<AwaitedStore>) -> Response {
    let mut components = serde_json::Map::new();
    // Cloned, so that the channel's read lock is released before the answer is built.
    let fault = awaited.borrow().clone();
    if let Some(fault) = fault {
        let (name, reason) = (fault.component().as_str(), fault.reason().as_str());
        let health = json!({ "status": "unhealthy", "reason": reason, "response_time": 0.0 });
        components.insert(name.to_owned(), health);
    }
    let body = json!({ "status": "starting", "components": components });
    error_response(ErrorCode::StoreUnavailable, Json(body))
}

async fn startup_unavailable(State(awaited): State<AwaitedStore>, OriginalUri(uri): OriginalUri) -> Response {
    let fault = awaited.borrow().clone();
    let failure =
        ApiError::Unavailable(fault.unwrap_or_else(|| Unavailable::store("the gateway is starting")));
    // OAuth clients read only the form of RFC 6749 §5.2.
    if uri.path().starts_with("/oauth/") {
        return failure.into_oauth_response();
    }
    failure.into_response()
}
