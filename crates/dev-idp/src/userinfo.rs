//! Who the bearer of an access token is: OpenID Connect userinfo, and the account endpoint of the gateway's guide.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use serde_json::json;

use crate::idp::DevServer;
use crate::oauth_error::OAuthError;
use crate::tokens::AccessClaims;

/// GET and POST /oauth/userinfo (OpenID Connect Core §5.3).
pub(crate) async fn userinfo(
    State(idp): State<Arc<DevServer>>,
    headers: HeaderMap,
) -> Result<Response, OAuthError> {
    let AccessClaims { sub, person, .. } = bearer(&idp, &headers)?;
    Ok(no_store(json!({
        "sub": sub,
        "email": person.email,
        "email_verified": person.email.is_some(),
        "name": person.name,
        "preferred_username": person.preferred_username,
        "picture": person.picture,
        "roles": person.roles,
        "permissions": person.permissions,
        "groups": person.groups,
        "workspaces": person.workspaces,
    })))
}

/// GET /api/v1/auth/me.
pub(crate) async fn me(
    State(idp): State<Arc<DevServer>>,
    headers: HeaderMap,
) -> Result<Response, OAuthError> {
    let AccessClaims { sub, person, .. } = bearer(&idp, &headers)?;
    Ok(no_store(json!({
        "user_id": sub,
        "email": person.email,
        "name": person.name,
        "username": person.preferred_username,
        "avatar_url": person.picture,
        "roles": person.roles,
        "permissions": person.permissions,
        "groups": person.groups,
        "workspaces": person.workspaces,
    })))
}

/// The claims of the bearer token, if it is good now (RFC 6750 §2.1).
fn bearer(idp: &DevServer, headers: &HeaderMap) -> Result<AccessClaims, OAuthError> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let token = match (values.next(), values.next()) {
        (Some(value), None) => value.to_str().ok().and_then(bearer_token),
        _ => None,
    };
    let token = token.ok_or_else(OAuthError::missing_token)?;
    idp.live_access_token(token)
        .map_err(|not_live| OAuthError::invalid_token(not_live.reason()))
}

fn bearer_token(value: &str) -> Option<&str> {
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

fn no_store(body: serde_json::Value) -> Response {
    (
        [(header::CACHE_CONTROL, HeaderValue::from_static("no-store"))],
        Json(body),
    )
        .into_response()
}
