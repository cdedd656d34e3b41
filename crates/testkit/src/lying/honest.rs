//! Answers of an honest authorization server, for the endpoints that the gateway uses.

use serde_json::{Value, json};

use super::AuthServerState;
use super::message::{ReceivedRequest, ScriptedResponse};

/// Returns the honest answer to a request.
pub(super) fn honest_response(state: &AuthServerState, request: &ReceivedRequest) -> ScriptedResponse {
    match (request.method.as_str(), request.path.as_str()) {
        ("GET", "/health") => ScriptedResponse::json(200, json!({ "status": "healthy" })),
        ("GET", "/.well-known/jwks.json") => ScriptedResponse::json(200, state.forge.jwks()),
        ("GET", "/.well-known/openid-configuration") => {
            let mut document = discovery(state.forge.issuer(), request);
            for (name, value) in state.metadata.lock().unwrap().iter() {
                document[name] = value.clone();
            }
            ScriptedResponse::json(200, document)
        }
        ("GET" | "POST", "/oauth/userinfo") => userinfo(state, request, |_| {}),
        // The endpoint that `traditional_auth` asks has the user in `user_id`.
        ("GET", "/api/v1/auth/me") => userinfo(state, request, |claims| {
            if claims.get("user_id").is_none() {
                claims["user_id"] = claims["sub"].clone();
            }
        }),
        ("POST", "/oauth/introspect") => ScriptedResponse::json(200, introspect(state, request)),
        ("POST", "/oauth/revoke") => {
            // RFC 7009 §2.2: 200 also for an unknown token.
            state
                .accepted_tokens
                .lock()
                .unwrap()
                .remove(&request.form("token").unwrap_or_default());
            ScriptedResponse::status(200)
        }
        _ => ScriptedResponse::json(404, json!({ "detail": "not found" })),
    }
}

fn userinfo(
    state: &AuthServerState,
    request: &ReceivedRequest,
    shape: impl FnOnce(&mut Value),
) -> ScriptedResponse {
    let claims = request
        .bearer()
        .and_then(|token| state.accepted_tokens.lock().unwrap().get(token).cloned());
    match claims {
        Some(mut claims) => {
            shape(&mut claims);
            ScriptedResponse::json(200, claims)
        }
        None => ScriptedResponse::json(401, json!({ "error": "invalid_token" }))
            .header("www-authenticate", "Bearer error=\"invalid_token\""),
    }
}

/// Returns the answer to an introspection request (RFC 7662 §2.2).
fn introspect(state: &AuthServerState, request: &ReceivedRequest) -> Value {
    let token = request.form("token").unwrap_or_default();
    match state.accepted_tokens.lock().unwrap().get(&token).cloned() {
        Some(mut claims) => {
            claims["active"] = json!(true);
            claims
        }
        // Nothing else: an inactive token is not described (RFC 7662 §2.2).
        None => json!({ "active": false }),
    }
}

/// Returns the server's metadata (OpenID Connect Discovery 1.0 §3).
fn discovery(issuer: &str, request: &ReceivedRequest) -> Value {
    // At the address that the client used: then requests go through a `BreakableLink` too.
    let at = |path: &str| format!("http://{}{path}", request.header("host").unwrap_or_default());
    json!({
        "issuer": issuer,
        "authorization_endpoint": at("/oauth/authorize"),
        "token_endpoint": at("/oauth/token"),
        "userinfo_endpoint": at("/oauth/userinfo"),
        "revocation_endpoint": at("/oauth/revoke"),
        "introspection_endpoint": at("/oauth/introspect"),
        "jwks_uri": at("/.well-known/jwks.json"),
        "response_types_supported": ["code"],
        "grant_types_supported": ["authorization_code", "refresh_token"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["ES256"],
        "code_challenge_methods_supported": ["S256"],
        "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post", "none"],
    })
}
