//! Envoy's external authorization over gRPC (`envoy.service.auth.v3`), as an entry point to a
//! [`CheckDecider`].
//!
//! This crate decides nothing. It translates a check into the request that a front proxy sends to
//! `/auth/verify`, and the answer into Envoy's response. A 200 lets the client's request pass. Every other
//! answer, a missing answer and any fault refuse it.

mod check_request;
mod check_response;
mod fast_path;
mod frame;
mod health;
pub mod proto;
mod service;
mod unary;

use axum::Router;
use axum::middleware::from_fn;
use tonic::service::Routes;

pub use check_response::IdentityHeaders;
pub use fast_path::FastPathRequest;
pub use health::Readiness;
pub use service::{CheckDecider, CheckLimits, ExtAuthz};

/// Returns the routes of the service and of its health check, for an HTTP/2 server.
pub async fn routes(service: ExtAuthz) -> (Router, Readiness) {
    let (readiness, health) = Readiness::new().await;
    // Built on an empty router: only one of the two may bring tonic's fallback for unknown methods, or
    // `merge` panics.
    let health = Routes::from(Router::new()).add_service(health).into_axum_router();
    let health = health.route_layer(from_fn(unary::refuse_malformed));
    let routes = Routes::new(service).into_axum_router().merge(health);
    (Routes::from(routes).prepare().into_axum_router(), readiness)
}
