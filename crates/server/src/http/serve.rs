//! What the listener calls: the routes within their layers, the fast path, and the metrics of connections.

use std::io;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::http::{Request, Response};
use axum::routing::future::RouteFuture;
use maxlab_auth_core::error_code::ErrorCode;
pub use maxlab_auth_listener::{
    FastResponder, Listener, ListenerSet, ReceiveInfo, ServeLimits, SharedBody, SocketFault, TlsListener,
    UnixSocketListener,
};
use maxlab_auth_listener::{Incoming, ListenerEvent, ListenerEvents, RequestHandler, SlotKind};
use tower::Service as _;

use super::error::error_response;
use super::layers::{self, LayerConfig};
use crate::record;

/// Routers of a server.
#[derive(Clone)]
pub struct ServeRoutes {
    /// Router within its layers.
    pub router: Router,
    /// Fast path, which answers some requests before they reach the router.
    pub fast_responder: Option<Arc<dyn FastResponder>>,
    /// Router of the connections in the reserve, within its layers; see [`layers::overload_router`].
    pub overload_router: Router,
}

impl std::fmt::Debug for ServeRoutes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ServeRoutes").finish_non_exhaustive()
    }
}

impl From<Router> for ServeRoutes {
    fn from(router: Router) -> Self {
        Self {
            router,
            fast_responder: None,
            overload_router: layers::overload_router(Router::new(), LayerConfig::default()),
        }
    }
}

impl RequestHandler for ServeRoutes {
    type Body = Body;
    type Future = RouteFuture<std::convert::Infallible>;

    fn respond(&self, request: Request<Incoming>, slot: SlotKind) -> Self::Future {
        let router = match slot {
            SlotKind::Regular => &self.router,
            SlotKind::Reserve => &self.overload_router,
        };
        // A router is always ready, so it is called without `poll_ready`.
        router.clone().call(request)
    }

    fn unread_limit_response() -> Response<Body> {
        error_response(ErrorCode::Overloaded, Body::empty())
    }

    fn fast_responder(&self) -> Option<Arc<dyn FastResponder>> {
        self.fast_responder.clone()
    }
}

/// Receiver that counts the events of connections.
#[derive(Debug)]
struct CountedEvents;

impl ListenerEvents for CountedEvents {
    fn record(&self, event: ListenerEvent) {
        match event {
            ListenerEvent::ConnectionOpened => record::connection_opened(),
            ListenerEvent::ConnectionClosed => record::connection_closed(),
            ListenerEvent::ConnectionShed(reason) => record::connection_shed(reason.as_str()),
            ListenerEvent::HandshakeFailed => record::handshake_failed(),
            ListenerEvent::AnswerAbandoned => record::response_abandoned(),
        }
    }
}

/// Serves `routes` until `shutdown` completes ([`maxlab_auth_listener::serve`]), and counts the connections.
///
/// # Errors
/// A listener has no address, so it is no open socket. A failed accept is not an error.
pub async fn serve(
    listeners: impl Into<ListenerSet>,
    routes: impl Into<ServeRoutes>,
    limits: ServeLimits,
    shutdown: impl Future<Output = ()> + Send,
) -> io::Result<()> {
    maxlab_auth_listener::serve(listeners, routes.into(), limits, &CountedEvents, shutdown).await
}
