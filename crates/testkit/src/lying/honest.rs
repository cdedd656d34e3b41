//! The answers of an honest authorization server, as far as the gateway asks for them.

use serde_json::{Value, json};

use super::Desk;
use super::message::{Request, Response};

pub(super) fn answer(desk: &Desk, request: &Request) -> Response {
    match (request.method.as_str(), request.path.as_str()) {
        ("GET", "/health") => Response::json(200, json!({ "status": "healthy" })),
        ("GET", "/.well-known/jwks.json") => Response::json(200, desk.forge.jwks()),
        ("GET", "/.well-known/openid-configuration") => {
            Response::json(200, discovery(desk.forge.issuer(), request))
        }
        ("GET" | "POST", "/oauth/userinfo") => who(desk, request, |_| {}),
        ("GET", "/api/v1/auth/me") => who(desk, request, |claims| {
            if claims.get("user_id").is_none() {
                claims["user_id"] = claims["sub"].clone();
            }
        }),
        ("POST", "/oauth/introspect") => Response::json(200, introspect(desk, request)),
        ("POST", "/oauth/revoke") => {
            // RFC 7009 §2.2: 200 also for a token that it doesn't know.
            desk.known
                .lock()
                .unwrap()
                .remove(&request.form("token").unwrap_or_default());
            Response::status(200)
        }
        _ => Response::json(404, json!({ "detail": "not found" })),
    }
}

fn who(desk: &Desk, request: &Request, shape: impl FnOnce(&mut Value)) -> Response {
    let claims = request
        .bearer()
        .and_then(|token| desk.known.lock().unwrap().get(token).cloned());
    match claims {
        Some(mut claims) => {
            shape(&mut claims);
            Response::json(200, claims)
        }
        None => Response::json(401, json!({ "error": "invalid_token" }))
            .header("www-authenticate", "Bearer error=\"invalid_token\""),
    }
}

/// RFC 7662 §2.2.
fn introspect(desk: &Desk, request: &Request) -> Value {
    let token = request.form("token").unwrap_or_default();
    match desk.known.lock().unwrap().get(&token).cloned() {
        Some(mut claims) => {
            claims["active"] = json!(true);
            claims
        }
        None => json!({ "active": false }),
    }
}

/// OpenID Connect Discovery 1.0 §3. The endpoints are where the request came to, so that they also work through a link.
fn discovery(issuer: &str, request: &Request) -> Value {
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
