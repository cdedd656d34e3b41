//! Envoy's external authorization over gRPC (`envoy.service.auth.v3`), as one more door to whoever decides.
//!
//! Nothing is decided here. A question becomes the request that a front proxy sends to `/auth/verify`, and its answer
//! what Envoy makes of the client's request. 200 lets it pass; any other answer, none, and any fault refuse it.

mod answer;
mod frame;
mod health;
mod plain;
pub mod proto;
mod question;
mod service;

pub use answer::Identity;
pub use health::Readiness;
pub use plain::Plain;
pub use service::{Decide, ExtAuthz, Limits};

/// The routes of the service and of its health, to be served over HTTP/2.
pub async fn routes(service: ExtAuthz) -> (axum::Router, Readiness) {
    let (readiness, health) = Readiness::new().await;
    let routes = tonic::service::Routes::new(service).add_service(health);
    (routes.prepare().into_axum_router(), readiness)
}
