//! Middleware around all handlers: observation, limits, and one form for every failure.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::http::HeaderValue;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::response::Response;
use axum::routing::any;
use ipnet::IpNet;
use maxlab_auth_core::error_code::ErrorCode;
use tower::ServiceBuilder;

use super::error::problem_response;

mod buffered_body;
mod cors;
mod deadline;
mod malformed_request;
pub(super) mod observe;
mod panic;
pub(super) mod security_headers;

/// Settings of the layers.
#[derive(Clone, Debug)]
pub struct LayerConfig {
    /// Proxies whose `X-Forwarded-For` and `X-Request-ID` are believed.
    pub trusted_proxies: Vec<IpNet>,
    /// Origins, each as a browser sends it, whose pages may call with the visitor's cookies.
    pub cors_origins: Vec<HeaderValue>,
    /// `true` if browsers reach the gateway by https only. Answers then carry `Strict-Transport-Security`.
    pub secure: bool,
    /// Longest body, in bytes. A longer one is answered 413.
    pub body_limit: usize,
    /// Time in which a client must send its body. A slower one is answered 408.
    pub body_timeout: Duration,
    /// Time limit of a request as a whole. A longer one is answered 503.
    pub request_timeout: Duration,
}

impl Default for LayerConfig {
    fn default() -> Self {
        Self {
            trusted_proxies: Vec::new(),
            cors_origins: Vec::new(),
            secure: false,
            body_limit: 64 * 1024,
            body_timeout: Duration::from_secs(15),
            request_timeout: Duration::from_secs(60),
        }
    }
}

/// Wraps all routes of a router in the layers, the outermost first, and adds the answers 404 and 405.
pub fn apply(router: Router, config: LayerConfig) -> Router {
    let config = Arc::new(config);
    let layers = ServiceBuilder::new()
        // Request id, client address, access log and metrics. Outermost, so that it sees the answers of the
        // layers too.
        .layer(from_fn_with_state(Arc::clone(&config), observe::observe))
        .layer(from_fn_with_state(
            Arc::clone(&config),
            security_headers::security_headers,
        ))
        // Outside of all layers that refuse, because a page can read a refusal only with CORS headers.
        .layer(from_fn_with_state(
            Arc::new(cors::CorsPolicy::new(Arc::clone(&config))),
            cors::cors,
        ))
        // Outside of the deadline, so that a panic is caught in whatever runs below.
        .layer(from_fn(panic::catch_panic))
        .layer(from_fn(malformed_request::reject_malformed))
        .layer(from_fn_with_state(Arc::clone(&config), deadline::deadline))
        // Innermost: a handler sees a complete body, and never answers a client that is still sending.
        .layer(from_fn_with_state(config, buffered_body::buffer_body));
    router
        .fallback(not_found)
        .method_not_allowed_fallback(method_not_allowed)
        .layer(layers)
}

/// Returns the router for connections in the reserve: `served`, and 503 for all other paths.
pub fn overload_router(served: Router, config: LayerConfig) -> Router {
    // Routes and no fallback, because `apply` sets the fallback to 404. `{*path}` does not match `/`.
    let rest = Router::new()
        .route("/", any(overloaded))
        .route("/{*path}", any(overloaded));
    apply(served.merge(rest), config)
}

/// Answers 503 while every connection is busy.
async fn overloaded() -> Response {
    standard_problem(ErrorCode::Overloaded)
}

/// Answers 404 for a path that is no route.
pub async fn not_found() -> Response {
    standard_problem(ErrorCode::NotFound)
}

/// Answers 405 for a route without this method. The router adds `Allow`.
pub async fn method_not_allowed() -> Response {
    standard_problem(ErrorCode::MethodNotAllowed)
}

fn standard_problem(code: ErrorCode) -> Response {
    problem_response(code, code.detail())
}
