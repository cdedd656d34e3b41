//! Every route, on one screen.

use axum::Router;
use axum::routing::{any, delete, get, post};

use super::gateway::Gateway;
use super::{account, admin, docs, forward_auth, health, layers, oauth};

/// The routes. `metrics` opens `/metrics`.
pub fn routes(gateway: Gateway, metrics: bool) -> Router {
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
        .route("/api/v1/auth/sessions", get(account::list))
        .route("/api/v1/auth/sessions/rotate", post(account::rotate))
        .route("/api/v1/auth/sessions/{session_id}", delete(account::terminate))
        .route("/api/v1/auth/access/admin", get(account::is_admin))
        .route("/api/v1/auth/access/groups/{group}", get(account::in_group))
        .route(
            "/api/v1/auth/access/workspaces/{workspace_id}",
            get(account::in_workspace),
        )
        .route("/auth/verify", any(forward_auth::verify))
        .route("/.well-known/jwks.json", get(forward_auth::jwks))
        .route("/api/v1/admin/denylist", get(admin::denylist))
        .route("/api/v1/admin/audit", get(admin::audit))
        .route("/api/v1/admin/users/{user_id}/logout", post(admin::logout_all))
        .route("/health", get(health::live))
        .route("/health/ready", get(health::ready))
        .route("/openapi.json", get(docs::openapi))
        .route("/docs", get(docs::page));
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
