//! Entry point for Envoy's ext_authz over gRPC. Its checks are sent to the routes as requests to
//! `/auth/verify`, so that no rule exists twice.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::http::{Extensions, HeaderName, Request, Response};
use futures::future::BoxFuture;
use maxlab_auth_core::access::IDENTITY_HEADERS;
use maxlab_auth_core::error_code::ErrorCode;
use maxlab_auth_ext_authz::{
    CheckDecider, CheckLimits, ExtAuthz, FastPathRequest, IdentityHeaders, Readiness,
};
use tokio::time::sleep;
use tower::ServiceExt as _;

use super::app_state::SharedState;
use super::error::status_of;
use super::fast_path::FastPath;
use super::health;
use super::peer::PeerAddr;

/// Time between two readiness probes for the gRPC health service.
const READINESS_INTERVAL: Duration = Duration::from_secs(1);
/// Longest answer body that is passed on, in bytes. Those of `/auth/verify` take a few hundred.
const MAX_RESPONSE_LEN: usize = 64 * 1024;

/// Returns the gRPC routes, which ask `fast_path` and then `router`, and the handle that sets their health
/// status.
pub async fn routes(router: Router, fast_path: Arc<FastPath>) -> (Router, Readiness) {
    let service = ExtAuthz::new(
        router_decider(router, fast_path),
        identity_header_names(),
        CheckLimits::default(),
    );
    maxlab_auth_ext_authz::routes(service).await
}

/// Returns the names of the response headers that Envoy passes on to the application.
pub fn identity_header_names() -> impl Iterator<Item = HeaderName> {
    IDENTITY_HEADERS.into_iter().map(HeaderName::from_static)
}

/// Returns the decider of the gRPC service: the fast path first, then the routes.
pub fn router_decider(router: Router, fast_path: Arc<FastPath>) -> Arc<dyn CheckDecider> {
    Arc::new(RouterDecider { router, fast_path })
}

struct RouterDecider {
    router: Router,
    fast_path: Arc<FastPath>,
}

impl CheckDecider for RouterDecider {
    fn try_decide(&self, request: &FastPathRequest<'_>) -> Option<IdentityHeaders> {
        self.fast_path.identity_for_envoy(request)
    }

    fn decide(&self, request: Request<()>) -> BoxFuture<'static, Response<Bytes>> {
        Box::pin(decide_by_router(self.router.clone(), request))
    }
}

#[tracing::instrument(level = "debug", skip_all)]
async fn decide_by_router(router: Router, request: Request<()>) -> Response<Bytes> {
    let peer = request.extensions().get::<PeerAddr>().copied();
    let (mut parts, ()) = request.into_parts();
    // The extensions of the gRPC request (its route, its id) must not reach the routes. Only the peer is
    // kept.
    parts.extensions = Extensions::new();
    parts.extensions.insert(match peer {
        // A client of this port is a proxy by definition (`PeerAddr::Proxy`), so its headers are believed.
        Some(PeerAddr::Tcp(address) | PeerAddr::Proxy(address)) => PeerAddr::Proxy(address),
        Some(PeerAddr::Unix) => PeerAddr::Unix,
        // A call inside this process, as in tests.
        None => PeerAddr::Proxy(SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0)),
    });
    let Ok(answer) = router.oneshot(Request::from_parts(parts, Body::empty())).await;
    let (parts, body) = answer.into_parts();
    match to_bytes(body, MAX_RESPONSE_LEN).await {
        Ok(body) => Response::from_parts(parts, body),
        // An answer that was not read completely must not allow: Envoy allows on 200 only.
        Err(_) => {
            let mut failed = Response::new(Bytes::new());
            *failed.status_mut() = status_of(ErrorCode::InternalError);
            failed
        }
    }
}

/// Updates the gRPC health status once each `READINESS_INTERVAL`: serving while the gateway is ready. Never
/// returns.
pub async fn report_health(readiness: &Readiness, gateway: &SharedState) {
    loop {
        readiness.set_ready(health::is_ready(gateway).await).await;
        sleep(READINESS_INTERVAL).await;
    }
}
