//! What clients may learn about the server: metadata (OpenID Connect Discovery, RFC 8414), its keys, its health.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde_json::{Value, json};

use crate::idp::DevServer;

/// GET /.well-known/openid-configuration and /.well-known/oauth-authorization-server.
pub(crate) async fn metadata(State(idp): State<Arc<DevServer>>) -> Json<Value> {
    let address = |path: &str| idp.config.address(path);
    let authenticated = ["client_secret_basic", "client_secret_post"];
    let identified = ["none", "client_secret_basic", "client_secret_post"];
    Json(json!({
        "issuer": idp.config.issuer,
        "authorization_endpoint": address("/oauth/authorize"),
        "token_endpoint": address("/oauth/token"),
        "userinfo_endpoint": address("/oauth/userinfo"),
        "revocation_endpoint": address("/oauth/revoke"),
        "introspection_endpoint": address("/oauth/introspect"),
        "jwks_uri": address("/.well-known/jwks.json"),
        "scopes_supported": idp.config.scopes,
        "response_types_supported": ["code"],
        "response_modes_supported": ["query"],
        "grant_types_supported": ["authorization_code", "refresh_token", "client_credentials"],
        "code_challenge_methods_supported": ["S256"],
        "token_endpoint_auth_methods_supported": identified,
        "revocation_endpoint_auth_methods_supported": identified,
        "introspection_endpoint_auth_methods_supported": authenticated,
        "authorization_response_iss_parameter_supported": true,
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["ES256"],
        "claims_supported": [
            "iss", "sub", "aud", "iat", "exp", "auth_time", "nonce", "at_hash", "sid", "email", "email_verified",
            "name", "preferred_username", "picture", "roles", "permissions", "groups", "workspaces",
        ],
        "prompt_values_supported": ["login"],
        "request_parameter_supported": false,
        "request_uri_parameter_supported": false,
    }))
}

/// GET /.well-known/jwks.json.
pub(crate) async fn jwks(State(idp): State<Arc<DevServer>>) -> Json<Value> {
    Json(idp.signing_key.jwks())
}

/// GET /health.
pub(crate) async fn health() -> Json<Value> {
    Json(json!({ "status": "healthy", "service": "maxlab-auth-dev-idp" }))
}
