//! Envoy's gRPC door: its questions are put to the routes as those of `/auth/verify`, so that no rule is here.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::http::{Extensions, HeaderName, Request, Response, StatusCode};
use futures::future::BoxFuture;
use maxlab_auth_ext_authz::{Decide, ExtAuthz, Identity, Limits, Plain, Readiness};
use tokio::time::sleep;
use tower::ServiceExt as _;

use super::forward_auth::{AtOnce, IDENTITY_HEADERS, X_AUTH_IDENTITY};
use super::gateway::Gateway;
use super::health;
use super::peer::PeerAddr;

/// Readiness is looked at so often.
const LOOK: Duration = Duration::from_secs(1);
/// The longest answer that is passed on. Those of `/auth/verify` take a few hundred bytes.
const LONGEST_ANSWER: usize = 64 * 1024;

/// The routes of the gRPC door before `router` and the door before that, and what tells its health.
pub async fn routes(router: Router, at_once: Arc<AtOnce>) -> (Router, Readiness) {
    let service = ExtAuthz::new(behind(router, at_once), identity_names(), Limits::default());
    maxlab_auth_ext_authz::routes(service).await
}

/// The headers of an answer that the application gets.
pub fn identity_names() -> impl Iterator<Item = HeaderName> {
    IDENTITY_HEADERS.into_iter().chain([X_AUTH_IDENTITY])
}

/// What decides behind the door.
pub fn behind(router: Router, at_once: Arc<AtOnce>) -> Arc<dyn Decide> {
    Arc::new(Behind { router, at_once })
}

struct Behind {
    router: Router,
    at_once: Arc<AtOnce>,
}

impl Decide for Behind {
    fn at_once(&self, question: &Plain<'_>) -> Option<Identity> {
        self.at_once.identity_for_envoy(question)
    }

    fn decide(&self, question: Request<()>) -> BoxFuture<'static, Response<Bytes>> {
        Box::pin(decided(self.router.clone(), question))
    }
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
