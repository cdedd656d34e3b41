//! Every route on one screen, and the running of it: on loopback, never in production.

use std::future::{Future, IntoFuture, pending};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Json, Response};
use axum::routing::{get, post};
use serde_json::json;
use tokio::net::TcpListener;

use crate::config::DevIdpConfig;
use crate::error::DevIdpError;
use crate::idp::DevServer;
use crate::{authorize, discovery, pages, revoke, token, userinfo};

/// No honest request is longer.
const BODY_LIMIT_BYTES: usize = 64 * 1024;
/// How long open connections may take to end after the shutdown began.
const DRAIN: Duration = Duration::from_secs(5);

/// The server as an [`axum::Router`]. It reads and locks the data folder, which blocks for a moment.
///
/// # Errors
/// [`DevIdpError::Production`] for `ENVIRONMENT=production`, or whatever is wrong with settings or data folder.
pub fn router(config: DevIdpConfig) -> Result<Router, DevIdpError> {
    let idp = Arc::new(DevServer::open(config)?);
    Ok(Router::new()
        .route("/", get(welcome))
        .route("/health", get(discovery::health))
        .route("/oauth/authorize", get(authorize::show).post(authorize::log_in))
        .route("/oauth/token", post(token::exchange))
        .route(
            "/oauth/userinfo",
            get(userinfo::userinfo).post(userinfo::userinfo),
        )
        .route("/oauth/revoke", post(revoke::revoke))
        .route("/oauth/introspect", post(revoke::introspect))
        .route("/api/v1/auth/me", get(userinfo::me))
        .route("/.well-known/openid-configuration", get(discovery::metadata))
        .route(
            "/.well-known/oauth-authorization-server",
            get(discovery::metadata),
        )
        .route("/.well-known/jwks.json", get(discovery::jwks))
        .fallback(not_found)
        .layer(DefaultBodyLimit::max(BODY_LIMIT_BYTES))
        .with_state(idp))
}

/// Serves until `shutdown` is done and open requests have ended (at most five seconds more).
///
/// # Errors
/// [`DevIdpError::NotLoopback`] when `listener` can be reached from elsewhere, else as [`router`]; and
/// [`DevIdpError::Serve`] when the socket fails.
pub async fn serve(
    listener: TcpListener,
    config: DevIdpConfig,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> Result<(), DevIdpError> {
    let address = listener.local_addr().map_err(DevIdpError::Serve)?;
    if !address.ip().to_canonical().is_loopback() {
        return Err(DevIdpError::NotLoopback(address));
    }
    let issuer = config.issuer.clone();
    let opened = tokio::task::spawn_blocking(move || router(config)).await;
    let router = opened.map_err(|cause| DevIdpError::Serve(cause.into()))??;
    tracing::warn!(%address, issuer, "development authorization server started: for development only, its passwords are public");

    let (began, begun) = tokio::sync::oneshot::channel::<()>();
    let shutdown = async move {
        shutdown.await;
        let _ = began.send(());
    };
    let served = axum::serve(listener, router)
        .with_graceful_shutdown(shutdown)
        .into_future();
    let overdue = async move {
        match begun.await {
            Ok(()) => tokio::time::sleep(DRAIN).await,
            Err(_) => pending().await,
        }
    };
    tokio::select! {
        result = served => result.map_err(DevIdpError::Serve),
        () = overdue => Ok(()),
    }
}

async fn welcome(State(idp): State<Arc<DevServer>>) -> Response {
    pages::welcome(&idp.config)
}

async fn not_found() -> Response {
    (
        StatusCode::NOT_FOUND,
        Json(json!({ "error": "not_found", "detail": "no such path" })),
    )
        .into_response()
}
