//! Envoy's gRPC door: its questions are put to the routes as those of `/auth/verify`, so that no rule is here.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::http::{Extensions, Request, Response, StatusCode};
use maxlab_auth_ext_authz::{Decide, ExtAuthz, Limits, Readiness};
use tokio::time::sleep;
use tower::ServiceExt as _;

use super::forward_auth::{IDENTITY_HEADERS, X_AUTH_IDENTITY};
use super::gateway::Gateway;
use super::health;
use super::peer::PeerAddr;

/// Readiness is looked at so often.
const LOOK: Duration = Duration::from_secs(1);
/// The longest answer that is passed on. Those of `/auth/verify` take a few hundred bytes.
const LONGEST_ANSWER: usize = 64 * 1024;

/// The routes of the gRPC door before `router`, and what tells its health.
pub async fn routes(router: Router) -> (Router, Readiness) {
    let decide: Decide = Arc::new(move |request| {
        let router = router.clone();
        Box::pin(async move { decided(router, request).await })
    });
    let identity = IDENTITY_HEADERS.into_iter().chain([X_AUTH_IDENTITY]);
    maxlab_auth_ext_authz::routes(ExtAuthz::new(decide, identity, Limits::default())).await
}

async fn decided(router: Router, request: Request<()>) -> Response<Bytes> {
    let peer = request.extensions().get::<PeerAddr>().copied();
    let (mut parts, ()) = request.into_parts();
    // Nothing of the gRPC exchange but who asks, and that it is one who may tell.
    parts.extensions = Extensions::new();
    parts.extensions.insert(match peer {
        Some(PeerAddr::Tcp(address) | PeerAddr::Proxy(address)) => PeerAddr::Proxy(address),
        Some(PeerAddr::Unix) => PeerAddr::Unix,
        None => PeerAddr::Proxy(SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0)),
    });
    let Ok(answer) = router.oneshot(Request::from_parts(parts, Body::empty())).await;
    let (parts, body) = answer.into_parts();
    match to_bytes(body, LONGEST_ANSWER).await {
        Ok(body) => Response::from_parts(parts, body),
        // An answer that was not read to its end is none; what is no 200 is never a yes.
        Err(_) => {
            let mut failed = Response::new(Bytes::new());
            *failed.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
            failed
        }
    }
}

/// Tells the health for as long as it is polled: serving while the gateway is ready.
pub async fn tell_health(readiness: &Readiness, gateway: &Gateway) {
    loop {
        readiness.set(health::is_ready(gateway).await).await;
        sleep(LOOK).await;
    }
}
