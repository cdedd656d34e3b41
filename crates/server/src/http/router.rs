//! Table of all routes.

use axum::Router;
use axum::routing::{any, delete, get, post};

use super::app_state::SharedState;
use super::{account, admin, browser, docs, forward_auth, health, layers, oauth};

/// Returns the routes that are answered even while every connection is busy.
pub fn health_routes(gateway: SharedState) -> Router {
    Router::new()
        .route("/health", get(health::liveness))
        .route("/health/ready", get(health::readiness))
        .with_state(gateway)
}

/// Returns all routes. `metrics` adds `/metrics`.
pub fn routes(gateway: SharedState, metrics: bool) -> Router {
    let router = Router::new()
        .route("/oauth/authorize", get(oauth::authorize))
        .route("/oauth/token", post(oauth::token))
        .route("/oauth/token/validate", post(oauth::validate))
        .route("/oauth/userinfo", get(oauth::userinfo).post(oauth::userinfo))
        .route("/oauth/revoke", post(oauth::revoke))
        .route("/oauth/introspect", post(oauth::introspect))
        .route("/api/v1/auth/me", get(account::me))
        .route("/api/v1/auth/logout", post(account::logout))
        .route("/api/v1/auth/logout/all", post(account::logout_all))
        .route("/api/v1/auth/sessions", get(account::list_sessions))
        .route("/api/v1/auth/sessions/rotate", post(account::rotate_session))
        .route(
            "/api/v1/auth/sessions/{session_id}",
            delete(account::terminate_session),
        )
        .route("/api/v1/auth/access/admin", get(account::is_admin))
        .route("/api/v1/auth/access/groups/{group}", get(account::in_group))
        .route(
            "/api/v1/auth/access/workspaces/{workspace_id}",
            get(account::in_workspace),
        )
        // A proxy asks with the method of its client, so every method is accepted.
        .route("/auth/verify", any(forward_auth::verify))
        .route("/auth/cookies", get(forward_auth::cookies))
        .route("/auth/login", get(browser::login))
        .route("/auth/callback/{provider_id}", get(browser::callback))
        .route("/auth/user", get(browser::user))
        .route("/auth/events", get(browser::events))
        .route("/auth/logout", get(browser::logout_page).post(browser::logout))
        .route("/auth/logged-out", get(browser::logged_out))
        .route("/auth/assets/{file}", get(browser::asset))
        .route("/auth/client.js", get(browser::client_script))
        .route("/auth/client.d.ts", get(browser::client_types))
        .route("/.well-known/jwks.json", get(forward_auth::jwks))
        .route("/api/v1/admin/denylist", get(admin::denylist))
        .route("/api/v1/admin/audit", get(admin::audit))
        .route("/api/v1/admin/revocations", post(admin::revoke))
        .route("/api/v1/admin/users/{user_id}/logout", post(admin::logout_all))
        .route("/health", get(health::liveness))
        .route("/health/ready", get(health::readiness))
        .route("/openapi.json", get(docs::openapi))
        .route("/docs", get(docs::page))
        .route("/docs/{file}", get(docs::file));
    let router = if metrics {
        router.route("/metrics", get(health::prometheus))
    } else {
        router
    };
    router
        .fallback(layers::not_found)
        .method_not_allowed_fallback(layers::method_not_allowed)
        .with_state(gateway)
}
