//! What surrounds every handler, in one order: watched, bounded, and answered in one form whatever goes wrong.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::middleware::{from_fn, from_fn_with_state};
use axum::response::Response;
use ipnet::IpNet;
use tower::ServiceBuilder;

use super::error::problem;

mod body;
mod cors;
mod deadline;
mod form;
pub(super) mod observe;
mod panic;
pub(super) mod security_headers;

/// What the layers go by.
#[derive(Clone, Debug)]
pub struct LayerConfig {
    /// Proxies whose `X-Forwarded-For` and `X-Request-ID` are believed.
    pub trusted_proxies: Vec<IpNet>,
    /// Origins, each as a browser sends it, whose pages may call with the visitor's cookies.
    pub cors_origins: Vec<HeaderValue>,
    /// Whether people reach the gateway by https only: then browsers are told to insist on it.
    pub secure: bool,
    /// The longest body, in bytes: 413 above.
    pub body_limit: usize,
    /// How long a client may take to send its body: 408 after.
    pub body_timeout: Duration,
    /// How long a request may take altogether: 503 after.
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

/// Puts the layers around all of a router's routes, the outermost first, and gives it the answers for what it lacks.
pub fn apply(router: Router, config: LayerConfig) -> Router {
    let config = Arc::new(config);
    let layers = ServiceBuilder::new()
        // Who asks, under which id; the access log and the metrics. Sees every answer, also the layers' own.
        .layer(from_fn_with_state(Arc::clone(&config), observe::observe))
        .layer(from_fn_with_state(
            Arc::clone(&config),
            security_headers::security_headers,
        ))
        // Outside whatever refuses, since a page must be able to read why.
        .layer(from_fn_with_state(Arc::clone(&config), cors::cors))
        .layer(from_fn(panic::catch))
        .layer(from_fn(form::refuse_malformed))
        .layer(from_fn_with_state(Arc::clone(&config), deadline::deadline))
        // Innermost: a handler sees a whole body or none, and a client that is still sending never waits for an answer.
        .layer(from_fn_with_state(config, body::read_whole));
    router
        .fallback(not_found)
        .method_not_allowed_fallback(method_not_allowed)
        .layer(layers)
}

/// The answer on a path that is no route.
pub async fn not_found() -> Response {
    problem(
        StatusCode::NOT_FOUND,
        "not_found",
        "There is nothing at this path",
        HeaderMap::new(),
    )
}

/// The answer on a route that hasn't this method; the router adds `Allow`.
pub async fn method_not_allowed() -> Response {
    problem(
        StatusCode::METHOD_NOT_ALLOWED,
        "method_not_allowed",
        "This path does not have this method; the Allow header names those it has",
        HeaderMap::new(),
    )
}
